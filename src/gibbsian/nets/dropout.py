"""Dropout with a random stream of its own, kept in the state, so that a resumed run repeats the masks."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..core.errors import UsageError
from ..core.random import derive, generator


class Dropout(nn.Module):
    """In training, zero each entry with probability `rate` in [0, 1) and scale the rest by 1 / (1 - rate).

    Buffer `stream` int64 (2,): the seed, drawn when the module is built, and the number of masks drawn.
    Nothing is drawn in eval mode or at rate 0. Source: N. Srivastava et al., JMLR 15, 2014.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        if not 0 <= rate < 1:
            raise UsageError(f"dropout is {rate}: it is a probability in [0, 1)")
        self.rate = rate
        self.register_buffer("stream", torch.tensor([1, 0]) * torch.randint(2**62, ()))
        self.stream: Tensor

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.rate == 0:
            return x
        seed, count = self.stream.tolist()
        rng = generator(derive(seed, "dropout", count), x.device)
        self.stream[1] += 1
        keep = torch.rand(x.shape, generator=rng, device=x.device) >= self.rate
        return x * keep / (1 - self.rate)

    def extra_repr(self) -> str:
        return f"rate={self.rate}"


def without_dropout(net: nn.Module) -> None:
    """Leave dropout out until `net` is set to training again."""
    for module in net.modules():
        if isinstance(module, (Dropout, nn.Dropout)):
            module.eval()

"""Convolution weights with their channels last, for as long as nobody trains them.

On a CPU, convolutions by such weights make maps with channels last, and the gradient by position of a network
of some width takes half to a quarter of the time (docs/benchmarks.md). Networks built here have them from the
start; one that was not gets copies, and has its own parameters back afterwards.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

FEWEST = 2
"""Convolutions from which it pays: a single one would only turn its image round."""


@contextmanager
def channels_last(layers: Iterable[nn.Module]) -> Iterator[None]:
    """Inside, the two-dimensional convolutions on a CPU among `layers` (`net.modules()`) have their weights
    channels last, as constants: no gradient reaches the parameters. Nests; the parameters themselves are put
    back, also after an error.
    """
    found = [(m, p) for m in layers if (p := _parameter(m)) is not None]
    turned = [(m, p) for m, p in found if not p.is_contiguous(memory_format=torch.channels_last)]
    try:
        for m, p in turned if len(found) >= FEWEST else ():
            m._parameters["weight"] = nn.Parameter(last(p.detach()), requires_grad=False)
        yield
    finally:
        for m, p in turned:
            m._parameters["weight"] = p


def last(weight: Tensor) -> Tensor:
    """A weight `(out, in, H, W)` with its channels last; any other as it is."""
    return weight.contiguous(memory_format=torch.channels_last) if weight.dim() == 4 else weight


def _parameter(m: nn.Module) -> nn.Parameter | None:
    """The weight of a two-dimensional convolution of floats on a CPU."""
    p = m._parameters.get("weight") if isinstance(m, (nn.Conv2d, nn.ConvTranspose2d)) else None
    return p if p is not None and p.dim() == 4 and p.device.type == "cpu" and p.is_floating_point() else None

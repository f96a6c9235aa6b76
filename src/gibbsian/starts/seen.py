"""Images of another domain that training has met, kept so that a translating model has something to show.

A ring of the latest `capacity` images, as module state under `chains.`: checkpoints hold it, exports do not.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..core.errors import UsageError, require_positive


class SeenImages(nn.Module):
    """The latest images given to `keep`.

    Buffers: `stored` (capacity, *event), `kept` int64, how many were ever given.

    Args:
        event_shape: the one shape of the images.
        capacity: how many are kept; `UsageError` below 1.
    """

    def __init__(self, event_shape: tuple[int, ...], capacity: int = 256) -> None:
        super().__init__()
        require_positive(capacity=capacity)
        self.stored: Tensor
        self.kept: Tensor
        self.register_buffer("stored", torch.zeros(capacity, *event_shape))
        self.register_buffer("kept", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def keep(self, x: Tensor) -> None:
        """Store images `(B, *event)` over the oldest ones."""
        capacity = len(self.stored)
        latest = x[-capacity:]
        first = int(self.kept) + len(x) - len(latest)
        slots = (first + torch.arange(len(latest), device=x.device)) % capacity
        self.stored[slots] = latest.to(self.stored)
        self.kept += len(x)

    def draw(self, n: int, rng: torch.Generator) -> Tensor:
        """`n` of the images `(n, *event)`, distinct while there are as many; `UsageError` for none."""
        held = min(int(self.kept), len(self.stored))
        if not held:
            raise UsageError("this model has met no images to translate yet: train it, or hand it some")
        order = torch.randperm(held, generator=rng, device=rng.device)
        return self.stored[order.repeat(-(-n // held))[:n]]

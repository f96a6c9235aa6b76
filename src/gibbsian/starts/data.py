"""Chains from the data: contrastive divergence (G. E. Hinton, Neural Computation 14, 2002)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..core.errors import UsageError
from ..core.position import Position
from ..core.random import RngLike, as_generator
from ..core.records import Batch
from .base import BufferSample, all_restarted, chain_labels


@dataclass(frozen=True)
class DataStart:
    """Chains begin at the first n points of the batch, plus normal noise in each coordinate.

    Args:
        noise: standard deviation of the noise, in the units of the data; 0 for none.
    """

    noise: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.noise < float("inf"):
            raise UsageError(f"noise is {self.noise}: a standard deviation must be 0 or more")

    def draw(
        self, n: int, rng: RngLike, *, batch: Batch | None = None, y: Tensor | None = None
    ) -> BufferSample:
        """Positions `(n, *event)` of the batch, which must hold at least `n`; labels as asked for."""
        if batch is None or len(batch) < n:
            held = 0 if batch is None else len(batch)
            raise UsageError(f"{n} chains from a batch of {held} data points: pass a batch of at least {n}")
        x = batch.x[:n].detach().clone()
        rng = as_generator(rng, x.device)
        if self.noise:
            x += self.noise * torch.randn(x.shape, generator=rng, dtype=x.dtype, device=x.device)
        return BufferSample(x, chain_labels(n, y), None, all_restarted(n, rng))

    def write(self, drawn: BufferSample, position: Position) -> None:
        """Nothing is kept."""

"""Chains from the data: contrastive divergence (G. E. Hinton, Neural Computation 14, 2002)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..core.errors import UsageError
from ..core.position import Position
from ..core.random import RngLike, as_generator
from ..core.records import Batch
from .base import BufferSample, Start, all_restarted, chain_labels


@dataclass(frozen=True)
class DataStart:
    """Chains begin at the first n points of the batch, plus normal noise in each coordinate.

        ReplayBuffer(DataStart(0.3, UniformNoise((1, 8, 8))), 5000)    # 5 % begin anew at noised data

    Args:
        noise: standard deviation of the noise, in the units of the data; 0 for none.
        fallback: where chains begin without a batch, as those that fill a buffer at first, or draw samples.
    """

    noise: float = 0.0
    fallback: Start | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.noise < float("inf"):
            raise UsageError(f"noise is {self.noise}: a standard deviation must be 0 or more")

    def draw(
        self, n: int, rng: RngLike, *, batch: Batch | None = None, y: Tensor | None = None
    ) -> BufferSample:
        """Positions `(n, *event)` of the batch, which must hold at least `n`; labels as asked for.

        Raises `UsageError` for a smaller batch, and without one where there is no `fallback`.
        """
        if batch is None and self.fallback is not None:
            return self.fallback.draw(n, as_generator(rng), y=y)
        if batch is None or len(batch) < n:
            held = "no batch" if batch is None else f"a batch of {len(batch)}"
            raise UsageError(
                f"{n} chains from {held} of data: pass batch= with at least {n}; for draws without one, as "
                "where a buffer is filled, give DataStart a fallback such as UniformNoise"
            )
        x = batch.x[:n].detach().clone()
        rng = as_generator(rng, x.device)
        if self.noise:
            x += self.noise * torch.randn(x.shape, generator=rng, dtype=x.dtype, device=x.device)
        return BufferSample(x, chain_labels(n, y), None, all_restarted(n, rng))

    def write(self, drawn: BufferSample, position: Position) -> None:
        """Nothing is kept."""

"""Chains from a bank of noise that is drawn once and used again and again."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..core.errors import UsageError
from ..core.position import Position
from ..core.random import RngLike, as_generator
from ..core.records import Batch
from .base import BufferSample, Start, all_restarted, chain_labels


class FixedNoise(nn.Module):
    """Starting points that are drawn once, at construction, and never changed.

    Each draw takes distinct rows at random. Buffer `bank` `(capacity, *event)`, part of the state; where
    chains end is not kept. With a bank as large as the batch, all chains begin at the same points for
    ever, which makes the sampler a deterministic map of its noise (E. Nijkamp et al., AAAI 2020,
    arXiv 1903.12370, discuss the choice of starts).

    Args:
        noise: the start that the points are drawn from; one of plain tensors.
        capacity: number of points, at least 1.
        rng: a generator, a seed or None, for that draw.

    Raises `UsageError` for a capacity below 1 or positions of several leaves.
    """

    def __init__(self, noise: Start, capacity: int, rng: RngLike = None) -> None:
        super().__init__()
        if capacity < 1:
            raise UsageError(f"capacity is {capacity}: the bank needs at least one starting point")
        bank = noise.draw(capacity, as_generator(rng)).position
        if not isinstance(bank, Tensor):
            raise UsageError("a bank of noise holds one tensor: use one start a part of a tuple position")
        self.register_buffer("bank", bank)
        self.bank: Tensor

    @property
    def capacity(self) -> int:
        """Starting points in the bank."""
        return self.bank.shape[0]

    def draw(
        self, n: int, rng: RngLike, *, batch: Batch | None = None, y: Tensor | None = None
    ) -> BufferSample:
        """`n` distinct rows of the bank; raises `UsageError` if it holds fewer."""
        rng = as_generator(rng, self.bank.device)
        if n > self.capacity:
            raise UsageError(f"{n} chains from a bank of {self.capacity}: draw fewer, or enlarge the bank")
        slots = torch.randperm(self.capacity, generator=rng, device=rng.device)[:n]
        return BufferSample(self.bank[slots], chain_labels(n, y), slots, all_restarted(n, rng))

    def write(self, drawn: BufferSample, position: Position) -> None:
        """Nothing is kept."""

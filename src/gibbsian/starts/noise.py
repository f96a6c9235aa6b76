"""Chains from fresh noise: a new draw from a fixed distribution each time.

Short-run learning "from the same noise" means this: the *distribution* is fixed, the draws are new (E.
Nijkamp et al., NeurIPS 2019, arXiv 1904.09770). For the same draws each time see `FixedNoise`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..core.errors import UsageError, require_positive
from ..core.position import Position, batch_size, leaves, like
from ..core.random import RngLike, as_generator
from ..core.records import Batch
from ..core.show import one_line
from .base import BufferSample, Start, all_restarted, chain_labels


@dataclass(frozen=True)
class UniformNoise:
    """Independent uniform noise in each coordinate, drawn on the device of `rng`.

    Args:
        shape: shape of one event, without the chains.
        low: lower end of the range, in the units of the data.
        high: upper end, above `low`; `UsageError` otherwise.
        dtype: type of the positions.
    """

    shape: tuple[int, ...]
    low: float = -1.0
    high: float = 1.0
    dtype: torch.dtype = torch.float32

    __repr__ = one_line

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise UsageError(f"uniform noise from {self.low} to {self.high}: low must lie below high")

    def draw(
        self, n: int, rng: RngLike, *, batch: Batch | None = None, y: Tensor | None = None
    ) -> BufferSample:
        """`n` fresh positions `(n, *shape)`; labels as asked for."""
        rng = as_generator(rng)
        unit = torch.rand(n, *self.shape, generator=rng, dtype=self.dtype, device=rng.device)
        x = self.low + (self.high - self.low) * unit
        return BufferSample(x, chain_labels(n, y), None, all_restarted(n, rng))

    def write(self, drawn: BufferSample, position: Position) -> None:
        """Nothing is kept."""


@dataclass(frozen=True)
class GaussianNoise:
    """Independent normal noise in each coordinate, drawn on the device of `rng`.

    Args:
        shape: shape of one event, without the chains.
        std: standard deviation, in the units of the data; `UsageError` unless positive.
        mean: the mean of every coordinate.
        dtype: type of the positions.
    """

    shape: tuple[int, ...]
    std: float = 1.0
    mean: float = 0.0
    dtype: torch.dtype = torch.float32

    __repr__ = one_line

    def __post_init__(self) -> None:
        require_positive(std=self.std)

    def draw(
        self, n: int, rng: RngLike, *, batch: Batch | None = None, y: Tensor | None = None
    ) -> BufferSample:
        """`n` fresh positions `(n, *shape)`; labels as asked for."""
        rng = as_generator(rng)
        x = torch.randn(n, *self.shape, generator=rng, dtype=self.dtype, device=rng.device)
        return BufferSample(self.mean + self.std * x, chain_labels(n, y), None, all_restarted(n, rng))

    def write(self, drawn: BufferSample, position: Position) -> None:
        """Nothing is kept."""


@dataclass(frozen=True)
class NormalLeaves:
    """Tuple positions of N(0, I) leaves with events of these `shapes`; drawn on the device of `rng`."""

    shapes: tuple[tuple[int, ...], ...]

    def draw(
        self, n: int, rng: RngLike, *, batch: Batch | None = None, y: Tensor | None = None
    ) -> BufferSample:
        """`n` fresh positions, a leaf `(n, *shape)` for each shape; labels as asked for."""
        rng = as_generator(rng)
        parts = tuple(torch.randn(n, *shape, generator=rng, device=rng.device) for shape in self.shapes)
        return BufferSample(parts, chain_labels(n, y), None, all_restarted(n, rng))

    def write(self, drawn: BufferSample, position: Position) -> None:
        """Nothing is kept."""


def redraw(position: Position, bad: Tensor, init_noise: Start, rng: torch.Generator) -> Position:
    """The position with its bad chains begun anew.

    Good chains are untouched, and where there is nothing to mend `rng` is too. Waits once for the device.

    Args:
        position: `(B, *event)`, or a tuple of such leaves.
        bad: `(B,)` bool, true where a chain is to be replaced; `UsageError` for other shapes.
        init_noise: the start where replaced chains begin.
        rng: its source of randomness.
    """
    if bad.shape != (batch_size(position),):
        raise UsageError(f"mask is {tuple(bad.shape)} for {batch_size(position)} chains: use (B,) bools")
    count = int(bad.sum())
    if not count:
        return position
    new = leaves(init_noise.draw(count, rng).position)
    return like(position, tuple(_replaced(a, bad, b) for a, b in zip(leaves(position), new, strict=True)))


def _replaced(x: Tensor, bad: Tensor, new: Tensor) -> Tensor:
    x = x.clone()
    x[bad] = new.to(x.dtype)
    return x

"""Base measures and tethers: the closed-form energies that a learned one is added to.

All are at temperature 1. They join an energy of temperature T only as E/T + reference, run at
temperature 1 (`algebra.tempered`): added to a cold E they would weigh 1/T times too much.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ..core.errors import UsageError
from ..core.position import Position, leaves
from ..core.show import one_line
from .context import Index, above_zero, quadratic, take


@dataclass(frozen=True, eq=False)
class Tether:
    """||x - centre||^2 / (2 sigma^2): Gaussian noise of deviation `sigma` that led from x to `centre`.

    `centre` is a position of B chains, or of 1 chain shared by all; `sigma` a number or `(B,)`. It is the
    conditional of diffusion recovery likelihood (Gao et al. 2021, arXiv:2012.08125) and the data
    term of denoising. Raises `UsageError` on other shapes, or unless sigma is positive.
    """

    centre: Position
    sigma: float | Tensor

    __repr__ = one_line

    def __post_init__(self) -> None:
        above_zero("sigma", self.sigma)

    def __call__(self, x: Position) -> Tensor:
        return quadratic(x, self.centre, self.sigma)

    def rows(self, index: Index) -> Tether:
        """The tethers of the chains at `index`."""
        return Tether(take(self.centre, index), take(self.sigma, index))


@dataclass(frozen=True, eq=False)
class GaussianReference:
    """||x - mean||^2 / (2 sigma^2), shared by all chains: the base N(mean, sigma^2 I).

    `mean` is a number for every coordinate. The reference of the generative ConvNet (Xie et al. 2016,
    arXiv:1602.03264) and the prior of latents. Raises `UsageError` unless sigma is positive.
    """

    sigma: float
    mean: float = 0.0

    __repr__ = one_line

    def __post_init__(self) -> None:
        above_zero("sigma", self.sigma)

    def __call__(self, x: Position) -> Tensor:
        return quadratic(x, self.mean, self.sigma)

    def log_z(self, dim: int) -> float:
        """log of the integral of exp(-E) over `dim` coordinates."""
        return 0.5 * dim * math.log(2 * math.pi * self.sigma**2)

    def rows(self, index: Index) -> GaussianReference:
        """Itself: no per-chain context."""
        return self


@dataclass(frozen=True, eq=False)
class Box:
    """0 where low <= x <= high in every coordinate, +inf elsewhere: a wall, the uniform base.

    The gradient is 0 everywhere, so that a Metropolis kernel stops at the wall while an unadjusted one
    walks through it (clamp that kernel instead). A NaN lies outside. Raises `UsageError` unless low < high.
    """

    low: float
    high: float

    __repr__ = one_line

    def __post_init__(self) -> None:
        if not -math.inf < self.low < self.high < math.inf:
            raise UsageError(f"box is [{self.low}, {self.high}]: it needs finite low < high")

    def __call__(self, x: Position) -> Tensor:
        inside = [((a >= self.low) & (a <= self.high)).flatten(1).all(1) for a in leaves(x)]
        nothing = 0 * leaves(x)[0].flatten(1)[:, 0]
        return torch.where(torch.stack(inside).all(0), nothing, math.inf)

    def log_z(self, dim: int) -> float:
        """log of the volume over `dim` coordinates."""
        return dim * math.log(self.high - self.low)

    def rows(self, index: Index) -> Box:
        """Itself: no per-chain context."""
        return self

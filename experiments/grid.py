"""Densities of 2-D energies on a grid: the exact answer that a plane allows.

An energy on `(B, 2)` is evaluated at n x n points of [low, high]^2 and integrated by the trapezoid rule
(error far below 1e-4 at n = 400 for smooth energies with no mass at the edge). +inf is a place without
mass; NaN is refused. The energy is taken as it is: pass E/T (`algebra.Tempered`) for a model at T.
First index of a grid: first coordinate.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from gibbsian.core.energy import Energy, value
from gibbsian.core.errors import UsageError

CHUNK = 40_000
FINE = 10


@dataclass(frozen=True)
class Grid:
    """n x n points of [low, high]^2, given to energies in `dtype` on `device`; sums are in float64.

    Raises `UsageError` unless low < high and n >= 2.
    """

    low: float = -4
    high: float = 4
    n: int = 400
    dtype: torch.dtype = torch.float32
    device: torch.device | str = "cpu"

    def __post_init__(self) -> None:
        if not -math.inf < self.low < self.high < math.inf or self.n < 2:
            raise UsageError(f"grid: {self.n} points from {self.low} to {self.high}: give low < high, n > 1")

    def points(self) -> Tensor:
        """All points, shape `(n * n, 2)`."""
        axis = torch.linspace(self.low, self.high, self.n, dtype=torch.float64)
        return torch.cartesian_prod(axis, axis).to(self.device, self.dtype)

    @torch.no_grad()
    def energies(self, energy: Energy) -> Tensor:
        """E at the points, shape `(n, n)`, float64 on the CPU; raises `UsageError` on a NaN."""
        parts = [value(energy, chunk).cpu().double() for chunk in self.points().split(CHUNK)]
        energies = torch.cat(parts).reshape(self.n, self.n)
        if bool(energies.isnan().any()):
            square = f"[{self.low}, {self.high}]^2"
            raise UsageError(f"energy is NaN inside {square}: take a smaller one, or return +inf there")
        return energies

    def log_z(self, energy: Energy) -> float:
        """log of the integral of exp(-E) over the square, in nats."""
        return float((self.log_weights() - self.energies(energy)).logsumexp((0, 1)))

    def log_density(self, energy: Energy) -> Tensor:
        """log p at the points in nats, normalised over the square, shape `(n, n)`."""
        energies = self.energies(energy)
        return -energies - (self.log_weights() - energies).logsumexp((0, 1))

    def kl(self, p: Energy, q: Energy) -> float:
        """KL(p || q) in nats between the densities of two energies over the square; log Z cancels."""
        log_p, log_q = self.log_density(p), self.log_density(q)
        mass = (self.log_weights() + log_p).exp()
        return float(torch.where(mass > 0, mass * (log_p - log_q), 0.0).sum())

    def log_weights(self) -> Tensor:
        """log of the trapezoid weights, shape `(n, n)`, float64."""
        axis = torch.full((self.n,), math.log((self.high - self.low) / (self.n - 1)), dtype=torch.float64)
        axis[[0, -1]] -= math.log(2)
        return axis[:, None] + axis[None, :]


def sample_kl(x: Tensor, energy: Energy, grid: Grid | None = None, bins: int = 20) -> float:
    """KL(histogram of the draws x `(N, 2)` || p) in nats over bins x bins cells of the square of `grid`.

    N exact independent draws give not 0 but about (cells with mass - 1) / 2N. Draws outside the square
    are left out; raises `UsageError` when all are.
    """
    grid = replace(grid or Grid(), n=FINE * bins + 1)
    mass = _cell_mass(grid.log_density(energy).exp(), bins)
    edges = torch.linspace(grid.low, grid.high, bins + 1, dtype=torch.float64)
    counts = torch.histogramdd(x.detach().cpu().double(), bins=[edges, edges]).hist
    if counts.sum() == 0:
        raise UsageError(f"no draw lies in [{grid.low}, {grid.high}]^2: take the square that holds them")
    share = counts / counts.sum()
    return float(torch.where(share > 0, share * (share.log() - mass.log()), 0.0).sum())


def _cell_mass(density: Tensor, bins: int) -> Tensor:
    """Shares of bins x bins cells by the trapezoid rule on `FINE` intervals a side, shape `(bins, bins)`."""
    rule = torch.ones(FINE + 1, dtype=torch.float64)
    rule[[0, -1]] = 0.5
    cells = density.unfold(0, FINE + 1, FINE).unfold(1, FINE + 1, FINE)
    mass = torch.einsum("abij,i,j->ab", cells, rule, rule)
    return mass / mass.sum()

"""A point that takes random steps, with the exact density of its place after one step and after many.

    s' = keep s + radius u + noise xi,   u one of two directions (-1 or 1), or any direction of the plane

Regression finds the mean of the steps, where none ever goes. After H steps the place is keep^H s and a sum of
independent steps, whose characteristic function is a product of cosines or Bessel functions: on a grid the
density is its Fourier sum (for two directions and keep 1 a binomial mixture of Gaussians).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ..core.random import derive, generator

FINE = 8
"""Points of the Fourier sum to a cell, along one coordinate."""


@dataclass(frozen=True)
class PointMass:
    """A point of `dim` coordinates, 1 or 2. `keep` below 1 draws it back to 0 before each step."""

    dim: int
    radius: float = 1.0
    noise: float = 0.2
    keep: float = 1.0

    def step(self, s: Tensor, rng: torch.Generator) -> Tensor:
        """The next places of points at `s` `(B, dim)`."""
        turn = torch.rand(len(s), 1, generator=rng, dtype=s.dtype) * 2 * math.pi
        u = torch.cat([turn.cos(), turn.sin()], 1) if self.dim == 2 else (turn - math.pi).sign()
        xi = torch.randn(s.shape, generator=rng, dtype=s.dtype)
        return self.keep * s + self.radius * u + self.noise * xi

    def paths(self, s: Tensor, steps: int, rng: torch.Generator) -> Tensor:
        """Places `(B, steps + 1, dim)` of points that begin at `s` `(B, dim)`."""
        found = [s]
        for _ in range(steps):
            found.append(self.step(found[-1], rng))
        return torch.stack(found, 1)

    def log_prob(self, s: Tensor, following: Tensor) -> Tensor:
        """log p(following | s) in nats, `(B,)`."""
        moved = (following - self.keep * s).double()
        variance, r = self.noise**2, self.radius
        flat = -self.dim / 2 * math.log(2 * math.pi * variance)
        if self.dim == 1:
            both = torch.cat([moved - r, moved + r], 1).square() / (-2 * variance)
            return flat + both.logsumexp(1) - math.log(2)
        length = moved.norm(dim=1)
        bessel = torch.special.i0e(length * r / variance).log()  # scaled: exp(-z) I0(z)
        return flat - (length - r).square() / (2 * variance) + bessel

    def cells(self, s: Tensor, steps: int, box: float, bins: int) -> Tensor:
        """Probabilities `(bins,)` or `(bins, bins)` of the cells of [-box, box]^dim after `steps` from `s`
        `(dim,)`, float64; the box must hold nearly all of it.
        """
        n = bins * FINE
        width = 2 * box / n
        frequency = 2 * math.pi * torch.fft.fftfreq(n, width, dtype=torch.float64)
        k = torch.stack(torch.meshgrid(*self.dim * [frequency], indexing="ij"), -1)
        centre = torch.exp(1j * (k @ (s.double() * self.keep**steps + box - width / 2)))
        density = torch.fft.ifftn(self._characteristic(k.norm(dim=-1), steps) * centre.conj()).real
        mass = density.clamp(min=0).reshape(*self.dim * [bins, FINE]).sum(tuple(range(1, 2 * self.dim, 2)))
        return mass / mass.sum()

    def _characteristic(self, k: Tensor, steps: int) -> Tensor:
        """Of the sum of the steps, by |k|."""
        found = torch.ones_like(k)
        for j in range(steps):
            shrunk = self.keep**j * k
            turned = torch.special.bessel_j0 if self.dim == 2 else torch.cos
            found *= turned(self.radius * shrunk) * torch.exp(-0.5 * (self.noise * shrunk).square())
        return found


MASSES = {"two_way": PointMass(1), "ring": PointMass(2, keep=0.5, noise=0.1)}
"""Those of the named sets `pointmass:two_way` and `pointmass:ring`."""
EPISODES, LENGTH = {"train": 2000, "test": 400}, 25


def episodes_of(name: str, split: str) -> list[Tensor]:
    """The paths `(LENGTH + 1, dim)` of a part of a named set, always the same."""
    mass, rng = MASSES[name], generator(derive(0, f"pointmass:{name}:{split}"))
    begun = torch.randn(EPISODES[split], mass.dim, generator=rng, dtype=torch.float64)
    return list(mass.paths(begun, LENGTH, rng).float())

"""Moves between levels of noise that have a density, for importance weights along them.

    noised      q(x' | x) = N(x, (sigma'^2 - sigma^2) I),   up: noise is added
    denoised    r(x | x') = N(x' - (sigma'^2 - sigma^2) grad U(x', sigma'),  V),   down

r has the mean of x given x', whatever the data, and is q's reverse as levels come close if V is about their
covariance: the ancestral step of diffusion models (J. Ho, A. Jain, P. Abbeel, 2020; Y. Song et al., 2021; the
best V: F. Bao et al., 2022). Both give log of what the way back has over the way there: the weights of
`mcmc.annealed`, and, from data up alone, the variational bound of D. Kingma et al., 2021.
"""

from __future__ import annotations

import math
from typing import Protocol, TypeVar, cast

import torch
from torch import Tensor

from ..core.energy import Energy, value_and_grad

Noise = TypeVar("Noise", float, Tensor)


class Spread(Protocol):
    """V: a normal density about 0."""

    def draw(self, n: int, rng: torch.Generator) -> Tensor:
        """`n` draws `(n, D)`."""

    def neg_log_density(self, z: Tensor) -> Tensor:
        """-log of the density, `(B,)`, at `z` `(B, *event)`."""


def denoised(
    x: Tensor, rng: torch.Generator, *, energy: Energy, spread: Spread, sigma: float, to: float
) -> tuple[Tensor, Tensor]:
    """From noise `sigma`, of the energy given, to less: rows like `x` `(N, *event)`, log q - log r."""
    added = sigma**2 - to**2
    z = spread.draw(len(x), rng).view_as(x)
    moved = x - added * _slope(energy, x) + z
    return moved, log_normal(x - moved, added) + spread.neg_log_density(z)


def noised(
    x: Tensor, rng: torch.Generator, *, ahead: Energy, spread: Spread, sigma: float, to: float
) -> tuple[Tensor, Tensor]:
    """From noise `sigma` to more, where the energy is `ahead`: rows like `x`, log r - log q `(N,)`."""
    added = to**2 - sigma**2
    moved = x + added**0.5 * torch.randn(x.shape, generator=rng, device=x.device, dtype=x.dtype)
    z = x - moved + added * _slope(ahead, moved)
    return moved, -spread.neg_log_density(z) - log_normal(moved - x, added)


def ancestral(x: Tensor, slope: Tensor, sigma: Noise, to: Noise) -> tuple[Tensor, Noise]:
    """Mean of rows with noise `to` given `x` with noise `sigma`, grad U being `slope`, and the least V: the
    variance with the clean data known. Levels are numbers, or broadcast to `x`.
    """
    added = sigma**2 - to**2
    return x - added * slope, to**2 * added / sigma**2


def _slope(energy: Energy, x: Tensor) -> Tensor:
    return cast(Tensor, value_and_grad(energy, x)[1])


def log_normal(z: Tensor, variance: float) -> Tensor:
    """log N(z; 0, variance I), `(N,)`."""
    z = z.flatten(1)
    return -0.5 * (z.square().sum(1) / variance + z.shape[1] * math.log(2 * math.pi * variance))

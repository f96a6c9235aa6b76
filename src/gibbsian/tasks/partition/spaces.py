"""What events are, reals or bits: what a path begins at, and the exact kernel that moves along it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

import torch
from torch import Tensor

from ...mcmc.gibbs import Gibbs
from ...mcmc.hmc import HMC
from ...mcmc.kernel import Kernel
from ...mcmc.reports import ChainSummary
from .bases import Base, Bits, Normal, fitted_bits, fitted_normal

GOAL = 0.65
K = TypeVar("K", bound=Kernel)


class Space(Protocol[K]):
    """Events of one kind and shape."""

    @property
    def wide(self) -> Base:
        """What is begun at when nothing is known."""

    @property
    def kernel(self) -> K:
        """The first kernel."""

    def fitted(self, x: Tensor) -> Base:
        """The base with the moments of particles."""

    def around(self, kernel: K, x: Tensor) -> K:
        """The kernel as particles `x` `(N, *event)` ask for it."""

    def tuned(self, kernel: K, info: ChainSummary) -> K:
        """The kernel after a move."""


@dataclass(frozen=True)
class Reals(Space[HMC]):
    """Real events, moved by Hamiltonian Monte Carlo with the scales of the particles."""

    shape: tuple[int, ...]
    leapfrogs: int
    dtype: torch.dtype

    @property
    def wide(self) -> Base:
        """N(0, I)."""
        size = math.prod(self.shape)
        return Normal(self.shape, torch.zeros(size).double(), torch.eye(size).double())

    @property
    def kernel(self) -> HMC:
        """Steps that shorten with the dimension."""
        return HMC(0.5 / math.prod(self.shape) ** 0.25, leapfrogs=self.leapfrogs, jitter=0.2)

    def fitted(self, x: Tensor) -> Base:
        """A Gaussian."""
        return fitted_normal(x, self.shape)

    def around(self, kernel: HMC, x: Tensor) -> HMC:
        """With inverse masses of the particles' variances, their geometric mean being 1."""
        spread = x.flatten(1).var(0).clamp_min(1e-12).reshape(x.shape[1:])
        return replace(kernel, metric=((spread / spread.log().mean().exp()).to(self.dtype),))

    def tuned(self, kernel: HMC, info: ChainSummary) -> HMC:
        """With longer steps where more than .65 of the moves were accepted, else shorter ones."""
        assert info.acceptance is not None
        return replace(kernel, step_size=kernel.step_size * math.exp(float(info.acceptance.mean()) - GOAL))


@dataclass(frozen=True)
class Binary(Space[Gibbs]):
    """Events of two values, moved by sweeps of Gibbs sampling."""

    shape: tuple[int, ...]
    low: float
    high: float

    @property
    def wide(self) -> Base:
        """Fair bits."""
        return Bits(self.shape, torch.full((math.prod(self.shape),), 0.5).double(), self.low, self.high)

    @property
    def kernel(self) -> Gibbs:
        """A sweep."""
        return Gibbs(self.low, self.high)

    def fitted(self, x: Tensor) -> Base:
        """Independent bits."""
        return fitted_bits(x, self.shape, self.low, self.high)

    def around(self, kernel: Gibbs, x: Tensor) -> Gibbs:
        """As it is: nothing is to be set."""
        return kernel

    def tuned(self, kernel: Gibbs, info: ChainSummary) -> Gibbs:
        """As it is."""
        return kernel

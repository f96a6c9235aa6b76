"""The path from a fitted Gaussian to an energy: its levels, and the kernels that keep them.

`partition` says what it is for.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import torch
from torch import Tensor

from ..core.energy import Energy, value
from ..core.errors import GibbsianError
from ..core.position import Position
from ..energies.algebra import Product, Scaled
from ..energies.context import single
from ..energies.target import LOG_2PI, normal
from ..mcmc.annealed import PathStep
from ..mcmc.base import run
from ..mcmc.hmc import HMC
from ..mcmc.importance import resample

WIDER = 1.1
"""The fitted Gaussian's standard deviations, over the particles': weights of narrow ones vary most."""
GOAL = 0.65
MOST = 2000
"""Steps of b, at most."""
FULL = 200
"""Dimensions up to which covariances are fitted, and not variances alone."""


class Level(NamedTuple):
    """A place on the path, and the kernel that keeps it."""

    share: float
    kernel: HMC


@dataclass(frozen=True, eq=False)
class Normal:
    """-log of a normal density on events of any shape: mean `(d,)`, and a factor L of its covariance."""

    shape: tuple[int, ...]
    mean: Tensor
    factor: Tensor
    whiten: Tensor = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "whiten", torch.linalg.inv(self.factor))

    def __call__(self, x: Position) -> Tensor:
        x = single(x)
        z = (x.flatten(1) - self.mean.to(x)) @ self.whiten.to(x).T
        return 0.5 * z.square().sum(1) + float(
            self.factor.diagonal().log().sum() + len(self.mean) * LOG_2PI / 2
        )

    def rows(self, index: object) -> Normal:
        """Itself: no context of single chains."""
        return self

    def draw(self, n: int, rng: torch.Generator, dtype: torch.dtype) -> Tensor:
        """Draws `(n, *event)`."""
        z = normal((n, len(self.mean)), rng)
        return (self.mean.to(z) + z @ self.factor.to(z).T).to(dtype).reshape(n, *self.shape)


def adapted(
    base: Normal,
    target: Energy,
    kernel: HMC,
    particles: int,
    kept: float,
    moves: int,
    rng: torch.Generator,
    dtype: torch.dtype,
) -> tuple[list[Level], Tensor]:
    """The levels from `base` to `target`, each a step that keeps a share of the particles, with step sizes
    that are accepted; and where the particles ended."""
    x, share, levels = base.draw(particles, rng, dtype), 0.0, list[Level]()
    while share < 1:
        if len(levels) == MOST:
            raise GibbsianError(
                f"the path has come to {share:.3g} of the energy in {MOST} steps: is exp(-E) integrable? "
                "more moves or particles may help too"
            )
        with torch.no_grad():
            rate = (value(base, x) - value(target, x)).double()
        if not levels and not bool(rate.isfinite().any()):
            raise GibbsianError("the energy is finite at none of the draws of N(0, I)")
        rate = torch.where(rate.isfinite(), rate, -math.inf)
        step = longest(rate, 1 - share, kept)
        share = 1.0 if share + step >= 1 else share + step
        x = x[resample(step * rate, particles, rng)]
        spread = x.flatten(1).var(0).clamp_min(1e-12).reshape(x.shape[1:])
        masses = spread / spread.log().mean().exp()
        kernel = replace(kernel, metric=(masses.to(dtype),))
        for _ in range(moves):
            chain = run(kernel, between(base, target, share), x, steps=1, rng=rng)
            assert isinstance(chain.position, Tensor) and chain.info.acceptance is not None
            x = chain.position
            off = float(chain.info.acceptance.mean()) - GOAL
            kernel = replace(kernel, step_size=kernel.step_size * math.exp(off))
        levels.append(Level(share, kernel))
    return levels, x


def longest(rate: Tensor, most: float, kept: float) -> float:
    """The step of b, up to `most`, at which weights exp(step * rate) keep a share of the particles."""

    def share(step: float) -> float:
        log_w = step * rate
        log_w = log_w - log_w.logsumexp(0)
        return math.exp(-float((2 * log_w).logsumexp(0))) / len(rate)

    if share(most) >= kept:
        return most
    low, high = 0.0, most
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if share(middle) >= kept else (low, middle)
    return max(low, 1e-12)


def fitted(x: Tensor, shape: tuple[int, ...]) -> Normal:
    """A Gaussian of the moments of rows, a little wider; of variances alone in many dimensions."""
    rows = x.flatten(1).double()
    mean, size = rows.mean(0), rows.shape[1]
    if size <= FULL and len(rows) >= 10 * size:
        cov = torch.cov(rows.T).reshape(size, size)
        cov = cov + 1e-6 * cov.diagonal().mean() * torch.eye(size, dtype=cov.dtype)
    else:
        cov = rows.var(0).clamp_min(1e-12).diag()
    return Normal(shape, mean, WIDER * torch.linalg.cholesky(cov))


def path(base: Normal, target: Energy, levels: list[Level], moves: int) -> list[PathStep]:
    """The steps from `base` to `target`, each with the kernel of where it ends."""
    shares = [0.0, *(level.share for level in levels)]
    energies = [between(base, target, share) for share in shares]
    kernels = [level.kernel for level in levels]
    return [
        PathStep(a, b, _stay, kernel, moves)
        for a, b, kernel in zip(energies, energies[1:], kernels, strict=False)
    ]


def path_back(base: Normal, target: Energy, levels: list[Level], moves: int) -> list[PathStep]:
    """The steps from `target` to `base`."""
    there = path(base, target, levels, moves)
    kernels = [there[0].kernel, *(step.kernel for step in there[:-1])]
    return [replace(s, energy=s.to, to=s.energy, kernel=k) for s, k in zip(there, kernels, strict=True)][::-1]


def between(base: Normal, target: Energy, share: float) -> Energy:
    """U_b at b = `share`."""
    if share in (0, 1):
        return target if share else base
    return Product([Scaled(base, 1 - share), Scaled(target, share)])


def _stay(x: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    return x, torch.zeros(len(x), dtype=x.dtype)

"""The path from a base to an energy: its levels, the kernels that keep them, and the integral along it.

`measure` says what it is for.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ...core.energy import Energy, value
from ...core.errors import GibbsianError
from ...energies.algebra import Product, Scaled
from ...mcmc.annealed import PathStep
from ...mcmc.base import run
from ...mcmc.importance import resample
from ...mcmc.kernel import Kernel
from .bases import Base
from .spaces import Space

MOST = 2000
"""Steps of b, at most."""


class Level(NamedTuple):
    """A place on the path, and the kernel that keeps it."""

    share: float
    kernel: Kernel


@dataclass
class Adapted:
    """The levels that were found, where the particles ended, and log Z by the forward run."""

    levels: list[Level]
    x: Tensor
    log_z: float = 0.0


def adapted(
    base: Base,
    target: Energy,
    space: Space[Any],
    x: Tensor,
    *,
    kept: float,
    moves: int,
    rng: torch.Generator,
    kernel: Kernel | None = None,
) -> Adapted:
    """The levels from `base` to `target`, each a step that keeps a share of the particles, with kernels that
    are accepted. The particles `x` are draws of `base`."""
    found, share, kernel = Adapted([], x), 0.0, kernel or space.kernel
    while share < 1:
        if len(found.levels) == MOST:
            raise GibbsianError(
                f"the path has come to {share:.3g} of the energy in {MOST} steps: is exp(-E) integrable? "
                "more moves or particles may help too"
            )
        rate = _rate(base, target, found.x)
        if not found.levels and not bool(rate.isfinite().any()):
            raise GibbsianError("the energy is finite at none of the draws that the path begins at")
        rate = torch.where(rate.isfinite(), rate, -math.inf)
        step = longest(rate, 1 - share, kept)
        share = 1.0 if share + step >= 1 else share + step
        found.log_z += float((step * rate).logsumexp(0)) - math.log(len(rate))
        found.x = found.x[resample(step * rate, len(rate), rng)]
        kernel = space.around(kernel, found.x)
        for _ in range(moves):
            chain = run(kernel, between(base, target, share), found.x, steps=1, rng=rng)
            assert isinstance(chain.position, Tensor)
            found.x, kernel = chain.position, space.tuned(kernel, chain.info)
        found.levels.append(Level(share, kernel))
    return found


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


def path(base: Base, target: Energy, levels: list[Level], moves: int) -> list[PathStep]:
    """The steps from `base` to `target`, each with the kernel of where it ends."""
    shares = [0.0, *(level.share for level in levels)]
    energies = [between(base, target, share) for share in shares]
    kernels = [level.kernel for level in levels]
    return [
        PathStep(a, b, _stay, kernel, moves)
        for a, b, kernel in zip(energies, energies[1:], kernels, strict=False)
    ]


def reverse_path(base: Base, target: Energy, levels: list[Level], moves: int) -> list[PathStep]:
    """The steps from `target` to `base`."""
    steps = path(base, target, levels, moves)
    kernels = [steps[0].kernel, *(step.kernel for step in steps[:-1])]
    return [replace(s, energy=s.to, to=s.energy, kernel=k) for s, k in zip(steps, kernels, strict=True)][::-1]


def between(base: Base, target: Energy, share: float) -> Energy:
    """U_b at b = `share`."""
    if share in (0, 1):
        return target if share else base
    return Product([Scaled(base, 1 - share), Scaled(target, share)])


@dataclass
class Integrand:
    """Mean and variance of dU_b/db = U_1 - U_0 at every level that a forward run comes to."""

    base: Base
    target: Energy
    means: list[float] = field(default_factory=list)
    variances: list[float] = field(default_factory=list)

    def __call__(self, x: Tensor, log_weights: Tensor) -> None:
        rate, w = -_rate(self.base, self.target, x), log_weights.softmax(0)
        mean = (w * rate).sum()
        self.means.append(float(mean))
        self.variances.append(float((w * (rate - mean).square()).sum()))

    def log_z(self, levels: list[Level]) -> float:
        """Minus the integral of the means over b from 0 to 1, by the trapezoid rule with the correction of
        its ends, whose slopes are minus the variances (N. Friel, M. Hurn, J. Wyse, 2014, eq. 9)."""
        ends = [0.0, *(level.share for level in levels)]
        steps = [b - a for a, b in zip(ends, ends[1:], strict=False)]
        m, v = self.means, self.variances
        return -sum(h * (m[k] + m[k + 1]) / 2 + h * h * (v[k + 1] - v[k]) / 12 for k, h in enumerate(steps))


@torch.no_grad()
def _rate(base: Base, target: Energy, x: Tensor) -> Tensor:
    return (value(base, x) - value(target, x)).double()


def _stay(x: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    return x, torch.zeros(len(x), dtype=x.dtype, device=x.device)

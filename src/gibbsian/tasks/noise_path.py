"""The way of importance weights through the noise levels of a normalised energy, down and up.

Between levels noise is taken off and put on by moves of known density (`mcmc.noise_moves`), and MALA moves at
each. Without MALA the way down is a sampler with a normalised density of its own, whose bound on data needs
no constant of U.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor

from ..core.energy import Energy, value_and_grad
from ..energies.context import single
from ..energies.noised_gaussian import Reverse
from ..mcmc.annealed import PathStep, annealed
from ..mcmc.kernel import Kernel
from ..mcmc.mala import MALA
from ..mcmc.noise_moves import denoised, noised
from ..models.capabilities import LevelEnergies

AIM, PILOT = 0.65, 16
"""Acceptance that steps are tuned to, and rows of the pilot."""


@dataclass(frozen=True)
class Level:
    """A level of the way, below `above`: the moves there, and the spread of rows on the way down to it."""

    above: float
    sigma: float
    kernel: Kernel
    spread: Reverse


def downward(of: LevelEnergies, levels: Sequence[Level], moves: int) -> list[PathStep]:
    """From the base at the largest noise through falling `levels`: noise taken off, then moves."""
    steps, start = [], _base(of)
    for level in levels:
        above, to = of.at_level(level.above), of.at_level(level.sigma)
        carry = partial(denoised, energy=above, spread=level.spread, sigma=level.above, to=level.sigma)
        steps.append(PathStep(start, to, carry, level.kernel, moves))
        start = to
    return steps


def upward(of: LevelEnergies, levels: Sequence[Level], moves: int) -> list[PathStep]:
    """The same backwards, to the base, where nothing moves: noise put on, then the moves of that level."""
    steps = []
    for level, after in zip(levels[::-1], [*levels[-2::-1], None], strict=True):
        here, above = of.at_level(level.sigma), of.at_level(level.above)
        carry = partial(noised, ahead=above, spread=level.spread, sigma=level.sigma, to=level.above)
        kernel, count = (after.kernel, moves) if after else (level.kernel, 0)
        steps.append(PathStep(here, above if after else _base(of), carry, kernel, count))
    return steps


def sampler_bound(of: LevelEnergies, levels: Sequence[Level], x: Tensor, rng: torch.Generator) -> Tensor:
    """What log p of rows `x` `(N, *event)` with the least noise is at least on average, `(N,)`, in nats.

    p is the density of draws of the base that come down `levels` without MALA: the variational bound with one
    draw of the noise a row. It needs no normalised U.
    """
    total = torch.zeros(len(x), dtype=torch.float64, device=x.device)
    for level in reversed(levels):
        above = of.at_level(level.above)
        x, ratio = noised(x, rng, ahead=above, spread=level.spread, sigma=level.sigma, to=level.above)
        total += ratio.double()
    return total - cast(Tensor, _base(of)(x)).double()


def _base(of: LevelEnergies) -> Energy:
    return lambda x: of.base.neg_log_density(single(x), torch.full((1,), of.sigma_max).to(single(x)))


def tuned(of: LevelEnergies, sigmas: Sequence[float], moves: int, rng: torch.Generator) -> list[Level]:
    """The levels below the first of falling `sigmas`, by `PILOT` rows on their way that are not used again.

    The doubt about clean data is what Fisher's information leaves of that of the base; MALA's steps follow
    the acceptance.
    """
    x, scale, levels = of.top(PILOT, sigmas[0], rng), 0.5, []
    for a, b in pairwise(sigmas):
        information = a**2 * cast(Tensor, value_and_grad(of.at_level(a), x)[1]).square().mean()
        share = float(((1 - information) / of.base.doubt(a)).clamp(0, 1))
        level = Level(a, b, MALA(scale * b**2), of.base.reverse(a, b, share))
        tried = annealed(downward(of, [level], moves), x, rng)
        x, scale = tried.x, scale * 2 ** (tried.acceptance - AIM)
        levels.append(level)
    return levels

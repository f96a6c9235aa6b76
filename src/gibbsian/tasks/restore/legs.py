"""Which chain undoes the damage: a plan of legs for a system, images, and what is known of them.

    chain     the chain of the system's own law begun at data (`System.standing`), on the conditioned energy
    anneal    the legs of its plan from noise, the known pixels noised as each level has them: for ladders
    latent    for systems whose chains move latents: U(z) + |known pixels of G(z) - x|^2 / 2 s^2
    tweedie   no chain: x~ + sigma^2 grad log p(x~), the posterior mean if the law is that of data with this
              noise in them (denoising score matching; Robbins 1956, Efron 2011)

Known pixels restrict the energy. Noise of deviation sigma tethers it: E/T + |x - x~|^2 / 2 sigma^2 at
temperature 1 with step s T is the same chain as E + T |x - x~|^2 / 2 sigma^2 at T with step s, and the second
form leaves the system's kernel, with its clipping, as it is. Where T is far below 1, as for image energies
with drift and noise set apart, the tether hardly counts in the few steps that a chain makes; `How.tether`
multiplies it, and is then a choice, no law.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import cast

import torch
from torch import Tensor

from ...core.energy import Energy
from ...core.errors import UsageError
from ...core.position import Position, leaves
from ...core.random import generator
from ...energies.algebra import Product, Scaled
from ...energies.latent import PullBack
from ...energies.reference import Tether
from ...energies.restrict import Restricted
from ...mcmc.base import Kernel
from ...mcmc.langevin import Langevin
from ...systems.base import Leg, Plan, System, advance
from ...systems.drl import DRL
from ...systems.score_matching import ScoreMatching
from .damage import Damaged
from .how import How, Way

UNSTABLE = 2.0
"""Pull of a step at which a chain on the tether alone would grow without bound."""


@dataclass(frozen=True, eq=False)
class LikeliestClass:
    """min_y E(x, y) = -max_y of `logits`, the energy of a conditional model that is not told the class."""

    logits: Callable[[Tensor], Tensor]

    def __call__(self, x: Position) -> Tensor:
        return -self.logits(cast(Tensor, x)).amax(1)


def usual_way(system: System, damaged: Damaged) -> Way:
    """The way that fits: ladders anneal, or denoise in one move; latents stay latent; else a chain."""
    ladder = isinstance(system, ScoreMatching) and system.config.matching.levels > 1
    if isinstance(system, DRL) or (ladder and damaged.sigma is None):
        return "anneal"
    if isinstance(system, ScoreMatching) and damaged.sigma is not None:
        return "tweedie"
    last = own_legs(system, 1, generator(0, damaged.x.device))[-1]
    return "chain" if moves_data(system, last) else "latent"


def legs(
    system: System,
    damaged: Damaged,
    way: Way,
    how: How,
    begin: Tensor,
    y: Tensor | None,
    rng: torch.Generator,
) -> Plan:
    """The plan of the chains of `damaged` images that begin at `begin` `(N, C, H, W)`, with labels `y`.

    Raises `UsageError` for a way that the system does not have.
    """
    if way == "chain":
        return _chain(system, damaged, how, begin, y, rng)
    if way == "anneal":
        return _anneal(system, damaged, how, y, rng)
    return _latent(system, damaged, how, y, rng)


def own_steps(system: System, rng: torch.Generator) -> int:
    """Steps of the system's own plan on data of full size, or on what its last leg moves."""
    planned = own_legs(system, 1, rng)
    sized = [leg for leg in planned if moves_data(system, leg)]
    return sum(leg.steps for leg in sized or planned[-1:])


def own_legs(system: System, n: int, rng: torch.Generator, y: Tensor | None = None) -> list[Leg]:
    """The legs of the plan of `n` samples, none of them run."""
    made = system.plan(n, rng, y=y)
    found, leg = [], cast("Leg | None", next(made))
    while leg is not None:
        found.append(leg)
        leg = advance(made, leg.position)
    return found


def moves_data(system: System, leg: Leg) -> bool:
    """Whether a leg moves data of full size, not latents."""
    sized = isinstance(leg.position, Tensor) and tuple(leg.position.shape[1:]) == system.event_shape
    return sized and _pull_back(leg.energy) is None


def temperature(kernel: Kernel, system: System) -> float:
    """T at which `kernel` samples; that of the system where the kernel has none, or has cooled to 0."""
    own = kernel.at(0).temperature if isinstance(kernel, Langevin) else 1.0
    return own or system.temperature or 1.0


def pull(kernel: Kernel, system: System, sigma: float, how: How) -> float:
    """The share of the way back to x~ that one step makes: s T tether / 2 sigma^2."""
    if not isinstance(kernel, Langevin):
        return 0.0
    step = kernel.at(0).step_size * how.step_factor
    return step * temperature(kernel, system) * how.tether / (2 * sigma**2)


def paced(kernel: Kernel, factor: float) -> Kernel:
    """`kernel` with its step size times `factor`; raises `UsageError` for Metropolis kernels."""
    if factor == 1:
        return kernel
    if not isinstance(kernel, Langevin):
        raise UsageError(f"{type(kernel).__name__} has no step to multiply: leave --step-factor at 1")
    own = kernel.step_size_schedule
    paced_schedule = None if own is None else lambda step: factor * own(step)
    return replace(kernel, step_size=factor * kernel.step_size, step_size_schedule=paced_schedule)


def energy_of(system: System, x: Tensor, y: Tensor | None, rng: torch.Generator) -> tuple[Energy, Kernel]:
    """Energy and kernel of the system's chain begun at data; min over classes without a label.

    Raises `UsageError` where chains do not move data.
    """
    standing = system.standing(x, rng, y)
    if standing.ending is not None:
        raise UsageError(f"chains of {type(system).__name__} stand on one level: use way anneal")
    if y is None and system.config.net.classes and not system.joint:
        return LikeliestClass(system.logits), standing.kernel
    return standing.energy, standing.kernel


def _chain(
    system: System, damaged: Damaged, how: How, begin: Tensor, y: Tensor | None, rng: torch.Generator
) -> Plan:
    energy, kernel = energy_of(system, begin, y, rng)
    if damaged.sigma is not None:
        if pull(kernel, system, damaged.sigma, how) >= UNSTABLE:
            raise UsageError(
                f"a tether of {how.tether:g} is too strong for this step: the chain would blow up; take less "
                f"than {how.tether * UNSTABLE / pull(kernel, system, damaged.sigma, how):.3g}"
            )
        factor = temperature(kernel, system) * how.tether
        energy = Product((energy, Scaled(Tether(damaged.x, damaged.sigma), factor)))
    if damaged.known is not None:
        energy = Restricted(energy, damaged.x, damaged.known)
    yield Leg(energy, paced(kernel, how.step_factor), how.steps or own_steps(system, rng), begin)


def _anneal(system: System, damaged: Damaged, how: How, y: Tensor | None, rng: torch.Generator) -> Plan:
    """The legs of the plan, or for noisy images of a ladder those from its level of noise down."""
    made, level = _descent(system, damaged, how, y, rng)
    leg: Leg | None = next(made)
    while leg is not None:
        energy, end = leg.energy, leg.position
        if damaged.known is not None:
            known = _at_level(system, damaged.x, level, rng)
            restricted = Restricted(energy, known, damaged.known)
            end = yield Leg(restricted, paced(leg.kernel, how.step_factor), leg.steps, leg.position)
            end = restricted.impose(end)
        else:
            end = yield Leg(energy, paced(leg.kernel, how.step_factor), leg.steps, leg.position)
        leg, level = advance(made, end), level + 1


def _descent(
    system: System, damaged: Damaged, how: How, y: Tensor | None, rng: torch.Generator
) -> tuple[Plan, int]:
    """A plan and the number of its first level, counted from the noisiest."""
    n = len(damaged)
    if damaged.sigma is None:
        if damaged.known is None:
            raise UsageError("way anneal begins at noise: it needs known pixels; use way chain")
        return system.plan(n, rng, y=y, steps=how.steps), 0
    if not isinstance(system, DRL):
        raise UsageError("only a drl model anneals noisy images from their own level: use chain or tweedie")
    bar = (damaged.sigma**2 / (1 + damaged.sigma**2)) ** 0.5
    bars = system.ladder.sigma_bar[: system.ladder.levels + 1]
    level = min(range(1, len(bars)), key=lambda t: abs(bars[t] - bar))
    shrunk = damaged.x * (1 - bar**2) ** 0.5
    return system.descend(shrunk, level, steps=how.steps), system.ladder.levels - level


def _at_level(system: System, x: Tensor, level: int, rng: torch.Generator) -> Tensor:
    """Clean pixels as chains of the `level`-th leg have them."""
    if isinstance(system, DRL):
        return system.noised(x, system.ladder.levels - 1 - level, rng)
    if isinstance(system, ScoreMatching):
        sigma = system.config.matching.sigmas[level]
        return x + sigma * torch.randn(x.shape, generator=rng, device=x.device, dtype=x.dtype)
    return x


def _latent(system: System, damaged: Damaged, how: How, y: Tensor | None, rng: torch.Generator) -> Plan:
    leg = own_legs(system, len(damaged), rng, y)[-1]
    back = _pull_back(leg.energy)
    if back is None:
        raise UsageError(
            f"chains of {type(system).__name__} move neither data nor the latents of a generator: restore "
            "cannot begin them at an image"
        )
    span = system.config.pixels.high - system.config.pixels.low
    data: Energy = Tether(damaged.x, damaged.sigma or how.anchor * span)
    if damaged.known is not None:
        data = Restricted(data, damaged.x, ~damaged.known)
    image = PullBack(data, lambda z: leaves(back.generator(z))[0], prior=False)
    energy = Product((leg.energy, Scaled(image, how.tether)))
    yield Leg(energy, paced(leg.kernel, how.step_factor), how.steps or leg.steps, leg.position)


def _pull_back(energy: Energy) -> PullBack | None:
    """The part of an energy on latents that knows the generator."""
    parts = energy.energies if isinstance(energy, Product) else (energy,)
    return next((part for part in parts if isinstance(part, PullBack)), None)

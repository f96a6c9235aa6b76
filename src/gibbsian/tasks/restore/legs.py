"""Which chain undoes the damage: a plan of legs for a model, images, and what is known of them.

    chain     the chain of the model's own law begun at data (`EnergyModel.begun`), on the conditioned energy
    anneal    the legs of its plan from noise, the known pixels noised as each level has them: for ladders
    latent    for models whose chains move latents: U(z) + |known pixels of G(z) - x|^2 / 2 s^2
    tweedie   no chain: x~ + sigma^2 grad log p(x~), the posterior mean if the law is that of data with this
              noise in them (denoising score matching; Robbins 1956, Efron 2011)

Known pixels restrict the energy. Noise of deviation sigma tethers it: E/T + |x - x~|^2 / 2 sigma^2 at
temperature 1 with step s T is the same chain as E + T |x - x~|^2 / 2 sigma^2 at T with step s, and the second
form leaves the model's kernel, with its clipping, as it is. Where T is far below 1, as for image energies
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
from ...models.capabilities import Denoiser, MultiLevel, classifier, offered
from ...models.model import EnergyModel
from ...models.sampler import ChainStage, Stages, next_stage
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


def usual_way(model: EnergyModel, damaged: Damaged) -> Way:
    """The way that fits: ladders anneal, or denoise in one move; latents stay latent; else a chain."""
    ladder, denoiser = offered(model, MultiLevel), offered(model, Denoiser)
    if denoiser is not None and damaged.sigma is not None:
        return "tweedie"
    if ladder is not None and ladder.levels:
        return "anneal"
    last = own_legs(model, 1, generator(0, damaged.x.device))[-1]
    return "chain" if moves_data(model, last) else "latent"


def legs(
    model: EnergyModel,
    damaged: Damaged,
    way: Way,
    how: How,
    begin: Tensor,
    y: Tensor | None,
    rng: torch.Generator,
) -> Stages:
    """The plan of the chains of `damaged` images that begin at `begin` `(N, C, H, W)`, with labels `y`.

    Raises `UsageError` for a way that the model does not have.
    """
    if way == "chain":
        return _chain(model, damaged, how, begin, y, rng)
    if way == "anneal":
        return _anneal(model, damaged, how, y, rng)
    return _latent(model, damaged, how, y, rng)


def own_steps(model: EnergyModel, rng: torch.Generator) -> int:
    """Steps of the model's own plan on data of full size, or on what its last leg moves."""
    planned = own_legs(model, 1, rng)
    sized = [leg for leg in planned if moves_data(model, leg)]
    return sum(leg.steps for leg in sized or planned[-1:])


def own_legs(model: EnergyModel, n: int, rng: torch.Generator, y: Tensor | None = None) -> list[ChainStage]:
    """The legs of the plan of `n` samples, none of them run."""
    made = model.sampler().stages(n, rng, y=y)
    found, leg = [], cast("ChainStage | None", next(made))
    while leg is not None:
        found.append(leg)
        leg = next_stage(made, leg.position)
    return found


def moves_data(model: EnergyModel, leg: ChainStage) -> bool:
    """Whether a leg moves data of full size, not latents."""
    sized = isinstance(leg.position, Tensor) and tuple(leg.position.shape[1:]) == model.spec.event_shape
    return sized and leg.energy_on_latents is None


def temperature(kernel: Kernel, model: EnergyModel) -> float:
    """T at which `kernel` samples; that of the model where the kernel has none, or has cooled to 0."""
    own = kernel.at(0).temperature if isinstance(kernel, Langevin) else 1.0
    return own or model.temperature or 1.0


def pull(kernel: Kernel, model: EnergyModel, sigma: float, how: How) -> float:
    """The share of the way back to x~ that one step makes: s T tether / 2 sigma^2."""
    if not isinstance(kernel, Langevin):
        return 0.0
    step = kernel.at(0).step_size * how.step_factor
    return step * temperature(kernel, model) * how.tether / (2 * sigma**2)


def paced(kernel: Kernel, factor: float) -> Kernel:
    """`kernel` with its step size times `factor`; raises `UsageError` for Metropolis kernels."""
    if factor == 1:
        return kernel
    if not isinstance(kernel, Langevin):
        raise UsageError(f"{type(kernel).__name__} has no step to multiply: leave --step-factor at 1")
    own = kernel.step_size_schedule
    paced_schedule = None if own is None else lambda step: factor * own(step)
    return replace(kernel, step_size=factor * kernel.step_size, step_size_schedule=paced_schedule)


def energy_of(model: EnergyModel, x: Tensor, y: Tensor | None, rng: torch.Generator) -> tuple[Energy, Kernel]:
    """Energy and kernel of the model's chain begun at data; min over classes without a label.

    Raises `UsageError` where chains do not move data.
    """
    begun = model.sampler().from_data(x, rng, y)
    if begun.remaining is not None:
        raise UsageError(f"chains of {type(model).__name__} stand on one level: use way anneal")
    if y is None and model.spec.num_classes and not model.joint:
        return LikeliestClass(classifier(model).logits), begun.kernel
    return begun.energy, begun.kernel


def _chain(
    model: EnergyModel, damaged: Damaged, how: How, begin: Tensor, y: Tensor | None, rng: torch.Generator
) -> Stages:
    energy, kernel = energy_of(model, begin, y, rng)
    if damaged.sigma is not None:
        if pull(kernel, model, damaged.sigma, how) >= UNSTABLE:
            raise UsageError(
                f"a tether of {how.tether:g} is too strong for this step: the chain would blow up; take less "
                f"than {how.tether * UNSTABLE / pull(kernel, model, damaged.sigma, how):.3g}"
            )
        factor = temperature(kernel, model) * how.tether
        energy = Product((energy, Scaled(Tether(damaged.x, damaged.sigma), factor)))
    if damaged.known is not None:
        energy = Restricted(energy, damaged.x, damaged.known)
    yield ChainStage(energy, paced(kernel, how.step_factor), how.steps or own_steps(model, rng), begin)


def _anneal(model: EnergyModel, damaged: Damaged, how: How, y: Tensor | None, rng: torch.Generator) -> Stages:
    """The legs of the plan, or for noisy images of a ladder those from its level of noise down."""
    made, level = _descent(model, damaged, how, y, rng)
    leg: ChainStage | None = next(made)
    while leg is not None:
        energy, end = leg.energy, leg.position
        if damaged.known is not None:
            known = _at_level(model, damaged.x, level - 1, rng)
            restricted = Restricted(energy, known, damaged.known)
            end = yield ChainStage(restricted, paced(leg.kernel, how.step_factor), leg.steps, leg.position)
            end = restricted.impose(end)
        else:
            end = yield ChainStage(energy, paced(leg.kernel, how.step_factor), leg.steps, leg.position)
        leg, level = next_stage(made, end), level - 1


def _descent(
    model: EnergyModel, damaged: Damaged, how: How, y: Tensor | None, rng: torch.Generator
) -> tuple[Stages, int]:
    """The stages and how many there are, the last being that of the cleanest level."""
    n = len(damaged)
    if damaged.sigma is None:
        if damaged.known is None:
            raise UsageError("way anneal begins at noise: it needs known pixels; use way chain")
        count = len(own_legs(model, 1, generator(0, damaged.x.device)))
        return model.sampler().stages(n, rng, y=y, steps=how.steps), count
    ladder = offered(model, MultiLevel)
    if ladder is None:
        raise UsageError("only a drl model anneals noisy images from their own level: use chain or tweedie")
    sampler, count = ladder.descent(damaged.x, damaged.sigma)
    return sampler.stages(n, rng, y=y, steps=how.steps), count


def _at_level(model: EnergyModel, x: Tensor, level: int, rng: torch.Generator) -> Tensor:
    """Clean pixels as chains of a level have them."""
    ladder = offered(model, MultiLevel)
    return x if ladder is None or not ladder.levels else ladder.noised(x, level, rng)


def _latent(model: EnergyModel, damaged: Damaged, how: How, y: Tensor | None, rng: torch.Generator) -> Stages:
    leg = own_legs(model, len(damaged), rng, y)[-1]
    back = leg.energy_on_latents
    if back is None:
        raise UsageError(
            f"chains of {type(model).__name__} move neither data nor the latents of a generator: restore "
            "cannot begin them at an image"
        )
    span = model.spec.high - model.spec.low
    data: Energy = Tether(damaged.x, damaged.sigma or how.anchor * span)
    if damaged.known is not None:
        data = Restricted(data, damaged.x, ~damaged.known)
    image = PullBack(data, lambda z: leaves(back.generator(z))[0], prior=False)
    energy = Product((leg.energy, Scaled(image, how.tether)))
    yield ChainStage(energy, paced(leg.kernel, how.step_factor), how.steps or leg.steps, leg.position)

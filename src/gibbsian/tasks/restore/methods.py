"""Which chain undoes a corruption: the stages for a model, images, and what is known of them.

    chain     the model's own chain from data (`Sampler.from_data`), on the conditioned energy
    anneal    for ladders: its sampler from noise, the known pixels noised as each level has them
    latent    for models whose chains move latents: U(z) + |known pixels of G(z) - x|^2 / 2 s^2
    tweedie   no chain: x~ + sigma^2 grad log p(x~), the posterior mean if p is the density of data with this
              noise in them (denoising score matching; Robbins 1956, Efron 2011)

Known pixels restrict the energy. Noise of deviation sigma tethers it: E/T + |x - x~|^2 / 2 sigma^2 at
temperature 1 with step s T is the same chain as E + T |x - x~|^2 / 2 sigma^2 at T with step s, and the second
form leaves the model's kernel, with its clipping, as it is. Where T is far below 1, as for image energies
with drift and noise set apart, that term hardly counts in the few steps that a chain makes;
`RestoreConfig.data_weight` multiplies it, and is then a choice, no likelihood.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import cast

import torch
from torch import Tensor

from ...core.energy import Energy, score_function
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
from .corruption import Corrupted
from .task import Method, RestoreConfig

UNSTABLE = 2.0
"""Pull of a step at which a chain on the data term alone would grow without bound."""


@dataclass(frozen=True, eq=False)
class LikeliestClass:
    """min_y E(x, y) = -max_y of `logits`, the energy of a conditional model that is not told the class."""

    logits: Callable[[Tensor], Tensor]

    def __call__(self, x: Position) -> Tensor:
        return -self.logits(cast(Tensor, x)).amax(1)


def usual_method(model: EnergyModel, corrupted: Corrupted) -> Method:
    """The method that fits: ladders anneal, or denoise in one move; latents stay latent; else a chain."""
    if offered(model, Denoiser) is not None and corrupted.sigma is not None:
        return "tweedie"
    if (ladder := offered(model, MultiLevel)) is not None and ladder.levels:
        return "anneal"
    last = own_stages(model, 1, generator(0, corrupted.x.device))[-1]
    return "chain" if moves_data(model, last) else "latent"


def stages_of(
    model: EnergyModel,
    corrupted: Corrupted,
    method: Method,
    config: RestoreConfig,
    begin: Tensor,
    y: Tensor | None,
    rng: torch.Generator,
) -> Stages:
    """The stages of the chains of `corrupted` images that begin at `begin` `(N, C, H, W)`, with labels `y`.

    Raises `UsageError` for a method that the model does not have.
    """
    if method == "chain":
        return _chain(model, corrupted, config, begin, y, rng)
    if method == "anneal":
        return _anneal(model, corrupted, config, y, rng)
    return _latent(model, corrupted, config, y, rng)


def own_steps(model: EnergyModel, rng: torch.Generator) -> int:
    """Steps of the model's own sampler on data of full size, or on what its last stage moves."""
    made = own_stages(model, 1, rng)
    return sum(stage.steps for stage in [s for s in made if moves_data(model, s)] or made[-1:])


def own_stages(model: EnergyModel, n: int, rng: torch.Generator, y: Tensor | None = None) -> list[ChainStage]:
    """The stages of `n` samples, none of them run."""
    made = model.sampler().stages(n, rng, y=y)
    found, stage = [], cast("ChainStage | None", next(made))
    while stage is not None:
        found.append(stage)
        stage = next_stage(made, stage.position)
    return found


def moves_data(model: EnergyModel, stage: ChainStage) -> bool:
    """Whether a stage moves data of full size, not latents."""
    full = isinstance(stage.position, Tensor) and stage.position.shape[1:] == model.spec.event_shape
    return full and stage.energy_on_latents is None


def temperature(kernel: Kernel, model: EnergyModel) -> float:
    """T at which `kernel` samples; that of the model's chains where it has none, or has cooled to 0."""
    own = kernel.at(0).temperature if isinstance(kernel, Langevin) else 1.0
    return own or model.chain_temperature or 1.0


def pull(kernel: Kernel, model: EnergyModel, sigma: float, config: RestoreConfig) -> float:
    """The share of the way back to x~ that one step makes: s T data_weight / 2 sigma^2."""
    if not isinstance(kernel, Langevin):
        return 0.0
    step = kernel.at(0).step_size * config.step_factor
    return step * temperature(kernel, model) * config.data_weight / (2 * sigma**2)


def paced(kernel: Kernel, factor: float) -> Kernel:
    """`kernel` with its step size times `factor`; raises `UsageError` for Metropolis kernels."""
    if factor == 1:
        return kernel
    if not isinstance(kernel, Langevin):
        raise UsageError(f"{type(kernel).__name__} has no step to multiply: leave --step-factor at 1")
    own = kernel.step_size_schedule
    schedule = None if own is None else lambda step: factor * own(step)
    return replace(kernel, step_size=factor * kernel.step_size, step_size_schedule=schedule)


def energy_of(model: EnergyModel, x: Tensor, y: Tensor | None, rng: torch.Generator) -> tuple[Energy, Kernel]:
    """Energy and kernel of the model's chain from data; min over classes without a label.

    Raises `UsageError` where chains do not move data.
    """
    begun = model.sampler().from_data(x, rng, y)
    if begun.remaining is not None:
        raise UsageError(f"chains of {type(model).__name__} stand on one level: use method anneal")
    if y is None and model.spec.num_classes and not model.joint:
        return LikeliestClass(classifier(model).logits), begun.kernel
    return begun.energy, begun.kernel


def _chain(
    model: EnergyModel,
    corrupted: Corrupted,
    config: RestoreConfig,
    begin: Tensor,
    y: Tensor | None,
    rng: torch.Generator,
) -> Stages:
    energy, kernel = energy_of(model, begin, y, rng)
    if corrupted.sigma is not None:
        weight, strength = config.data_weight, pull(kernel, model, corrupted.sigma, config)
        if strength >= UNSTABLE:
            raise UsageError(
                f"a data weight of {weight:g} is too strong for this step: the chain would blow up; take "
                f"less than {weight * UNSTABLE / strength:.3g}"
            )
        tether = Scaled(Tether(corrupted.x, corrupted.sigma), temperature(kernel, model) * weight)
        energy = Product((energy, tether))
    if corrupted.known is not None:
        energy = Restricted(energy, corrupted.x, corrupted.known)
    yield ChainStage(energy, paced(kernel, config.step_factor), config.steps or own_steps(model, rng), begin)


def _anneal(
    model: EnergyModel, corrupted: Corrupted, config: RestoreConfig, y: Tensor | None, rng: torch.Generator
) -> Stages:
    """The sampler's stages, or for noisy images of a ladder those from its level of noise down."""
    made, known = _descent(model, corrupted, config, y, rng), corrupted.known
    stage: ChainStage | None = next(made)
    while stage is not None:
        kernel = paced(stage.kernel, config.step_factor)
        if known is None:
            end = yield ChainStage(stage.energy, kernel, stage.steps, stage.position)
        else:
            clean = corrupted.x
            energy = Restricted(stage.energy, stage.noised(clean, rng) if stage.noised else clean, known)
            end = energy.impose((yield ChainStage(energy, kernel, stage.steps, stage.position)))
        stage = next_stage(made, end)


def _descent(
    model: EnergyModel, corrupted: Corrupted, config: RestoreConfig, y: Tensor | None, rng: torch.Generator
) -> Stages:
    """The stages, the last being that of the cleanest level."""
    n, sampler = len(corrupted), model.sampler()
    if corrupted.sigma is not None:
        ladder = offered(model, MultiLevel)
        if ladder is None:
            raise UsageError(
                "only a drl model anneals noisy images from their own level: use chain or tweedie"
            )
        sampler = ladder.descent(corrupted.x, corrupted.sigma)
    elif corrupted.known is None:
        raise UsageError("method anneal begins at noise: it needs known pixels; use method chain")
    return sampler.stages(n, rng, y=y, steps=config.steps)


def _latent(
    model: EnergyModel, corrupted: Corrupted, config: RestoreConfig, y: Tensor | None, rng: torch.Generator
) -> Stages:
    stage = own_stages(model, len(corrupted), rng, y)[-1]
    if (back := stage.energy_on_latents) is None:
        raise UsageError(
            f"chains of {type(model).__name__} move neither data nor the latents of a generator: restore "
            "cannot begin them at an image"
        )
    span = model.spec.high - model.spec.low
    data: Energy = Tether(corrupted.x, corrupted.sigma or config.anchor * span)
    if corrupted.known is not None:
        data = Restricted(data, corrupted.x, ~corrupted.known)
    image = PullBack(data, lambda z: leaves(back.generator(z))[0], prior=False)
    energy = Product((stage.energy, Scaled(image, config.data_weight)))
    kernel, steps = paced(stage.kernel, config.step_factor), config.steps or stage.steps
    yield ChainStage(energy, kernel, steps, stage.position)


def tweedie(model: EnergyModel, corrupted: Corrupted, y: Tensor | None, factor: float = 1.0) -> Tensor:
    """x~ + factor sigma^2 grad log p(x~), clamped to the range, `(N, C, H, W)`.

    E[x | x~] where exp(-neg_log_prob) is the density of data with noise sigma in them. A ladder of noises is
    read at the temperature of sigma.

    Raises `UsageError` for images without Gaussian noise.
    """
    if corrupted.sigma is None:
        raise UsageError("method tweedie takes Gaussian noise away: use chain for another corruption")
    denoiser = offered(model, Denoiser)
    if denoiser is not None:
        upward = denoiser.noisy_score(corrupted.x, corrupted.sigma)
    else:
        density = model.neg_log_prob if y is None else partial(model.neg_log_prob, y=y)
        upward = cast(Tensor, score_function(density, corrupted.x))
    moved = corrupted.x + factor * corrupted.sigma**2 * upward
    return moved.clamp(model.spec.low, model.spec.high)

"""Energies of data at every level of noise, normalised.

    U(x, sigma) = -log p(x, sigma),   p(., sigma) = data with noise sigma
    loss = denoising + time score + classification of levels (+ balance)      (`objectives.noise_levels`)

The Gaussian of the data with noise is the base, so that U is normalised at the top and the time score and the
classification carry that down: E(x) = U(x, sigma_min) is -log p(x) in nats, and every level has temperature
1. Parts of it are F. Guth, Z. Kadkhodaie, E. Simoncelli 2025 (time score), J. Thornton et al. 2025 (the
preconditioned energy) and R. OuYang, L. Grenioux, J. M. Hernandez-Lobato 2026 (classification); the base with
a full covariance and the losses together are ours, and so is the balance at states of the model's own chains,
which takes away the low energies off the data that no other loss sees. Samples: the probability flow, and
MALA at each level where asked for.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...core.position import expand
from ...core.random import seeded_init
from ...core.records import Batch, Loss
from ...data.dataset import Dataset
from ...energies.noised_gaussian import NoisedGaussian
from ...nets.dropout import without_dropout
from ...nets.families import CustomNetConfig
from ...nets.frozen import frozen
from ...objectives.noise_levels import (
    balance_error,
    classification_error,
    denoising_error,
    neighbours,
    slopes,
    time_score_error,
)
from ..data_noise import noised_data
from ..learner import Learner
from ..networks import data_spec, energy_net
from .config import NoiseConfig, NoiseEnergyConfig
from .model import WAVES, NoiseEnergy
from .sampler import LevelDescent
from .walkers import Walkers

MOST_AXES = 1024
BASE_ROWS = 20_000


def build(
    config: NoiseEnergyConfig,
    event_shape: tuple[int, ...],
    rng: torch.Generator,
    net: nn.Module | None = None,
) -> NoiseLevels:
    """The learner of a network of (v, level and condition) above a Gaussian base.

    A network of one's own is called as `net(v, y)`, y being rows of log sigma and the condition behind.
    """
    spec = data_spec(config, event_shape)
    if spec.num_classes:
        spec = replace(spec, condition_dropout=config.label_dropout)
    size = math.prod(event_shape)
    base = NoisedGaussian(size, min(config.axes or MOST_AXES, size))
    leading = min(config.leading, len(base.variances)) if config.leading else None
    waves = net is None and not isinstance(config.net, CustomNetConfig)
    given = (config.net.classes,) if config.net.classes else spec.condition
    blocks = (2 * WAVES if waves else 1, *given)
    seen = (leading,) if leading else spec.event_shape
    told = replace(spec, event_shape=seen, num_classes=0, condition=blocks)
    with seeded_init(rng):
        net = energy_net(replace(config.net, classes=0, condition=blocks), told, net, curved=True)
    noise = config.noise
    model = NoiseEnergy(net, spec, base, (noise.sigma_min, noise.sigma_max), leading, waves)
    model.samplers["default"] = LevelDescent(model, config)
    told_size = sum(given)
    walkers = Walkers(config.balance, spec.event_shape, told_size) if config.losses.balance else None
    return NoiseLevels(config, model, walkers)


def drawn_levels(noise: NoiseConfig, n: int, rng: torch.Generator) -> Tensor:
    """Levels `(n,)`: log-normal around the centre within the ends, some of them evenly in their logarithm."""
    device = rng.device
    low, high = torch.tensor([noise.sigma_min, noise.sigma_max], device=device).log()
    normal = torch.randn(n, generator=rng, device=device) * noise.width
    centred = (torch.tensor(noise.centre, device=device).log() + normal).clamp(low, high)
    even = low + (high - low) * torch.rand(n, generator=rng, device=device)
    chosen = torch.rand(n, generator=rng, device=device) < noise.uniform
    return torch.where(chosen, even, centred).exp()


class NoiseLevels(Learner):
    """The losses at one random level a row; chains take part in that of balance alone."""

    config: NoiseEnergyConfig
    model: NoiseEnergy

    def __init__(self, config: NoiseEnergyConfig, model: NoiseEnergy, walkers: Walkers | None = None) -> None:
        super().__init__(config, model)
        self.walkers = walkers

    def setup(self, data: Dataset) -> None:
        """Fit the base to the training data, to `BASE_ROWS` of them spread over their order."""
        index = torch.linspace(0, len(data) - 1, min(len(data), BASE_ROWS)).round().long()
        exact = self.options.precision != "bf16"
        self.model.samplers["default"] = LevelDescent(self.model, self.config, exact=exact)
        self.model.base.fit(data.batch(index, self.model.spec.low, self.model.spec.high).x)

    def parameter_groups(self) -> dict[str, nn.Module]:
        """One group: the network."""
        return {"energy": self.model.net}

    def reset_training_state(self) -> None:
        """Walkers begin anew."""
        if self.walkers is not None:
            self.walkers.begun.fill_(False)

    def milestones(self) -> tuple[int, ...]:
        """Where dropout ends."""
        return (self.config.settle_at,) if self.config.settle_at else ()

    def losses(self, batch: Batch, step: int, rng: torch.Generator) -> Iterator[tuple[str, Loss]]:
        """Denoising and time score by one gradient, the classification on a part of the batch."""
        if self.config.settle_at and self.planned(step) >= self.config.settle_at:
            without_dropout(self.model.net)
        x = noised_data(batch, self.config.pixels, rng)
        y = self._told(batch, rng) if self.model.spec.conditional else None
        half = self.options.precision == "bf16"
        with torch.autocast(x.device.type, dtype=torch.bfloat16, enabled=half):
            loss = self._loss(x, y, rng)
        if self.walkers is not None and self.planned(step) >= self.config.settle_at:
            loss = self._balanced(loss, self.walkers, x, y, rng)
        yield "energy", loss

    def _loss(self, x: Tensor, y: Tensor | None, rng: torch.Generator) -> Loss:
        config, model = self.config.losses, self.model
        sigma = drawn_levels(self.config.noise, len(x), rng)
        eps = torch.randn(x.shape, generator=rng, device=x.device, dtype=x.dtype)
        noised = x + expand(sigma, x) * eps
        own, by_x, by_sigma = slopes(partial(_at, model, y), noised, sigma)
        if self.walkers is not None:
            self.walkers.know(model, sigma, expand(sigma, by_x) * by_x)
        denoising = denoising_error(by_x, eps, sigma, model.spread).mean()
        time = time_score_error(by_sigma, eps, sigma).mean()
        value = config.denoising * denoising + config.time_score * time + 0 * own.sum()
        metrics = {"denoising": denoising.detach(), "time_score": time.detach(), "nats": own.detach().mean()}
        if config.classification:
            told = self._classification(x, noised, sigma, own, y, rng)
            value = value + config.classification * told
            metrics["classification"] = told.detach()
        return Loss(value, metrics)

    def _balanced(
        self, loss: Loss, walkers: Walkers, x: Tensor, y: Tensor | None, rng: torch.Generator
    ) -> Loss:
        """The loss with that of balance, in full precision: differences of energies are small beside them."""
        model = self.model
        with frozen(model.net):
            here, sigma, told, acceptance = walkers.descend(model, x, y, rng)
        near = self.config.balance.near * (0.5 + torch.rand(sigma.shape, generator=rng, device=x.device))
        above = (sigma.log() + near).exp()
        added = above.square() - sigma.square()
        eps = torch.randn(here.shape, generator=rng, device=x.device, dtype=x.dtype)
        up = here + expand(added.sqrt(), eps) * eps
        other, by_x, _ = slopes(partial(_at, model, told), up, above)
        z = here - up + expand(added, up) * by_x
        share = walkers.share_at(model, above.log())
        reverse = model.base.reverse(above, sigma, share).neg_log_density(z)
        noise = 0.5 * (eps.flatten(1).square().sum(1) + model.base.size * (2 * math.pi * added).log())
        own = model.energy_at(here, sigma, told)
        error = balance_error(own, other, noise - reverse, near, model.base.size).mean()
        metrics = {**loss.metrics, "balance": error.detach(), "acceptance": acceptance}
        return Loss(loss.value + self.config.losses.balance * error, metrics)

    def _told(self, batch: Batch, rng: torch.Generator) -> Tensor:
        """Conditions as the batch has them; labels as one-hot rows, some of them zeros."""
        assert batch.y is not None
        if self.model.spec.condition:
            return batch.y
        kept = torch.rand(len(batch.y), 1, generator=rng, device=batch.y.device) >= self.config.label_dropout
        return F.one_hot(batch.y, self.model.spec.num_classes) * kept.float()

    def _classification(
        self, x: Tensor, noised: Tensor, sigma: Tensor, own: Tensor, y: Tensor | None, rng: torch.Generator
    ) -> Tensor:
        """Rows of a part of the batch at their level and at another one, each told from the other level."""
        model, n = self.model, max(1, round(self.config.losses.pairs * len(x)))
        y = None if y is None else y[:n]
        there = neighbours(sigma[:n], self.config.losses.apart, model.base.size, rng)
        there = there.clamp(model.sigma_min, model.sigma_max)
        eps = torch.randn(x[:n].shape, generator=rng, device=x.device, dtype=x.dtype)
        moved = x[:n] + expand(there, eps) * eps
        points = torch.cat([noised[:n], moved, moved])
        levels = torch.cat([there, there, sigma[:n]])
        e = model.energy_at(points, levels, None if y is None else y.repeat(3, 1))
        here_there, there_there, there_here = e.chunk(3)
        errors = classification_error(own[:n], here_there), classification_error(there_there, there_here)
        return cast(Tensor, (errors[0] + errors[1]).mean() / 2)


def _at(model: NoiseEnergy, y: Tensor | None, x: Tensor, sigma: Tensor) -> Tensor:
    return model.energy_at(x, sigma, y)

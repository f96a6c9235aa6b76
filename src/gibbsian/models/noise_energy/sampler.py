"""Samples of energies over noise levels: down the probability flow or by weights, with MALA at each level."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import cast

import torch
from torch import Tensor

from ...core.energy import Energy
from ...core.errors import UsageError
from ...core.position import Position
from ...energies.algebra import Negation, Scaled
from ...mcmc.kernel import Kernel
from ...mcmc.langevin import Langevin
from ...mcmc.mala import MALA
from ...mcmc.probability_flow import ProbabilityFlow
from ...mcmc.weighted_descent import WeightedDescent
from ...noise.levels import polynomial_levels
from ..data_noise import with_noise
from ..labels import draw_labels
from ..sampler import ChainStage, DataChain, Sampler, Stages
from .config import LevelSamplingConfig, NoiseEnergyConfig
from .model import NoiseEnergy


class LevelDescent(Sampler):
    """From the Gaussian at the largest noise down to the least; or from rows `x` with noise `sigma`.

    Args:
        model: gives the energy of each level.
        config: steps, corrections and guidance; whether the last noise is taken off.
        x: where to begin instead, `(N, *event)`, with its noise `sigma`.
        exact: whether corrections have a Metropolis test, which in bfloat16 would be one of rounding.
    """

    beyond_range = True
    section = "sampling"

    def __init__(
        self,
        model: NoiseEnergy,
        config: NoiseEnergyConfig,
        x: Tensor | None = None,
        sigma: float | None = None,
        exact: bool = True,
    ) -> None:
        self.model, self.config, self.x, self.exact = model, config, x, exact
        self.top = sigma or model.sigma_max

    def __repr__(self) -> str:
        sampling = self.config.sampling
        return f"LevelDescent({sampling.steps} steps from noise {self.top:g} to {self.model.sigma_min:g})"

    @property
    def sampling(self) -> LevelSamplingConfig:
        """Steps, corrections and guidance."""
        return self.config.sampling

    def sampler_with(self, settings: LevelSamplingConfig) -> LevelDescent:
        """The same with other ones."""
        config = replace(self.config, sampling=settings)
        return LevelDescent(self.model, config, self.x, self.top, self.exact)

    def stages(
        self, n: int, rng: torch.Generator, *, y: Tensor | None = None, steps: int | None = None
    ) -> Stages:
        """A step between two levels, then the corrections there; `steps` between levels in all.

        Raises `UsageError` for another number of chains than of rows `x`, and where chains of unlike
        conditions would be drawn in place of one another.
        """
        model, sampling = self.model, self.config.sampling
        y = draw_labels(model, n, y, rng)
        if sampling.resample and y is not None and bool((y != y[:1]).any()):
            raise UsageError(
                "sampling.resample draws chains in place of others, which must have the same label or "
                "condition: ask for one at a time"
            )
        if self.x is not None and n != len(self.x):
            raise UsageError(f"{n} chains from {len(self.x)} rows: draw as many at a time as there are rows")
        x: Position = self.x if self.x is not None else model.top(n, self.top, rng)
        levels = polynomial_levels(self.top, model.sigma_min, (steps or sampling.steps) + 1)
        for sigma, to in zip(levels, levels[1:], strict=False):
            here, ahead = self.energy(sigma, y), self.energy(to, y)
            noised = partial(with_noise, sigma)
            x = yield ChainStage(here, self.between(sigma, to, ahead), 1, x, noised=noised)
            if sampling.corrections:
                noised = partial(with_noise, to)
                x = yield ChainStage(ahead, self.kernel(to), sampling.corrections, x, noised=noised)
        yield from self.last(x, y)

    def between(self, sigma: float, to: float, ahead: Energy) -> Kernel:
        """From level to level."""
        weighted = self.config.sampling.resample
        return WeightedDescent(sigma, to, ahead) if weighted else ProbabilityFlow(sigma, to, ahead)

    def kernel(self, sigma: float) -> Kernel:
        """The corrections at a level."""
        step = self.config.sampling.step_size * sigma**2
        return MALA(step) if self.exact else Langevin(step)

    def last(self, x: Position, y: Tensor | None) -> Stages:
        """The least noise, without a step."""
        sigma = self.model.sigma_min
        noised = partial(with_noise, sigma)
        yield ChainStage(self.energy(sigma, y), self.kernel(sigma), 0, x, noised=noised)

    def energy(self, sigma: float, y: Tensor | None) -> Energy:
        """U(. | y) at a level, guided where the settings say so."""
        w, given = self.config.sampling.guidance, self.model.at_level(sigma, y)
        if not w or y is None:
            return given
        return Negation(Scaled(given, 1 + w), self.model.at_level(sigma), alpha=w)

    @torch.no_grad()
    def decode(self, position: Position) -> Tensor:
        """The position, or with `jump` the mean of clean data given it, in the range of images."""
        x, spec = cast(Tensor, position), self.model.spec
        if not self.config.jump:
            return x
        sigma = self.model.sigma_min
        clean = x + sigma**2 * self.model.noisy_score(x, sigma)
        return clean.clamp(spec.low, spec.high) if spec.is_image else clean

    def from_data(self, x: Tensor, rng: torch.Generator, y: Tensor | None = None) -> DataChain:
        """The corrections at the least noise, from data with that noise."""
        sigma = self.model.sigma_min
        moved, noised = self.model.conditioned(y), with_noise(sigma, x, rng)
        return DataChain(moved, self.kernel(sigma), noised, lambda end: self.last(end, y))

    # -- noise levels, as tasks ask for them ------------------------------------------------------------

    @property
    def sigmas(self) -> tuple[float, ...]:
        """The levels of sampling, from the least."""
        model, steps = self.model, self.config.sampling.steps
        return polynomial_levels(model.sigma_max, model.sigma_min, steps + 1)[::-1]

    @property
    def levels(self) -> int:
        """How many levels."""
        return len(self.sigmas)

    def noised(self, x: Tensor, level: int, rng: torch.Generator) -> Tensor:
        """`x` `(B, *event)` with the noise of a level, counted from the least."""
        return with_noise(self.sigmas[level], x, rng)

    @torch.no_grad()
    def level_terms(self, x: Tensor, rng: torch.Generator) -> Tensor:
        """U at one draw of every level's noise, `(B, levels)`, in nats."""
        found = [self.model.at_level(s)(self.noised(x, i, rng)) for i, s in enumerate(self.sigmas)]
        return torch.stack(found, 1)

    def descent(self, x: Tensor, sigma: float) -> Sampler:
        """From data with Gaussian noise `sigma` down to clean ones, in steps as short as from the top."""
        model = self.model
        sigma = min(max(sigma, 1.01 * model.sigma_min), model.sigma_max)
        return LevelDescent(model, self.config, x, sigma, self.exact)

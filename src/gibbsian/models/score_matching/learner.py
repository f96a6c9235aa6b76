"""Score matching: an energy trained without chains (Hyvärinen 2005; Vincent 2011; Song et al. 2019).

    min  mean |s(x) - grad log p(x)|^2 / 2,   s = -grad E,   in a form that needs no grad log p

`matching.method` exact, sliced or finite_difference fits the data: exp(-E) is their density. It is blind to
how much mass each of several modes far apart has. Denoising fits data with noise, p * N(0, sigma^2),
whichever sigma was chosen: with one level exp(-E) is that smoothed density and no other.

A ladder of noises has one unconditional energy (Z. Li, Y. Chen, F. Sommer 2019, arXiv 1910.07762). Noise
sigma_i is read at temperature T_i = sigma_i^2 / sigma_0^2, sigma_0 the smallest:

    s_i(x) = -grad E(x) / T_i,   loss = mean over i of |sigma_i s_i(x + sigma_i eps) + eps|^2 / 2

which in many dimensions is no contradiction: x + sigma_i eps lies near a shell of radius sigma_i root D about
the data, so E can tell i from x. There sigma_0^2 grad E is the way back to the data, and E grows as the
square of the distance. In few dimensions the shells overlap and E is a compromise. The network gives
sigma_0^2 E, of the order of squared distances, whatever the noise. So with a ladder E claims no density: it
is a squared distance to the data in units of 2 sigma_0^2.

With `matching.told` the network is told the level as well, as one more block of its condition. Each level has
an energy E_i of its own then, of temperature T_i, whose last, E_0, is that of the model: what the compromise
costs is gone, and chains that leave the shell of a level are not taken for those of another.

Sampling anneals: a stage a level, on E at T_i with one step size s, hence x - (s/2) grad E + root(s T_i) xi,
which are the annealed Langevin steps of Song and Ermon 2019, gamma_i ~ sigma_i^2, on s_i, if `chain.noise` is
root s; a smaller one cools every level. Finally x + sigma_0^2 s(x), if asked for (`jump`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn

from ...core.energy import score_function
from ...core.errors import UsageError
from ...core.position import Position
from ...core.random import seeded_init
from ...core.records import Batch, Loss
from ...objectives.score_matching import denoising, exact, finite_difference, probe, sliced, tweedie
from ...starts.base import Start
from ..chains import init_noise, langevin
from ..data_noise import noised_data, with_noise
from ..labels import draw_labels
from ..learner import Learner
from ..net_energy import NetEnergy
from ..networks import data_spec, energy_net
from ..sampler import ChainStage, Sampler, Stages
from .config import ScoreMatchingConfig
from .told import Told, at_level


def build(
    config: ScoreMatchingConfig,
    event_shape: tuple[int, ...],
    rng: torch.Generator,
    net: nn.Module | None = None,
) -> ScoreMatching:
    """The learner of an energy network; its samples come by annealed or plain Langevin chains from noise."""
    spec = data_spec(config, event_shape)
    matching, of_net, seen = config.matching, config.net, spec
    if matching.told:
        blocks = (*spec.condition, matching.levels)
        of_net, seen = replace(of_net, condition=blocks), replace(spec, condition=blocks)
    with seeded_init(rng):
        net = energy_net(of_net, seen, net, curved=matching.method in ("exact", "sliced"))
    if matching.told:
        net = Told(net, sum(spec.condition), matching.levels)
    model = NetEnergy(net, spec, unit=matching.sigma_min**2 if matching.levels > 1 else 1.0)
    model.samplers["default"] = Annealed(model, config, init_noise(config.start, spec))
    return ScoreMatching(config, model)


class ScoreMatching(Learner):
    """The loss of `matching.method` on a batch; no chain takes part."""

    config: ScoreMatchingConfig
    model: NetEnergy

    def parameter_groups(self) -> dict[str, nn.Module]:
        """One group: the energy network."""
        return {"energy": self.model.net}

    def losses(self, batch: Batch, step: int, rng: torch.Generator) -> Iterator[tuple[str, Loss]]:
        """The loss on data with their smoothing noise."""
        x = noised_data(batch, self.config.pixels, rng)
        # A second difference of energies over delta^2 would be one of bfloat16's rounding.
        half = self.options.precision == "bf16" and self.config.matching.method != "finite_difference"
        with torch.autocast(x.device.type, dtype=torch.bfloat16, enabled=half):
            loss = self._loss(x, batch.y if self.model.spec.condition else None, rng)
        yield "energy", loss

    def _loss(self, x: Tensor, y: Tensor | None, rng: torch.Generator) -> Loss:
        matching, model = self.config.matching, self.model
        if matching.method == "denoising":
            level = self._levels(len(x), rng)
            sigma = torch.tensor(matching.sigmas, device=x.device)[level].to(x)
            eps = torch.randn(x.shape, generator=rng, device=x.device, dtype=x.dtype)
            energy = at_level(model, level, y)
            weight = 1.0 if matching.spread is None else 1 + (sigma / matching.spread).square()
            temperature = (sigma / matching.sigma_min).square()
            return denoising(energy, x, eps, sigma, temperature=temperature, weight=weight)
        energy = model.conditional(y)
        if matching.method == "exact":
            return exact(energy, x)
        v = probe(x, rng, matching.probe)
        if matching.method == "sliced":
            return sliced(energy, x, v, reduced=matching.reduced)
        return finite_difference(energy, x, v, matching.delta)

    def _levels(self, n: int, rng: torch.Generator) -> Tensor:
        """The level of each row `(n,)`, from 0 at the largest noise: all as evenly as they go, from a random
        one on."""
        levels = len(self.config.matching.sigmas)
        first = torch.randint(levels, (), generator=rng, device=rng.device)
        return (first + torch.arange(n, device=rng.device)) % levels


class Annealed(Sampler):
    """From noise down the ladder of noise levels; plain Langevin without one. Also what the ladder knows."""

    def __init__(self, model: NetEnergy, config: ScoreMatchingConfig, noise: Start) -> None:
        self.model, self.config, self.noise = model, config, noise
        self.beyond_range = bool(self.levels)

    @property
    def levels(self) -> int:
        """Noise levels, 0 for an energy of one level or none."""
        matching = self.config.matching
        return matching.levels if matching.method == "denoising" and matching.levels > 1 else 0

    def stages(
        self, n: int, rng: torch.Generator, *, y: Tensor | None = None, steps: int | None = None
    ) -> Stages:
        """One stage a level, `steps` in all."""
        y = draw_labels(self.model, n, y, rng)
        chain, sigmas = self.config.chain, self.config.matching.sigmas
        steps, levels = steps or chain.steps, len(sigmas)
        marks = [steps * i // levels for i in range(levels + 1)]
        position: Position = self.noise.draw(n, rng).position
        for level, (sigma, (first, last)) in enumerate(zip(sigmas, pairwise(marks), strict=True)):
            energy = at_level(self.model, level, y)
            hotter = replace(chain, noise=chain.noise * sigma / sigmas[-1])
            kernel = langevin(hotter, self.model.spec)
            noised = partial(with_noise, sigma) if self.levels else None
            position = yield ChainStage(energy, kernel, last - first, position, noised=noised)

    def decode(self, position: Position) -> Tensor:
        """The position itself, or with `jump` the mean of clean data given it."""
        x = cast(Tensor, position)
        if not self.config.jump:
            return x
        return tweedie(
            x, self.config.matching.sigma_min, cast(Tensor, score_function(at_level(self.model, -1), x))
        )

    def noisy_score(self, x: Tensor, sigma: float) -> Tensor:
        """The score of data with noise `sigma`: E is read at the temperature of that noise."""
        sigmas = self.config.matching.sigmas
        temperature = (sigma / sigmas[-1]) ** 2 if self.levels else 1.0
        nearest = min(range(len(sigmas)), key=lambda i: abs(math.log(sigmas[i] / sigma)))
        return cast(Tensor, score_function(at_level(self.model, nearest), x, temperature=temperature))

    def noised(self, x: Tensor, level: int, rng: torch.Generator) -> Tensor:
        """`x` with the noise of a level, counted from the smallest."""
        sigma = self.config.matching.sigmas[len(self.config.matching.sigmas) - 1 - level]
        return with_noise(sigma, x, rng)

    def level_terms(self, x: Tensor, rng: torch.Generator) -> Tensor:
        """|sigma_i s_i(x + sigma_i eps) + eps|^2 / 2 at one draw of eps for every level, `(B, levels)`.

        On a geometric ladder their sum bounds -log p(x) but for a factor and a constant (Y. Song et al. 2021,
        arXiv 2101.09258, by the likelihood weighting). Raises `UsageError` with one level of noise or none.
        """
        sigmas = self.config.matching.sigmas
        if not self.levels:
            raise UsageError("this score matching has no ladder of noise levels: train with matching.levels")
        found = []
        for level, sigma in enumerate(sigmas):
            eps = torch.randn(x.shape, generator=rng, device=x.device, dtype=x.dtype)
            temperature = (sigma / sigmas[-1]) ** 2
            energy = at_level(self.model, level)
            s = cast(Tensor, score_function(energy, x + sigma * eps, temperature=temperature))
            found.append((sigma * s + eps).flatten(1).square().sum(1) / 2)
        return torch.stack(found, 1)

    def descent(self, x: Tensor, sigma: float) -> Sampler:
        """Refused: these chains begin at noise."""
        raise UsageError("only a drl model anneals noisy images from their own level: use chain or tweedie")

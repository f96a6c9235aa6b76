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
sigma_0^2 E, of the order of squared distances, whatever the noise.

Sampling anneals: a leg a level, on E at T_i with one step size s, hence x - (s/2) grad E + root(s T_i) xi,
which are the annealed Langevin steps of Song and Ermon 2019, gamma_i ~ sigma_i^2, on s_i, if `chain.noise` is
root s; a smaller one cools every level. Finally x + sigma_0^2 s(x), if asked for (`jump`).

A matched model has temperature 1 by its loss; no chain takes part in training.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn

from ..core.energy import score
from ..core.errors import UsageError
from ..core.position import Position
from ..core.random import seeded_init
from ..core.records import Batch, Loss
from ..nets.build import build
from ..objectives.score_matching import denoising, exact, finite_difference, probe, sliced, tweedie
from ..recipes.score_matching import ScoreMatchingConfig
from .base import Handed, Leg, Plan, System
from .phases import langevin, noise_start, positives


class ScoreMatching(System):
    """Energy network trained by score matching; annealed or plain Langevin chains from noise.

    `matched` is true without a ladder: exp(-E) is then the learnt density, of the data, or for denoising of
    data with noise sigma_min on them.
    """

    config: ScoreMatchingConfig

    def __init__(
        self, config: ScoreMatchingConfig, event_shape: tuple[int, ...], rng: torch.Generator
    ) -> None:
        super().__init__()
        self.config, self.event_shape = config, tuple(event_shape)
        with seeded_init(rng):
            self.net = build(config.net, event_shape)
        self.start = noise_start(config.start, config.pixels, event_shape)
        self.unit = config.matching.sigma_min**2 if config.matching.levels > 1 else 1.0
        self.temperature, self.matched = 1.0, config.matching.levels == 1

    def groups(self) -> dict[str, nn.Module]:
        """One group: the energy network."""
        return {"energy": self.net}

    def energy(self, x: Position) -> Tensor:
        """E(x), shape `(B,)`."""
        e: Tensor = self.net(x)
        return e / self.unit

    def losses(self, batch: Batch, step: int, rng: torch.Generator) -> Iterator[tuple[str, Loss]]:
        """The loss of `matching.method` on a batch."""
        x = positives(batch, self.config.pixels, rng)
        # A second difference of energies over delta^2 would be one of bfloat16's rounding.
        half = self.precision == "bf16" and self.config.matching.method != "finite_difference"
        with torch.autocast(x.device.type, dtype=torch.bfloat16, enabled=half):
            loss = self._loss(x, rng)
        yield "energy", loss

    def _loss(self, x: Tensor, rng: torch.Generator) -> Loss:
        matching = self.config.matching
        if matching.method == "denoising":
            sigma = self._noises(len(x), rng).to(x)
            eps = torch.randn(x.shape, generator=rng, device=x.device, dtype=x.dtype)
            temperature = (sigma / matching.sigma_min).square()
            return denoising(self.energy, x, eps, sigma, temperature=temperature)
        if matching.method == "exact":
            return exact(self.energy, x)
        v = probe(x, rng, matching.probe)
        if matching.method == "sliced":
            return sliced(self.energy, x, v, reduced=matching.reduced)
        return finite_difference(self.energy, x, v, matching.delta)

    def _noises(self, n: int, rng: torch.Generator) -> Tensor:
        """sigma of each row `(n,)`: all levels as evenly as they go, from a random one on."""
        sigmas = torch.tensor(self.config.matching.sigmas, device=rng.device)
        first = torch.randint(len(sigmas), (), generator=rng, device=rng.device)
        return sigmas[(first + torch.arange(n, device=rng.device)) % len(sigmas)]

    def plan(
        self, n: int, rng: torch.Generator, *, y: Tensor | None = None, steps: int | None = None
    ) -> Plan:
        """From noise down the ladder, `steps` in all; plain Langevin without one."""
        if y is not None:
            raise UsageError("score matching has no labels: leave out the label")
        chain, pixels, sigmas = self.config.chain, self.config.pixels, self.config.matching.sigmas
        steps, levels = steps or chain.steps, len(sigmas)
        marks = [steps * i // levels for i in range(levels + 1)]
        position: Position = self.start.draw(n, rng).position
        for sigma, (first, last) in zip(sigmas, pairwise(marks), strict=True):
            hotter = replace(chain, noise=chain.noise * sigma / sigmas[-1])
            kernel = langevin(hotter, pixels.low, pixels.high)
            position = yield Leg(self.energy, kernel, last - first, position)

    def handed(self) -> Handed:
        """E = net / unit at temperature 1."""
        return Handed(self.net, 1 / self.unit)

    def decode(self, position: Position) -> Tensor:
        """The position itself, or with `jump` the mean of clean data given it."""
        x = cast(Tensor, position)
        if not self.config.jump:
            return x
        return tweedie(x, self.config.matching.sigma_min, cast(Tensor, score(self.energy, x)))

    def surprisal(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """E(x): -log density up to a constant if `matched`; with a ladder a squared distance to the data, in
        units of 2 sigma_min^2."""
        if y is not None:
            raise UsageError("score matching has no labels: leave out the label")
        return self.energy(x)

    def level_surprisals(self, x: Tensor, rng: torch.Generator) -> Tensor:
        """|sigma_i s_i(x + sigma_i eps) + eps|^2 / 2 at one draw of eps for every level, `(B, levels)`.

        On a geometric ladder their sum bounds -log p(x) but for a factor and a constant (Y. Song et al. 2021,
        arXiv 2101.09258, by the likelihood weighting). Raises `UsageError` with one level of noise or none.
        """
        sigmas = self.config.matching.sigmas
        if self.config.matching.method != "denoising" or len(sigmas) < 2:
            raise UsageError("this score matching has no ladder of noise levels: train with matching.levels")
        found = []
        for sigma in sigmas:
            eps = torch.randn(x.shape, generator=rng, device=x.device, dtype=x.dtype)
            temperature = (sigma / sigmas[-1]) ** 2
            s = cast(Tensor, score(self.energy, x + sigma * eps, temperature=temperature))
            found.append((sigma * s + eps).flatten(1).square().sum(1) / 2)
        return torch.stack(found, 1)

"""Energies over noise levels: one network that is told the level, p(x_t) ~ exp(-E(a x_t, t) / b_t^2).

The conditionals of diffusion recovery likelihood (R. Gao et al., ICLR 2021, arXiv 2012.08125) are what chains
move on; samples go down the ladder from N(0, I).
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from ...core.errors import UsageError
from ...core.position import Position, expand
from ...core.spec import DataSpec
from ...energies.context import single
from ...energies.recovery import Recovery
from ...mcmc.langevin import Langevin
from ...noise.ladder import Ladder
from ...starts.noise import GaussianNoise
from ..model import EnergyModel
from ..sampler import ChainStage, DataChain, Sampler, Stages
from .config import LadderConfig


class LevelNumbers(NamedTuple):
    """The constants of a level t, x_next = a x_t + sigma eps: numbers, or tensors with a row a datum."""

    a: Any
    sigma: Any
    factor: Any
    """What multiplies x_t before the network sees it: a, but 1 at the last level."""
    tether: Any
    """1 / sigma^2, the precision of x_next around a x_t; 0 at the last level, where x_next is pure noise."""
    b2: Any
    """The temperature b_t^2."""
    weight: Any
    """Of the level in the loss."""


def level_numbers(ladder: Ladder, scale: float) -> tuple[LevelNumbers, ...]:
    """The constants of every level of `ladder`; `scale` is that of `LadderConfig`."""
    tethers = (*(s**-2 for s in ladder.sigma[1:-1]), 0.0)
    columns = ladder.a[1:], ladder.sigma[1:], (*ladder.a[1:-1], 1.0), tethers
    temperatures = ladder.temperatures(scale)
    return tuple(map(LevelNumbers, *columns, temperatures, ladder.weights))


class LadderEnergy(EnergyModel):
    """One network of energies E(y, t) over the noise levels of a ladder; t = 0 is the cleanest.

    Args:
        net: called as `net(y, level)` with levels `(B,)` int64; returns `(B,)`.
        spec: shape and range of the data, without labels.
        config: the number of levels, and the chains on each.
    """

    def __init__(self, net: nn.Module, spec: DataSpec, config: LadderConfig) -> None:
        ladder = Ladder(config.levels)
        self.numbers = level_numbers(ladder, config.scale)
        super().__init__(spec, self.numbers[0].b2)
        self.net, self.ladder = net, ladder
        self.samplers["default"] = Descent(self, config)

    @property
    def levels(self) -> int:
        """How many levels."""
        return self.ladder.levels

    @property
    def chain_temperature(self) -> float:
        """1: chains move on `conditional`, which is a negative log-density."""
        return 1.0

    def energy(self, x: Position, y: Tensor | None = None) -> Tensor:
        """E(a x, 0) of clean data, shape `(B,)`; its temperature is b_0^2."""
        self.spec.refuse_labels(y)
        return self.energy_at(self.numbers[0].factor * single(x), 0)

    def energy_at(self, y: Tensor, level: int | Tensor) -> Tensor:
        """E(y, t) at a level, or levels `(B,)`, shape `(B,)`; its temperature is b_t^2."""
        if isinstance(level, int):
            level = torch.full((len(y),), level, device=y.device)
        e: Tensor = self.net(y, level)
        return e

    def neg_log_prob(self, x: Position, y: Tensor | None = None) -> Tensor:
        """E(a x, 0) / b_0^2, up to a constant -log density of data with noise sigma_bar_0 = .01."""
        return self.energy(x, y) / self.numbers[0].b2

    def conditional(self, x_next: Tensor, level: int) -> Recovery:
        """-log p(x_t | x_next) up to a constant, an energy of x_t `(B, *event)` at temperature 1."""
        of = self.numbers[level]
        return Recovery(
            self.energy_at, level, x_next, temperature=of.b2, precision=of.tether, scale=of.factor
        )

    def start(self, x_next: Tensor, level: int) -> Tensor:
        """Where the chain of x_t begins: at y = x_next as in training, which is x_next / a."""
        return x_next / self.numbers[level].factor

    def kernel(self, level: int, noise: float = 1.0) -> Langevin:
        """Langevin steps of b_t^2 in y, which are b_t^2 / a^2 in x_t; `noise` is a factor on their noise."""
        of = self.numbers[level]
        step = of.b2 / of.factor**2
        return Langevin(step, temperature=noise**2)

    def noised(self, x: Tensor, level: int | Tensor, rng: torch.Generator) -> Tensor:
        """x_t of clean data `x` `(B, *event)` at a level in [0, T], one number or one a row."""
        bars = torch.tensor(self.ladder.sigma_bar, device=x.device, dtype=x.dtype)
        bar = bars[level] if isinstance(level, int) else expand(bars[level], x)
        return (1 - bar**2).sqrt() * x + bar * normal(x, rng)

    def level_terms(self, x: Tensor, rng: torch.Generator) -> Tensor:
        """E(a x_t, t) / b_t^2 at one draw of x_t for every level, `(B, levels)`: -log p(x_t) up to a constant
        each, of data `x` `(B, *event)`."""
        found = []
        for t, of in enumerate(self.numbers):
            e = self.energy_at(of.factor * self.noised(x, t, rng), t)
            found.append(e / of.b2)
        return torch.stack(found, 1)

    def descent(self, x: Tensor, sigma: float) -> Sampler:
        """From data with noise `sigma` at the level nearest to it, brought to that level's scale."""
        bar = (sigma**2 / (1 + sigma**2)) ** 0.5
        bars = self.ladder.sigma_bar
        level = min(range(1, len(bars)), key=lambda t: abs(bars[t] - bar))
        own = cast(Descent, self.sampler())
        return Descent(self, own.config, x * (1 - bar**2) ** 0.5, level)


class Descent(Sampler):
    """From N(0, I) down the ladder; or from `x` `(N, *event)`, which has the noise of level `top` in [1, T].

    Raises `UsageError` for a level out of range.
    """

    beyond_range = True

    def __init__(
        self, model: LadderEnergy, config: LadderConfig, x: Tensor | None = None, top: int | None = None
    ) -> None:
        self.model, self.config, self.x = model, config, x
        self.top = model.levels if top is None else top
        if not 1 <= self.top <= model.levels:
            raise UsageError(f"level is {top}: this ladder goes from 1 to {model.levels}")

    def stages(
        self, n: int, rng: torch.Generator, *, y: Tensor | None = None, steps: int | None = None
    ) -> Stages:
        """`steps` on each level; raises `UsageError` for another number of chains than of rows `x`."""
        self.model.spec.refuse_labels(y)
        if self.x is not None and n != len(self.x):
            raise UsageError(f"{n} chains from {len(self.x)} rows: draw as many at a time as there are rows")
        noise = GaussianNoise(self.model.spec.event_shape)
        yield from self.down(noise.draw(n, rng).position if self.x is None else self.x, self.top, steps)

    def down(self, x: Position, top: int, steps: int | None = None) -> Stages:
        """Stages from x_t of level `top` to data."""
        for t in reversed(range(top)):
            x_next = cast(Tensor, x)
            energy, start = self.model.conditional(x_next, t), self.model.start(x_next, t)
            kernel = self.model.kernel(t, self.config.noise_factor)
            noised = partial(self._with_noise_of, t)
            x = yield ChainStage(energy, kernel, steps or self.config.steps, start, noised=noised)

    def _with_noise_of(self, level: int, x: Tensor, rng: torch.Generator) -> Tensor:
        return self.model.noised(x, level, rng)

    def from_data(self, x: Tensor, rng: torch.Generator, y: Tensor | None = None) -> DataChain:
        """The conditional of the middle level given its noisier neighbour, which Gao et al. run for long; its
        ends go down the rest of the ladder."""
        model, ladder = self.model, self.model.ladder
        t = ladder.levels // 2
        x_t = model.noised(x, t, rng)
        x_next = ladder.a[t + 1] * x_t + ladder.sigma[t + 1] * normal(x, rng)
        return DataChain(model.conditional(x_next, t), model.kernel(t), x_t, lambda end: self.down(end, t))


def normal(x: Tensor, rng: torch.Generator) -> Tensor:
    """N(0, 1) of the shape, type and place of `x`."""
    return torch.randn(x.shape, generator=rng, device=x.device, dtype=x.dtype)

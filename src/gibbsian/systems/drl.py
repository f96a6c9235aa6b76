"""Diffusion recovery likelihood (R. Gao, Y. Song, B. Poole, Y. N. Wu, D. P. Kingma, ICLR 2021, arXiv
2012.08125).

    x_{t+1} = a x_t + sigma eps                                              a ladder from data to noise
    p(x_t | x_{t+1}) ~ exp(-E(a x_t, t) / b^2 - |x_{t+1} - a x_t|^2 / 2 sigma^2)    a, sigma of t + 1, b of t

    positive: y = a x_t        negative: the end of K Langevin steps of size b^2 from x_{t+1}
    loss:     mean over rows of (sigma_1 / sigma_{t+1}) (E(y_pos, t) - E(y_neg, t))

Each conditional has nearly one mode, so that short chains from x_{t+1} suffice; maximising all of them
learns the marginals exp(-E(., t) / b_t^2) up to constants. The last level has no tether and no factor a:
it is a marginal model whose chain starts at N(0, I). Sampling walks down the ladder; after training its
noise may be multiplied by .99, as the paper does for its figures.

The chains aim at temperature 1, but K = 30 steps are fewer than the relaxation time at most levels (45 to
9,000 with the paper's numbers), so that what is learnt is a sampler before it is a density: `matched` is
false. On a Gaussian the conditionals' variances come out 42 to 99 % too small (docs/ladders.md).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import cast

import torch
from torch import Tensor, nn

from ..core.errors import UsageError
from ..core.position import Position, expand
from ..core.random import seeded_init
from ..core.records import Batch, Loss
from ..energies.recovery import Recovery
from ..mcmc.base import Chain
from ..mcmc.langevin import Langevin
from ..nets.build import build
from ..noise.ladder import Ladder
from ..recipes.chain import LossConfig
from ..recipes.drl import DRLConfig
from ..starts.base import Ticket, all_fresh
from ..starts.noise import GaussianNoise
from .base import Leg, Plan, Standing, System
from .phases import Negatives, contrastive_loss, negatives, paired, positives


class DRL(System):
    """One network of energies E(y, t), one a level, sampled from the noisiest to the cleanest."""

    config: DRLConfig

    def __init__(self, config: DRLConfig, event_shape: tuple[int, ...], rng: torch.Generator) -> None:
        super().__init__()
        self.config, self.event_shape = config, tuple(event_shape)
        ladder = Ladder(config.ladder.levels)
        with seeded_init(rng):
            self.net = build(replace(config.net, classes=ladder.levels), event_shape)
        self.ladder, self.noise = ladder, GaussianNoise(self.event_shape)
        last = ladder.levels - 1
        self.constants: dict[str, tuple[float, ...]] = {
            "bar": ladder.sigma_bar[:-1],
            "a": ladder.a[1:],
            "sigma": ladder.sigma[1:],
            "factor": (*ladder.a[1:-1], 1.0),
            "precision": tuple(0.0 if t == last else s**-2 for t, s in enumerate(ladder.sigma[1:])),
            "b2": ladder.temperatures(config.ladder.scale),
            "weight": ladder.weights,
        }
        self.temperature, self.matched = 1.0, False

    def groups(self) -> dict[str, nn.Module]:
        """One group: the network of all levels."""
        return {"energy": self.net}

    def energy(self, y: Tensor, level: Tensor) -> Tensor:
        """E(y, t) at levels `(B,)`, shape `(B,)`; its temperature is b_t^2."""
        e: Tensor = self.net(y, level)
        return e

    def conditional(self, x_next: Tensor, level: int) -> Recovery:
        """-log p(x_t | x_next) up to a constant, an energy of x_t `(B, *event)` at temperature 1."""
        found = {key: values[level] for key, values in self.constants.items()}
        return Recovery(
            self.energy,
            level,
            x_next,
            temperature=found["b2"],
            precision=found["precision"],
            scale=found["factor"],
        )

    def start(self, x_next: Tensor, level: int) -> Tensor:
        """Where the chain of x_t begins: at y = x_next as in training, which is x_next / a."""
        return x_next / self.constants["factor"][level]

    def kernel(self, level: int, noise: float = 1.0) -> Langevin:
        """Langevin steps of b_t^2 in y, which are b_t^2 / a^2 in x_t; `noise` is a factor on their noise."""
        step = self.constants["b2"][level] / self.constants["factor"][level] ** 2
        return Langevin(step, temperature=noise**2)

    # -- training -----------------------------------------------------------------------------------

    def losses(self, batch: Batch, step: int, rng: torch.Generator) -> Iterator[tuple[str, Loss]]:
        """Recovery likelihood of one random level a row."""
        x = positives(batch, self.config.pixels, rng)
        level = torch.randint(self.ladder.levels, (len(x),), generator=rng, device=x.device)
        c = {k: expand(torch.tensor(v, device=x.device)[level], x) for k, v in self.constants.items()}
        x_t = self.noised(x, level, rng)
        x_next = c["a"] * x_t + c["sigma"] * self._normal(x, rng)
        b = c["b2"].sqrt()
        # In units of b the step is 1 at every level, so that rows of all levels are one chain.
        flat = {k: v.flatten() for k, v in c.items()}
        energy = Recovery(
            self.energy, level, x_next, flat["b2"], precision=flat["precision"], scale=b.flatten()
        )
        ticket = Ticket(x_next / b, None, None, all_fresh(len(x), rng))
        neg = negatives(self, energy, Langevin(1.0), ticket, self.config.ladder.steps, rng, self.noise)
        y_neg = torch.where(expand(neg.bad, x), x_next, b * neg.x)
        e_pos, e_neg = paired(self.energy, c["factor"] * x_t, y_neg, level, level, precision=self.precision)
        weight = flat["weight"]
        ends = Negatives(y_neg, in_data_units(neg.chain, b.flatten()), neg.bad)
        yield "energy", contrastive_loss(weight * e_pos, weight * e_neg, LossConfig(), ends)

    def noised(self, x: Tensor, level: int | Tensor, rng: torch.Generator) -> Tensor:
        """x_t of clean data `x` `(B, *event)` at a level in [0, T], one number or one a row."""
        bars = torch.tensor(self.ladder.sigma_bar, device=x.device, dtype=x.dtype)
        bar = bars[level] if isinstance(level, int) else expand(bars[level], x)
        return (1 - bar**2).sqrt() * x + bar * self._normal(x, rng)

    # -- sampling -----------------------------------------------------------------------------------

    def plan(
        self, n: int, rng: torch.Generator, *, y: Tensor | None = None, steps: int | None = None
    ) -> Plan:
        """From N(0, I) down the ladder, `steps` on each level."""
        if y is not None:
            raise UsageError("drl has no labels: leave out the label")
        return self.descend(self.noise.draw(n, rng).position, self.ladder.levels, steps=steps)

    def descend(self, x: Position, level: int, *, steps: int | None = None) -> Plan:
        """Legs from x_t `(B, *event)` of `level` t in [1, T] down to data: `plan` for t = T.

        Raises `UsageError` for a level out of range.
        """
        if not 1 <= level <= self.ladder.levels:
            raise UsageError(f"level is {level}: this ladder goes from 1 to {self.ladder.levels}")
        config = self.config.ladder
        for t in reversed(range(level)):
            energy, start = self.conditional(cast(Tensor, x), t), self.start(cast(Tensor, x), t)
            x = yield Leg(energy, self.kernel(t, config.noise_factor), steps or config.steps, start)

    def standing(self, x: Tensor, rng: torch.Generator, y: Tensor | None = None) -> Standing:
        """The conditional of the middle level given its noisier neighbour, which Gao et al. run for long; its
        ends go down the rest of the ladder."""
        t = self.ladder.levels // 2
        x_t = self.noised(x, t, rng)
        x_next = self.ladder.a[t + 1] * x_t + self.ladder.sigma[t + 1] * self._normal(x, rng)
        return Standing(self.conditional(x_next, t), self.kernel(t), x_t, lambda end: self.descend(end, t))

    def decode(self, position: Position) -> Tensor:
        """The position is the data: chains move in x_t, not in y = a x_t."""
        return cast(Tensor, position)

    def surprisal(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """E(a x, 0) / b_0^2, up to a constant -log density of data with noise sigma_bar_0 = .01."""
        if y is not None:
            raise UsageError("drl has no labels: leave out the label")
        level = torch.zeros(len(x), dtype=torch.long, device=x.device)
        return self.energy(self.constants["factor"][0] * x, level) / self.constants["b2"][0]

    def level_surprisals(self, x: Tensor, rng: torch.Generator) -> Tensor:
        """E(a x_t, t) / b_t^2 at one draw of x_t for every level, `(B, levels)`: -log p(x_t) up to a constant
        each, of data `x` `(B, *event)`."""
        found = []
        for t in range(self.ladder.levels):
            level = torch.full((len(x),), t, device=x.device)
            e = self.energy(self.constants["factor"][t] * self.noised(x, t, rng), level)
            found.append(e / self.constants["b2"][t])
        return torch.stack(found, 1)

    @staticmethod
    def _normal(x: Tensor, rng: torch.Generator) -> Tensor:
        return torch.randn(x.shape, generator=rng, device=x.device, dtype=x.dtype)


def in_data_units(chain: Chain, b: Tensor) -> Chain:
    """`chain`, which moved in units of `b` `(B,)`, with the drift of its steps as the monitor knows it."""
    assert chain.info.drift is not None
    return replace(chain, info=replace(chain.info, drift=b * chain.info.drift))

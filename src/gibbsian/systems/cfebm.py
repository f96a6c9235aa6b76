"""Coarse-to-fine EBM (Y. Zhao, J. Xie, P. Li, ICLR 2021, "Coarse-to-Fine Expanding and Sampling").

    sizes       n_0 < n_1 < ... < n_S, each twice the one before, n_S that of the data; an energy E_s for each
    chain       x_0 ~ U(low, high) at n_0;  K steps on E_0;  x_1 = clamp(enlarge(x_0));  K steps on E_1;  ...
                x <- x - (s/2) grad E + sigma_k xi,   sigma_k falls linearly over the steps of all sizes
    stage s     loss = mean E_s(pool(data)) - mean E_s(where the chain ended at n_s)

Stages learn one after the other, smallest first. A stage begins with the weights of the one below and
something new in front, whose weight alpha rises from 0 to 1 (see `nets/pyramid.py`), in its chains as
well. Once the next stage has begun, an energy stays as it is. What is learnt is the sampler from noise to
image, so E is no log-density: the noise falls to 0 and chains never last.

Translation (mode "translate", and `translated` of any model): the chain begins at an image of another domain,
moves without noise on the energy of the last size, clamped at every step, with no generator or cycle loss.
Slightly longer than other files, since learning and sampling share the walk through the sizes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import cast

import torch
from torch import Tensor, nn

from ..core.errors import UsageError
from ..core.position import Position
from ..core.random import seeded_init
from ..core.records import Batch, Loss
from ..energies.context import Index, single
from ..energies.link import link_energy
from ..mcmc.base import run
from ..nets.pyramid import inherit, pyramid
from ..nets.resize import enlarge, shrink
from ..recipes.cfebm import CFEBMConfig, Turn
from ..starts.base import Ticket, all_fresh
from ..starts.noise import UniformNoise
from ..starts.seen import SeenImages
from .base import COMPILE, Leg, Plan, Planner, System, advance
from .frozen import frozen
from .phases import Negatives, contrastive_loss, langevin, negatives, paired, positives


@dataclass(frozen=True, eq=False)
class StageEnergy:
    """E_s at one alpha, a scalar tensor or None for 1: images of the stage's size to `(B,)`."""

    net: nn.Module
    alpha: Tensor | None
    link: str

    def __call__(self, x: Position) -> Tensor:
        return link_energy(-self.net(single(x), self.alpha), self.link)

    def rows(self, index: Index) -> StageEnergy:
        """The same: nothing in it belongs to single chains."""
        return self


class CFEBM(System):
    """An energy network for each image size, learnt in turn; chains go through the sizes."""

    config: CFEBMConfig
    counted = ("stages.fade", "stages.hold")

    def __init__(self, config: CFEBMConfig, event_shape: tuple[int, ...], rng: torch.Generator) -> None:
        super().__init__()
        self.config, self.event_shape = config, tuple(event_shape)
        self.sizes = config.stages.sizes(self.event_shape)
        self.starts = config.stages.starts(len(self.sizes))
        with seeded_init(rng):
            self.net = pyramid(config, event_shape[0], self.sizes)
        if config.mode == "translate":
            self.chains = SeenImages(self.event_shape)
        self.latest: Tensor
        self.register_buffer("latest", torch.zeros((), dtype=torch.int64))
        self.temperature, self.matched = config.chain.temperature, False
        self.additive = config.loss.additive

    @property
    def turn(self) -> Turn:
        """The stage that training has reached and its alpha, by the number of the latest update."""
        return self.config.stages.turn(int(self.latest), len(self.sizes))

    def groups(self) -> dict[str, nn.Module]:
        """The network of each size, by its larger side: stage8, stage16, ..."""
        return {self._name(s): net for s, net in enumerate(self.net)}

    def stages(self) -> tuple[int, ...]:
        """The updates at which the second and later stages begin."""
        return self.starts[1:]

    def rate(self, group: str, step: int) -> float:
        """The factor of the stage of this update."""
        stages, count = self.config.stages, len(self.sizes)
        return stages.rate(stages.turn(step, count).stage, count)

    def energy(self, x: Tensor) -> Tensor:
        """E `(B,)` of the stage that training has reached; images `(B, C, H, W)` are pooled to its size."""
        stage = self.turn.stage
        return self._energy(stage)(shrink(x, self.sizes[stage]))

    # -- learning -----------------------------------------------------------------------------------

    def losses(self, batch: Batch, step: int, rng: torch.Generator) -> Iterator[tuple[str, Loss]]:
        """Contrast of pooled data and chain ends at the size whose turn it is."""
        self.latest.fill_(step)
        stage, alpha = self.turn
        cfg, batch = self.config, self._share(batch, stage)
        neg = self._negatives(self._begun(batch, rng), len(batch), rng)
        data = replace(batch, x=shrink(batch.x, self.sizes[stage]))
        x_pos, x_neg = positives(data, cfg.pixels, rng), self._clamped(neg.x)
        e_pos, e_neg = paired(self._energy(stage), x_pos, x_neg, precision=self.precision)
        where = {"size": torch.tensor(float(max(self.sizes[stage]))), "alpha": torch.tensor(alpha)}
        yield self._name(stage), contrastive_loss(e_pos, e_neg, cfg.loss, neg) + Loss(torch.zeros(()), where)
        # Later stages take over the weights after each update, and not only when they begin, so that their
        # exponential averages begin at the averages of the stage below.
        inherit(self.net[stage:])

    def _begun(self, batch: Batch, rng: torch.Generator) -> Plan:
        """The chains of one update."""
        if self.config.mode == "generate":
            return self.plan(len(batch), rng)
        if batch.cond is None:
            raise UsageError(
                "translation needs pairs of domains: give the images to start from as Batch.cond, or train "
                "with mode=generate"
            )
        self.chains.keep(batch.cond)
        return self._from_images(batch.cond, self.config.chain.steps, len(batch), rng)

    def _negatives(self, legs: Plan, n: int, rng: torch.Generator) -> Negatives:
        """Run the legs; only the last one's diagnostics are kept."""
        below = self.turn.stage if self.config.mode == "generate" else 0
        leg = next(legs)
        with frozen(self):
            for _ in range(below):
                leg = cast(Leg, advance(legs, self._end(leg, rng)))
        ticket = Ticket(leg.position, None, None, all_fresh(n, rng))
        fresh = self._noise(self.turn.stage)
        return negatives(self, leg.energy, leg.kernel, ticket, leg.steps, rng, fresh)

    def _end(self, leg: Leg, rng: torch.Generator) -> Position:
        compile = COMPILE[self.compiling]
        return run(
            leg.kernel,
            leg.energy,
            leg.position,
            steps=leg.steps,
            rng=rng,
            evaluate=False,
            precision=self.precision,
            compile=compile,
        ).position

    def _share(self, batch: Batch, stage: int) -> Batch:
        """The part of a batch that a stage uses."""
        n = math.ceil(self.config.stages.share(stage, len(self.sizes)) * len(batch))
        return Batch(batch.x[:n], cond=None if batch.cond is None else batch.cond[:n])

    # -- sampling -----------------------------------------------------------------------------------

    def plan(
        self, n: int, rng: torch.Generator, *, y: Tensor | None = None, steps: int | None = None
    ) -> Plan:
        """A leg for each size up to the one that training has reached, with equal parts of all `steps`.

        A model that translates begins at images that training has met; `translated` is for images of yours.
        """
        _unlabelled(y)
        if self.config.mode == "translate":
            yield from self.translated(self.chains.draw(n, rng), steps=steps)(n, rng)
            return
        cfg, used = self.config, self.sizes[: self.turn.stage + 1]
        total = steps or cfg.chain.steps * len(used)
        kernel = langevin(replace(cfg.chain, steps=total), cfg.pixels.low, cfg.pixels.high)
        made, x = 0, self._noise(0).draw(n, rng).position
        for s, size in enumerate(used):
            count = total * (s + 1) // len(used) - made
            x = yield Leg(self._energy(s), kernel.from_step(made), count, enlarge(self._clamped(x), size))
            made += count

    def translated(self, x: Tensor, *, steps: int | None = None) -> Planner:
        """A plan for just N chains, from the images `x` `(N, *event_shape)`: `sample(system, N, plan=...)`.

        `steps` are `source.steps` by default, 64 in the paper. Raises `UsageError` for other shapes.
        """
        if tuple(x.shape[1:]) != self.event_shape:
            raise UsageError(
                f"images to translate have shape {tuple(x.shape)}: this model takes "
                f"(N, {', '.join(map(str, self.event_shape))})"
            )
        return partial(self._from_images, x, steps or self.config.source.steps)

    def _from_images(
        self,
        x: Tensor,
        own: int,
        n: int,
        rng: torch.Generator,
        *,
        y: Tensor | None = None,
        steps: int | None = None,
    ) -> Plan:
        _unlabelled(y)
        if n != len(x):
            raise UsageError(f"{n} chains from {len(x)} images: draw as many at a time as there are images")
        cfg, stage = self.config, self.turn.stage
        still = replace(cfg.chain, noise=0.0, noise_end=None, clamp=True, steps=steps or own)
        start = shrink(x, self.sizes[stage])
        start = start + cfg.source.noise * torch.randn(
            start.shape, generator=rng, dtype=x.dtype, device=x.device
        )
        kernel = langevin(still, cfg.pixels.low, cfg.pixels.high)
        yield Leg(self._energy(stage), kernel, still.steps, start)

    def decode(self, position: Position) -> Tensor:
        """Images of the data's shape from those of any stage, clamped."""
        height, width = self.event_shape[1:]
        return enlarge(self._clamped(position), (height, width))

    def surprisal(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """E of the stage reached: it ranks inputs, but is no log-density, since chains end without noise."""
        _unlabelled(y)
        return self.energy(x)

    # -- pieces -------------------------------------------------------------------------------------

    def _name(self, stage: int) -> str:
        return f"stage{max(self.sizes[stage])}"

    def _energy(self, stage: int) -> StageEnergy:
        """E of a stage, faded as far as training has come."""
        reached, alpha = self.turn
        weight = torch.tensor(alpha, device=self.latest.device) if stage == reached and alpha < 1 else None
        return StageEnergy(self.net[stage], weight, self.config.loss.link)

    def _noise(self, stage: int) -> UniformNoise:
        shape = (self.event_shape[0], *self.sizes[stage])
        return UniformNoise(shape, self.config.pixels.low, self.config.pixels.high)

    def _clamped(self, x: Position) -> Tensor:
        return single(x).clamp(self.config.pixels.low, self.config.pixels.high)


def _unlabelled(y: Tensor | None) -> None:
    if y is not None:
        raise UsageError("the coarse-to-fine EBM has no labels: leave out the label")

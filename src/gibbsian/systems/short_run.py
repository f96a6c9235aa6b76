"""Short-run MCMC as a generator (E. Nijkamp et al., NeurIPS 2019, arXiv 1904.09770).

    x_0 ~ noise,   x_{k+1} = x_k - (s/2) grad E(x_k) + noise * xi,   k = 0 .. K-1
    loss = mean E(x_pos) - mean E(x_K)

Every chain starts from fresh noise and takes K steps, in training and after. What is learnt is the
K-step sampler, read as a generator x_K = M(x_0); E itself need not be a density at equilibrium, and
longer chains drift away from the data. No buffer; the paper neither clips nor clamps, our presets clamp.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from ..core.position import Position
from ..core.random import seeded_init
from ..core.records import Batch, Loss
from ..energies.link import link_energy
from ..nets.build import build
from ..recipes.short_run import ShortRunConfig
from .base import Handed, Leg, Plan, System
from .phases import (
    contrastive_loss,
    draw_labels,
    given,
    handed,
    label_energies,
    langevin,
    negatives,
    noise_start,
    paired,
    positives,
)


class ShortRun(System):
    """Energy network whose fixed K-step chain from noise is the sampler."""

    config: ShortRunConfig

    def __init__(self, config: ShortRunConfig, event_shape: tuple[int, ...], rng: torch.Generator) -> None:
        super().__init__()
        self.config, self.event_shape = config, tuple(event_shape)
        with seeded_init(rng):
            self.net = build(config.net, event_shape)
        self.noise = noise_start(config.start, config.pixels, event_shape)
        self.kernel = langevin(config.chain, config.pixels.low, config.pixels.high)
        self.temperature, self.matched = config.chain.temperature, False
        self.additive = config.loss.additive

    def groups(self) -> dict[str, nn.Module]:
        """One group: the energy network."""
        return {"energy": self.net}

    def energy(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """E(x) or E(x, y), shape `(B,)`; the link turns the network's output into an energy."""
        out: Tensor = self.net(x) if y is None else self.net(x, y)
        return link_energy(-out, self.config.loss.link)

    def losses(self, batch: Batch, step: int, rng: torch.Generator) -> Iterator[tuple[str, Loss]]:
        """Contrast of data and the ends of K-step chains; conditional chains take the batch's labels."""
        cfg, y = self.config, batch.y if self.config.net.classes else None
        ticket = self.noise.draw(len(batch), rng)
        energy, steps = given(self.energy, y), cfg.chain.steps
        neg = negatives(self, energy, self.kernel, ticket, steps, rng, self.noise)
        e_pos, e_neg = paired(
            self.energy, positives(batch, cfg.pixels, rng), neg.x, y, y, precision=self.precision
        )
        yield "energy", contrastive_loss(e_pos, e_neg, cfg.loss, neg)

    def plan(
        self, n: int, rng: torch.Generator, *, y: Tensor | None = None, steps: int | None = None
    ) -> Plan:
        """The K steps of training, from noise."""
        y = draw_labels(n, y, self.config.net.classes, rng)
        start = self.noise.draw(n, rng).position
        yield Leg(given(self.energy, y), self.kernel, steps or self.config.chain.steps, start)

    def handed(self) -> Handed:
        """E with its temperature."""
        return handed(self.net, self.temperature, link=self.config.loss.link)

    def decode(self, position: Position) -> Tensor:
        """The position is the data."""
        return position if isinstance(position, Tensor) else position[0]

    def surprisal(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """E(x): it ranks inputs, but is no log-density, since only K steps of its chain were ever learnt."""
        if y is None and self.config.net.classes:
            return label_energies(self.energy, x, self.config.net.classes).amin(1)
        return self.energy(x, y)

"""IGEBM: implicit generation with energy-based models (Y. Du, I. Mordatch, NeurIPS 2019, arXiv 1903.08689).

    p(x) ~ exp(-E(x)/T),    loss = mean E(x_pos) - mean E(x_neg) + alpha (mean E(x_pos)^2 + mean E(x_neg)^2)

x_neg are persistent chains from a replay buffer, 5 % of them restarted from uniform noise. One chain
step, in this order: add noise, take the gradient there, clip it, move, clamp. Drift and noise are set
apart, so the chain's temperature T = noise^2 / step_size is far below 1 (1.25e-6 as published).

Conditional models have E(x, y); their Z(y) is unknown, so E(x, y) says nothing of p(y). An ensemble
keeps past weights and steps through them in turn while sampling.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor, nn

from ..core.position import Position
from ..core.random import seeded_init
from ..core.records import Batch, Loss
from ..energies.link import link_energy
from ..mcmc.langevin import Langevin
from ..nets.build import build
from ..recipes.chain import ChainConfig
from ..recipes.igebm import IGEBMConfig
from .base import Handed, Leg, Plan, Standing, System
from .phases import (
    contrastive_loss,
    draw_labels,
    given,
    handed,
    label_energies,
    langevin,
    matched,
    negatives,
    noise_start,
    paired,
    positives,
    training_start,
)
from .stored import stored_chains


class IGEBM(System):
    """Energy network, replay buffer, Langevin chains with drift and noise set apart."""

    config: IGEBMConfig

    def __init__(self, config: IGEBMConfig, event_shape: tuple[int, ...], rng: torch.Generator) -> None:
        super().__init__()
        self.config, self.event_shape = config, tuple(event_shape)
        with seeded_init(rng):
            self.net = build(config.net, event_shape)
        self.past = nn.ModuleList(copy.deepcopy(self.net) for _ in range(config.ensemble.members))
        self.past.requires_grad_(False)
        self.remembered: Tensor
        self.register_buffer("remembered", torch.zeros((), dtype=torch.int64))
        self.fresh = noise_start(config.start, config.pixels, event_shape)
        self.chains = training_start(config.start, config.pixels, event_shape, config.net.classes, rng)
        self.temperature, self.matched = config.chain.temperature, matched(config.chain, config.start)
        self.additive = config.loss.additive

    def groups(self) -> dict[str, nn.Module]:
        """One group: the energy network."""
        return {"energy": self.net}

    def energy(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """E(x) or E(x, y), shape `(B,)`; the link turns the network's output into an energy."""
        return link_energy(-self._out(self.net, x, y), self.config.loss.link)

    def losses(self, batch: Batch, step: int, rng: torch.Generator) -> Iterator[tuple[str, Loss]]:
        """Contrast of data and persistent chains."""
        cfg, y = self.config, batch.y if self.config.net.classes else None
        if step and step % cfg.ensemble.every == 0:
            self._remember()
        ticket = self.chains.draw(len(batch), rng, batch=batch, y=y)
        y_neg = None if y is None else ticket.y
        kernel, energy = self._kernel(cfg.chain), given(self.energy, y_neg)
        neg = negatives(self, energy, kernel, ticket, cfg.chain.steps, rng, self.fresh)
        e_pos, e_neg = paired(
            self.energy, positives(batch, cfg.pixels, rng), neg.x, y, y_neg, precision=self.precision
        )
        yield "energy", contrastive_loss(e_pos, e_neg, cfg.loss, neg)
        self.chains.write(ticket, neg.chain.position)

    def plan(
        self, n: int, rng: torch.Generator, *, y: Tensor | None = None, steps: int | None = None
    ) -> Plan:
        """A chain from noise: one step each under past weights in turn, or all under the latest."""
        nets = self.past[: min(int(self.remembered), len(self.past))]
        if not len(nets):
            yield from self.latest(n, rng, y=y, steps=steps)
            return
        labels = draw_labels(n, y, self.config.net.classes, rng)
        kernel, position = self._kernel(self.config.sampling), self.fresh.draw(n, rng).position
        for k in range(steps or self.config.sampling.steps):
            energy = partial(self._past_energy, nets[k % len(nets)], labels)
            position = yield Leg(energy, kernel.from_step(k), 1, position)

    def latest(
        self, n: int, rng: torch.Generator, *, y: Tensor | None = None, steps: int | None = None
    ) -> Plan:
        """A plan from noise under the latest weights alone, with or without an ensemble."""
        energy = given(self.energy, draw_labels(n, y, self.config.net.classes, rng))
        chain, start = self.config.sampling, self.fresh.draw(n, rng).position
        yield Leg(energy, self._kernel(chain), steps or chain.steps, start)

    def continued(
        self, n: int, rng: torch.Generator, *, y: Tensor | None = None, steps: int | None = None
    ) -> Plan:
        """A plan that goes on from stored chains of the replay buffer, as the paper's own samples do."""
        chain, ticket = self.config.sampling, stored_chains(self.chains, n, rng, y)
        yield Leg(given(self.energy, ticket.y), self._kernel(chain), steps or chain.steps, ticket.position)

    def logits(self, x: Tensor) -> Tensor:
        """-E(x, y) of every class: Z(y) being unknown, they rank classes, and say nothing of p(y | x)."""
        if not self.config.net.classes:
            return super().logits(x)
        return -self._class_energies(x)

    def handed(self) -> Handed:
        """E with its temperature."""
        return handed(self.net, self.temperature, link=self.config.loss.link)

    def standing(self, x: Tensor, rng: torch.Generator, y: Tensor | None = None) -> Standing:
        """The latest weights' chain, with or without an ensemble."""
        leg = next(self.latest(len(x), rng, y=y))
        return Standing(leg.energy, self._kernel(self.config.sampling).from_step(leg.steps), x)

    def decode(self, position: Position) -> Tensor:
        """The position is the data."""
        return position if isinstance(position, Tensor) else position[0]

    def surprisal(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """E(x, y)/T, or min_y E(x, y)/T without a label; a log-density in x only if `matched`."""
        if y is None and self.config.net.classes:
            return self._class_energies(x).amin(1) / (self.temperature or 1.0)
        return self.energy(x, y) / (self.temperature or 1.0)

    def _class_energies(self, x: Tensor) -> Tensor:
        """E(x, y) of every label, `(B, classes)`: all at once where the network gives them all."""
        if self.config.net.head == "logits":
            return link_energy(self.net.logits(x), self.config.loss.link)  # type: ignore[operator]
        return label_energies(self.energy, x, self.config.net.classes)

    def _out(self, net: nn.Module, x: Tensor, y: Tensor | None) -> Tensor:
        out: Tensor = net(x) if y is None else net(x, y)
        return out

    def _past_energy(self, net: nn.Module, y: Tensor | None, x: Position) -> Tensor:
        return link_energy(-self._out(net, self.decode(x), y), self.config.loss.link)

    def _kernel(self, chain: ChainConfig) -> Langevin:
        return langevin(chain, self.config.pixels.low, self.config.pixels.high)

    def _remember(self) -> None:
        """Copy the weights of now over the oldest copy, once a step: micro-batches of one step share them."""
        kept, made = len(self.past), int(self.remembered)
        if kept and not (made and _same_weights(self.past[(made - 1) % kept], self.net)):
            self.past[made % kept].load_state_dict(self.net.state_dict())
            self.remembered += 1


def _same_weights(one: nn.Module, other: nn.Module) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))

"""Improved contrastive divergence (Y. Du, S. Li, J. Tenenbaum, I. Mordatch, ICML 2021, arXiv 2012.01316).

    loss =  mean E(x_pos) - mean E(x_neg) + alpha (mean E(x_pos)^2 + mean E(x_neg)^2)
          + a mean E'(x_K)  -  b mean log min_j |x_K - b_j|

x_K, the end of a chain, is a function of the weights. The first line, plain CD, holds it fixed as x_neg; the
second also moves the weights so that chains end where E is low (E' is E with its weights held) and apart from
the stored ends b_j (a nearest-neighbour estimate of the entropy). The gradient goes through the last step

    x_K = clamp(x_{K-1} - (s/2) grad E(x_{K-1}) + noise),    d x_K / d theta = -(s/2) d grad E / d theta

with x_{K-1} held, or through all steps; where a pixel is clamped it is 0. E' runs under `frozen`, where no
parameter asks for a gradient, so that only x_K leads to the weights.

Chains start from a reservoir, an even sample of all ends so far, and stored images are augmented before they
go on. An end does not replace the one it came from, so chains grow more slowly than in a replay buffer: among
t ends the mean one has about log t legs of K steps behind it. Augmented chains do not sample exp(-E/T), so
they are never `matched`. Nor are models whose sampler terms are on: at the data's law
these cancel for one ratio of their weights only (b = a D T), and bend E otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor, nn

from ..core.errors import UsageError
from ..core.position import Position, where
from ..core.random import seeded_init
from ..core.records import Batch, Loss
from ..data.augment import augment
from ..energies.link import link_energy
from ..mcmc.langevin import Langevin
from ..nets.multiscale import build_scales
from ..objectives.improved import entropy_term, kl_term
from ..recipes.chain import ChainConfig
from ..recipes.icd import ENOUGH, ICDConfig
from ..starts.base import Ticket
from ..starts.reservoir import ReservoirBuffer
from .base import Handed, Leg, Plan, System
from .frozen import frozen
from .graphed import Graphed, graphed_negatives
from .phases import (
    contrastive_loss,
    draw_labels,
    handed,
    langevin,
    matched,
    negatives,
    noise_start,
    paired,
    positives,
)


class ICD(System):
    """Energy network at one or more scales, reservoir of chain ends, sampler terms through the last step."""

    config: ICDConfig

    def __init__(self, config: ICDConfig, event_shape: tuple[int, ...], rng: torch.Generator) -> None:
        super().__init__()
        self.config, self.event_shape = config, tuple(event_shape)
        with seeded_init(rng):
            self.net = build_scales(config.net, event_shape, config.scales)
        self.fresh = noise_start(config.start, config.pixels, event_shape)
        self.chains = ReservoirBuffer(self.fresh, config.start.capacity, rng, reinit=config.start.reinit)
        self.temperature = config.chain.temperature
        plain = not (config.augment.on or config.trains_sampler)
        self.matched = matched(config.chain, config.start) and plain
        self.additive = config.loss.additive

    def groups(self) -> dict[str, nn.Module]:
        """One group: the energy network."""
        return {"energy": self.net}

    def energy(self, x: Position) -> Tensor:
        """E(x), shape `(B,)`; the link turns the network's output into an energy."""
        out: Tensor = self.net(self.decode(x))
        return link_energy(-out, self.config.loss.link)

    def losses(self, batch: Batch, step: int, rng: torch.Generator) -> Iterator[tuple[str, Loss]]:
        """Contrast of data and chain ends, with the sampler's terms."""
        cfg = self.config
        ticket = self.chains.draw(len(batch), rng)
        neg, x_end = self._negatives(self._augmented(ticket, rng), rng)
        x_pos = positives(batch, cfg.pixels, rng)
        e_pos, e_neg = paired(self.energy, x_pos, neg.x, precision=self.precision)
        yield "energy", contrastive_loss(e_pos, e_neg, cfg.loss, neg) + self._sampler_terms(x_end, rng)
        self.chains.write(ticket, neg.chain.position)

    def plan(
        self, n: int, rng: torch.Generator, *, y: Tensor | None = None, steps: int | None = None
    ) -> Plan:
        """A chain from noise; with `mix`, so many training legs come first, with augmentations after each."""
        draw_labels(n, y, 0, rng)
        yield from self._mixed(self.fresh.draw(n, rng).position, rng, steps)

    def continued(
        self, n: int, rng: torch.Generator, *, y: Tensor | None = None, steps: int | None = None
    ) -> Plan:
        """The same plan from stored chain ends; raises `UsageError` if fewer than `n` are stored."""
        draw_labels(n, y, 0, rng)
        if n > self.chains.filled:
            raise UsageError(
                f"asked for {n} chains of a buffer that holds {self.chains.filled}: take fewer, or use noise"
            )
        yield from self._mixed(self.chains.rows(n, rng), rng, steps)

    def handed(self) -> Handed:
        """E with its temperature."""
        return handed(self.net, self.temperature, link=self.config.loss.link)

    def decode(self, position: Position) -> Tensor:
        """The position is the data."""
        return position if isinstance(position, Tensor) else position[0]

    def surprisal(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """E(x)/T; a log-density in x only if `matched`."""
        draw_labels(len(x), y, 0, torch.Generator())
        return self.energy(x) / (self.temperature or 1.0)

    def _negatives(self, ticket: Ticket, rng: torch.Generator) -> Graphed:
        cfg, kernel, steps = self.config, self._kernel(self.config.chain), self.config.chain.steps
        if not cfg.trains_sampler:
            neg = negatives(self, self.energy, kernel, ticket, steps, rng, self.fresh)
            return Graphed(neg, neg.x[:0])
        return graphed_negatives(
            self, self.energy, kernel, ticket, steps, rng, self.fresh, through=cfg.through, first=cfg.kl_rows
        )

    def _sampler_terms(self, x_end: Tensor, rng: torch.Generator) -> Loss:
        cfg, total = self.config, Loss(x_end.new_zeros(()))
        if not len(x_end):
            return total
        if cfg.kl_weight:
            total = total + kl_term(self._held_energy(x_end), cfg.kl_weight)
        if cfg.entropy_weight and self.chains.filled >= min(ENOUGH, self.chains.capacity):
            total = total + entropy_term(x_end, self.chains.rows(cfg.neighbours, rng), cfg.entropy_weight)
        return total

    def _held_energy(self, x: Tensor) -> Tensor:
        """E'(x) with its graph to x and none to the weights."""
        bf16 = self.precision == "bf16"
        with frozen(self), torch.autocast(x.device.type, dtype=torch.bfloat16, enabled=bf16):
            return self.energy(x).to(x.dtype)

    def _augmented(self, ticket: Ticket, rng: torch.Generator) -> Ticket:
        """Stored chains change before they go on; fresh noise does not."""
        if not self.config.augment.on:
            return ticket
        changed = self._changed(ticket.position, rng)
        return replace(ticket, position=where(ticket.fresh, ticket.position, changed))

    def _changed(self, x: Position, rng: torch.Generator) -> Tensor:
        pixels = self.config.pixels
        return augment(self.decode(x), self.config.augment, rng, low=pixels.low, high=pixels.high)

    def _mixed(self, x: Position, rng: torch.Generator, steps: int | None) -> Plan:
        """`mix` legs as training makes them, an augmentation after each, then one leg without."""
        chain = self.config.chain
        for _ in range(self.config.mix):
            x = self._changed((yield Leg(self.energy, self._kernel(chain), chain.steps, x)), rng)
        last = self.config.sampling
        yield Leg(self.energy, self._kernel(last), steps or last.steps, x)

    def _kernel(self, chain: ChainConfig) -> Langevin:
        return langevin(chain, self.config.pixels.low, self.config.pixels.high)

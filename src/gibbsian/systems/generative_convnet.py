"""Generative ConvNet (J. Xie, Y. Lu, S.-C. Zhu, Y. N. Wu, ICML 2016, arXiv 1602.03264) and the study of
what its chains learn (E. Nijkamp et al., "On the anatomy of MCMC-based maximum likelihood learning of
energy-based models", AAAI 2020, arXiv 1903.12370).

    p(x) ~ exp(-E(x)/T) q(x),   q uniform on the data range or N(0, sigma^2 I)

With a Gaussian reference the chains, the loss's score of data and every use see E(x)/T + |x|^2/2 sigma^2:
the reference is added to E/T, never to a cold E. Chains begin at stored chains (persistent), at the data
(contrastive divergence), at fresh noise (short run) or at a fixed bank of noise.

Diagnostics of the study, logged at each step:  d = (E(x_pos) - E(x_neg)) / T, which should cross 0 both
ways, and v = mean |grad E| / T along the chains, which should settle. A cold chain (small noise) learns
short-run samplers; a warm one with persistent chains and a falling learning rate learns a density.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from ..core.errors import UsageError
from ..core.position import Position
from ..core.random import seeded_init
from ..core.records import Batch, Loss
from ..energies.algebra import Product, Tempered
from ..energies.link import link_energy
from ..energies.reference import GaussianReference
from ..mcmc.base import Kernel
from ..nets.build import build
from ..recipes.chain import ChainConfig
from ..recipes.generative_convnet import GenerativeConvNetConfig
from .base import Handed, Leg, Plan, System
from .phases import (
    contrastive_loss,
    handed,
    langevin,
    matched,
    negatives,
    noise_start,
    paired,
    positives,
    training_start,
)


class GenerativeConvNet(System):
    """Energy network times a reference measure, with the three chain starts."""

    config: GenerativeConvNetConfig

    def __init__(
        self, config: GenerativeConvNetConfig, event_shape: tuple[int, ...], rng: torch.Generator
    ) -> None:
        super().__init__()
        if config.net.classes:
            raise UsageError("the generative ConvNet is unconditional: set net.classes to 0, or use igebm")
        self.config, self.event_shape = config, tuple(event_shape)
        with seeded_init(rng):
            self.net = build(config.net, event_shape)
        self.fresh = noise_start(config.start, config.pixels, event_shape)
        self.chains = training_start(config.start, config.pixels, event_shape, 0, rng)
        self.matched = matched(config.chain, config.start)
        self.temperature = 1.0 if config.reference_sigma else config.chain.temperature
        self.additive = config.loss.additive

    def groups(self) -> dict[str, nn.Module]:
        """One group: the energy network."""
        return {"energy": self.net}

    def learnt(self, x: Position) -> Tensor:
        """The learnt part E(x), shape `(B,)`, at the temperature of the training chain."""
        return link_energy(-self.net(self.decode(x)), self.config.loss.link)

    def energy(self, x: Position) -> Tensor:
        """What chains move on: E(x), or E(x)/T + |x|^2/2 sigma^2 (then to be run at temperature 1)."""
        sigma = self.config.reference_sigma
        if not sigma:
            return self.learnt(x)
        cold = Tempered(self.learnt, self.config.chain.temperature)
        return Product((cold, GaussianReference(sigma)))(x)

    def losses(self, batch: Batch, step: int, rng: torch.Generator) -> Iterator[tuple[str, Loss]]:
        """Contrast of the learnt part; the reference has no parameters and falls out of the gradient."""
        cfg = self.config
        ticket = self.chains.draw(len(batch), rng, batch=batch)
        kernel = self._kernel(cfg.chain)
        neg = negatives(self, self.energy, kernel, ticket, cfg.chain.steps, rng, self.fresh)
        x_pos = positives(batch, cfg.pixels, rng)
        e_pos, e_neg = paired(self.learnt, x_pos, neg.x, precision=self.precision)
        loss = contrastive_loss(e_pos, e_neg, cfg.loss, neg)
        yield "energy", loss + Loss(torch.zeros(()), self._anatomy(loss))
        self.chains.write(ticket, neg.chain.position)

    def plan(
        self, n: int, rng: torch.Generator, *, y: Tensor | None = None, steps: int | None = None
    ) -> Plan:
        """A chain from fresh noise, as long as `sample` (or the training chain) says."""
        if y is not None:
            raise UsageError("the generative ConvNet has no labels: leave out the label")
        chain = self.config.sampling
        start = self.fresh.draw(n, rng).position
        yield Leg(self.energy, self._kernel(chain), steps or chain.steps, start)

    def handed(self) -> Handed:
        """E with the temperature of its chain, where there is no reference."""
        return handed(
            self.net,
            self.config.chain.temperature,
            link=self.config.loss.link,
            reference=self.config.reference_sigma,
        )

    def decode(self, position: Position) -> Tensor:
        """The position is the data."""
        return position if isinstance(position, Tensor) else position[0]

    def surprisal(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """E(x)/T + |x|^2/2 sigma^2: -log p(x) + const if `matched`; reference included."""
        return self.energy(x) / (self.temperature or 1.0)

    def _kernel(self, chain: ChainConfig) -> Kernel:
        """The same chain on E/T + reference: step s T, temperature and clip over T, noise as it was."""
        if self.config.reference_sigma:
            chain = chain.over(self.config.chain.temperature)
        return langevin(chain, self.config.pixels.low, self.config.pixels.high)

    def _anatomy(self, loss: Loss) -> dict[str, Tensor]:
        """d and v; the drift of a step is (s/2)|grad E| = (s T/2)|grad E/T|, s its mean where it falls."""
        s, t = self.config.chain.mean_step_size, self.config.chain.temperature or 1.0
        found = {"d": loss.metrics["energy_gap"] / t}
        return {**found, "v": 2 * loss.metrics["drift"] / (s * t)} if "drift" in loss.metrics else found

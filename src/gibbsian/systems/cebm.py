"""Conjugate EBM (H. Wu, B. Esmaeili, M. Wick, J.-B. Tristan, J.-W. van de Meent, ICML 2021, arXiv
2106.13798).

    p(x, z) ~ exp <t(x), eta(z)> p(z),    loss = mean E(x_pos) - mean E(x_neg) + alpha (mean E^2 of both)

An energy with a latent variable, but without a generator: the network gives sufficient statistics t(x), the
prior of z is conjugate to them, and so z is integrated out exactly. E(x) trains by persistent Langevin chains
as any energy does, and the posterior p(z | x) comes for free, in closed form (`energies/conjugate.py`).

The posterior belongs to exp(-E) at temperature 1. Chains of the paper are colder (2.8e-5), so what they
sample is a sharpened law of x; the posterior of a given x is not touched by that.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from ..core.errors import UsageError
from ..core.position import Position
from ..core.random import seeded_init
from ..core.records import Batch, Loss
from ..energies.conditional import Given
from ..energies.conjugate import Conjugate, GaussianPrior, MixturePrior, Point, Posterior, Prior
from ..mcmc.langevin import Langevin
from ..nets.vector import build_vector
from ..recipes.cebm import CEBMConfig
from ..recipes.chain import ChainConfig
from .base import Leg, Plan, System
from .frozen import frozen
from .phases import (
    contrastive_loss,
    draw_labels,
    langevin,
    matched,
    negatives,
    noise_start,
    paired,
    positives,
    training_start,
)


class CEBM(System):
    """Statistics network, conjugate prior, replay buffer, Langevin chains in data space."""

    config: CEBMConfig

    def __init__(self, config: CEBMConfig, event_shape: tuple[int, ...], rng: torch.Generator) -> None:
        super().__init__()
        self.config, self.event_shape = config, tuple(event_shape)
        with seeded_init(rng):
            statistics = build_vector(config.net, event_shape, 2 * config.latent)
        self.net = Conjugate(statistics, _prior(config, rng))
        self.fresh = noise_start(config.start, config.pixels, event_shape)
        self.chains = training_start(config.start, config.pixels, event_shape, 0, rng)
        self.temperature, self.matched = config.chain.temperature, matched(config.chain, config.start)
        self.additive = config.loss.additive

    def groups(self) -> dict[str, nn.Module]:
        """One group: the statistics network, with the prior where that is learnt."""
        return {"energy": self.net}

    def energy(self, x: Position) -> Tensor:
        """E(x) = -log int exp <t(x), eta(z)> p(z) dz, shape `(B,)`."""
        e: Tensor = self.net(self.decode(x))
        return e

    def losses(self, batch: Batch, step: int, rng: torch.Generator) -> Iterator[tuple[str, Loss]]:
        """Contrast of data and persistent chains on the marginal energy."""
        cfg = self.config
        ticket = self.chains.draw(len(batch), rng, batch=batch)
        neg = negatives(self, self.energy, self._kernel(cfg.chain), ticket, cfg.chain.steps, rng, self.fresh)
        x_pos = positives(batch, cfg.pixels, rng)
        e_pos, e_neg = paired(self.energy, x_pos, neg.x, precision=self.precision)
        yield "energy", contrastive_loss(e_pos, e_neg, cfg.loss, neg)
        self.chains.write(ticket, neg.chain.position)

    def plan(
        self, n: int, rng: torch.Generator, *, y: Tensor | None = None, steps: int | None = None
    ) -> Plan:
        """A chain on E(x) from fresh noise, as long as `sample` (or the training chain) says."""
        draw_labels(n, y, 0, rng)
        chain, start = self.config.sampling, self.fresh.draw(n, rng).position
        yield Leg(self.energy, self._kernel(chain), steps or chain.steps, start)

    def conditional(
        self,
        n: int,
        rng: torch.Generator,
        *,
        z: Tensor | None = None,
        y: Tensor | None = None,
        steps: int | None = None,
    ) -> Plan:
        """A chain on E(x | z) from fresh noise, for latents z `(n, L)` or one of `(1, L)` for all.

        Without z, latents are drawn from the prior. That is not the law of z under the model, which weighs
        them by the unknown Z(z); latents of data, `posterior(x).draw(rng)`, are the better ones to give.
        """
        draw_labels(n, y, 0, rng)
        z = self.net.prior.draw(n, rng) if z is None else z
        chain, start = self.config.sampling, self.fresh.draw(n, rng).position
        yield Leg(self.given(z), self._kernel(chain), steps or chain.steps, start)

    def decode(self, position: Position) -> Tensor:
        """The position is the data."""
        return position if isinstance(position, Tensor) else position[0]

    def surprisal(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """E(x)/T; -log p(x) + const with respect to dx only if `matched`."""
        draw_labels(len(x), y, 0, torch.Generator())
        return self.energy(x) / (self.temperature or 1.0)

    def given(self, z: Tensor) -> Given:
        """x -> E(x | z) = -<t(x), eta(z)>, for chains; z is `(B, L)`, or `(1, L)` for all chains.

        Raises `UsageError` for latents of another size.
        """
        if z.dim() != 2 or z.shape[1] != self.config.latent:
            raise UsageError(f"z has shape {tuple(z.shape)}: give (B, {self.config.latent})")
        return Given(self.net.conditional, z)

    @torch.no_grad()
    def posterior(self, x: Tensor) -> Posterior:
        """p(z | x) of data `(B, *event)`, exact at temperature 1: moments, responsibilities, draws."""
        found: Posterior = self.net.posterior(x)
        return found

    def latents(self, x: Tensor, kind: Point = "component", *, chunk: int = 1000) -> Tensor:
        """One latent a point, `(B, L)`, for use elsewhere; `chunk` points at a time, in eval mode.

        The posterior mean with a Gaussian prior. With a mixture, the mean of the likeliest component, as in
        the paper, or with `kind` "mean" that of the whole posterior.
        """
        with frozen(self):
            return torch.cat([self.posterior(part).point(kind) for part in x.split(chunk)])

    def _kernel(self, chain: ChainConfig) -> Langevin:
        return langevin(chain, self.config.pixels.low, self.config.pixels.high)


def _prior(config: CEBMConfig, rng: torch.Generator) -> Prior:
    if config.prior == "gaussian":
        return GaussianPrior(config.latent, learn=config.learn_prior)
    return MixturePrior(config.latent, config.components, rng=rng, learn=config.learn_prior)

"""VAEBM (Z. Xiao, K. Kreis, J. Kautz, A. Vahdat, ICLR 2021, arXiv 2010.00654): an energy that tilts a VAE.

    h(x, z) ~ p(z) p(x | z) exp(-E(x)),   so in x alone   h(x) ~ p_VAE(x) exp(-E(x))

Stage one trains the VAE by its ELBO (or with the total correlation weighed: beta-TC, FactorVAE). Stage two
freezes it and trains E by contrast: data against where chains on the VAE's own noise ended. With all noise
written as eps = (eps_z, eps_x) ~ N(0, I) and x = x(eps), the model is the law of x under

    U(eps) = E(x(eps)) + |eps|^2 / 2                                    (potential "reparametrised")

Chains begin at stored eps_z with a probability that grows to `buffer.share`, else at N(0, I); eps_x is always
fresh. For a hierarchy eps_z is a list, one a group (`nets.vae`).

The released code moves on E(x) - log p(z) - log p(x | z) at the pushed-forward point (potential "released"):
without the Jacobian of eps -> (z, x) it adds sum log sigma to U, which pulls chains to where the decoder is
sure; the log-density takes log sigma of x not below -2, the draw as it is.

With `energy_on` xz the energy is E([h(x), g(z)]), and h(x, z) ~ p(x, z) exp(-E(x, z)); data meet it with
z ~ q(z | x), so training fits the joint law q(z | x) p_data(x), not that of x alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import cast

import torch
from torch import Tensor, nn

from ..core.energy import Energy
from ..core.errors import UsageError
from ..core.position import Position, leaves
from ..core.random import seeded_init
from ..core.records import Batch, Loss
from ..energies.algebra import Product, Tempered
from ..energies.context import quadratic
from ..energies.latent import PullBack
from ..energies.link import link_energy
from ..nets.build import build
from ..nets.joint import JointNet
from ..nets.penalty import SpectralPenalty
from ..nets.vae import VAE
from ..recipes.latent import LatentConfig
from ..recipes.vaebm import VAEBMConfig
from ..starts.noise import GaussianNoise, NormalLeaves
from ..starts.replay import ReplayBuffer
from . import vae_stage
from .base import Leg, Plan, Planner, System
from .frozen import frozen
from .latent import latent_kernel
from .phases import contrastive_loss, negatives, paired, positives

CLAMPED = -2.0
"""Least log sigma of x in the released code's log-density."""
CHUNK = 1000


class VAEBM(System):
    """VAE, energy on what it draws, chains on its noise."""

    config: VAEBMConfig
    counted = ("vae.steps",)

    def __init__(self, config: VAEBMConfig, event_shape: tuple[int, ...], rng: torch.Generator) -> None:
        super().__init__()
        self.config, self.event_shape = config, tuple(event_shape)
        with seeded_init(rng):
            net = build(config.net, event_shape)
            self.vae = VAE(event_shape, config.vae, config.pixels.low, config.pixels.high)
            # After the VAE, so that energies on x and on (x, z) of one seed tilt the same one.
            self.net = net if config.energy_on == "x" else JointNet(net, config.vae.latent)
            self.steepness = SpectralPenalty(self.net)
            self.critic = vae_stage.critic(config.vae)
        self.noise = NormalLeaves(self.vae.shapes())
        self.chains = ReplayBuffer(GaussianNoise((config.vae.latent,)), config.buffer.capacity, rng)
        self.matched = config.potential == "reparametrised" and config.negatives == "sample"
        self.additive = config.loss.additive and config.vae.kind != "beta_tc"

    def groups(self) -> dict[str, nn.Module]:
        """The VAE, the energy, and the critic of the total correlation where there is one."""
        critic = {} if self.critic is None else {"critic": self.critic}
        return {"vae": self.vae, **critic, "energy": self.net}

    def stages(self) -> tuple[int, ...]:
        """Where the energy begins to learn."""
        return (self.config.vae.steps,)

    def rate(self, group: str, step: int) -> float:
        """The VAE's and the critic's own rate, which falls by a cosine to 0 over stage one."""
        return 1.0 if group == "energy" else vae_stage.rate(self.config.vae, step)

    def losses(self, batch: Batch, step: int, rng: torch.Generator) -> Iterator[tuple[str, Loss]]:
        """Stage one: the VAE, and its critic. Stage two: the energy."""
        x = positives(batch, self.config.pixels, rng)
        update = step - self.config.vae.steps
        if update >= 0:
            yield from self._contrast(x, update, rng)
        else:
            yield from vae_stage.losses(self.vae, self.critic, self.config.vae, x, step, rng)

    def energy(self, x: Position) -> Tensor:
        """E(x), or E(x, z) at the pair (x, z) with `energy_on` xz; shape `(B,)`."""
        return link_energy(-self.net(*leaves(x)), self.config.loss.link)

    def pushed(self, eps: Position) -> Position:
        """What the energy sees at noise (eps_1, ..., eps_L, eps_x): x, or (x, z)."""
        *eps_z, eps_x = leaves(eps)
        decoded = self.vae.decode(eps_z)
        return self._seen(self.vae.drawn(decoded, eps_x), decoded.z)

    def potential(self, beta: float = 1.0) -> Energy:
        """U on noise, which chains move on at temperature 1; the energy alone is multiplied by `beta`."""
        energy = self.energy if beta == 1 else Tempered(self.energy, 1 / beta)
        if self.config.potential == "reparametrised":
            return PullBack(energy, self.pushed)
        return Product((PullBack(energy, self.pushed, prior=False), self._without_jacobian))

    def _without_jacobian(self, eps: Position) -> Tensor:
        """-log p(z) - log p(x | z) at the pushed-forward point, up to a constant; shape `(B,)`."""
        *eps_z, eps_x = leaves(eps)
        decoded = self.vae.decode(eps_z)
        clamped = decoded.log_sigma.clamp(min=CLAMPED)
        of_x = 0.5 * (eps_x * (decoded.log_sigma - clamped).exp()).square() + clamped
        return quadratic(tuple(eps_z), 0.0, 1.0) + decoded.prior_log_sigma + of_x.flatten(1).sum(1)

    # -- drawing ------------------------------------------------------------------------------------

    def plan(
        self, n: int, rng: torch.Generator, *, y: Tensor | None = None, steps: int | None = None
    ) -> Plan:
        """A chain from N(0, I), as long as `sample` (or the training chain) says."""
        return self.drawn_by(self.config.sampling)(n, rng, y=y, steps=steps)

    def other_plans(self) -> dict[str, Planner]:
        """The VAE alone."""
        return {"vae": partial(self._plan, replace(self.config.sampling, beta=1.0), still=True)}

    @property
    def drawing(self) -> LatentConfig:
        """How samples are drawn."""
        return self.config.sampling

    def drawn_by(self, latent: LatentConfig) -> Planner:
        """A plan by other settings than the system's own."""
        return partial(self._plan, latent)

    def _plan(
        self,
        latent: LatentConfig,
        n: int,
        rng: torch.Generator,
        *,
        y: Tensor | None = None,
        steps: int | None = None,
        still: bool = False,
    ) -> Plan:
        if y is not None:
            raise UsageError("VAEBM has no labels: leave out the label")
        start = self.noise.draw(n, rng).position
        yield Leg(
            self.potential(latent.beta), latent_kernel(latent), 0 if still else steps or latent.steps, start
        )

    def continued(
        self, n: int, rng: torch.Generator, *, y: Tensor | None = None, steps: int | None = None
    ) -> Plan:
        """A plan that goes on from stored noise of the latents, as training does, with fresh noise of x."""
        if y is not None:
            raise UsageError("VAEBM has no labels: leave out the label")
        order = torch.randperm(self.chains.capacity, generator=rng, device=rng.device)
        used = order[self.chains.age[order] > 0]
        if n > len(used):
            raise UsageError(f"asked for {n} chains of {len(used)} that training stored: take fewer")
        latent, (stored, _) = self.config.sampling, self.chains.contents(used[:n])
        start = (*self.vae.split(stored), self.noise.draw(n, rng).position[-1])
        yield Leg(self.potential(latent.beta), latent_kernel(latent), steps or latent.steps, start)

    @torch.no_grad()
    def decode(self, position: Position) -> Tensor:
        """The decoder's mean at the noise of the latents, or its draw, as `output` says."""
        draw = self.vae.push if self.config.output == "sample" else self._means
        parts = zip(*(leaf.split(CHUNK) for leaf in leaves(position)), strict=True)
        return torch.cat([draw(part) for part in parts])

    def surprisal(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """-ELBO(x) + E(x) in nats, -log h(x) up to log Z and the slack of the bound.

        The ELBO's expectation under q(z | x) is taken at q's means, so that a point has one number whatever
        its batch; with an energy on (x, z) so is E's.
        """
        if y is not None:
            raise UsageError("VAEBM has no labels: leave out the label")
        found = vae_stage.bound(self.vae, x)
        return found.nll + found.kl + self.energy(self._seen(x, found.z))

    def latents(self, x: Tensor, *, chunk: int = CHUNK) -> Tensor:
        """Posterior means of the noise of all groups side by side, `(B, latent)`, for use elsewhere."""
        with frozen(self), torch.no_grad():
            return torch.cat([torch.cat(self.vae.encode(part).mean, 1) for part in x.split(chunk)])

    def own_measures(self, x: Tensor, rng: torch.Generator) -> dict[str, float]:
        """The VAE's ELBO of data `x`, in nats a point."""
        with frozen(self):
            return {"elbo": vae_stage.elbo(self.vae, x, rng)}

    def _contrast(self, x: Tensor, update: int, rng: torch.Generator) -> Iterator[tuple[str, Loss]]:
        """An update of stage two: data against chain ends, with the penalty on the energy's steepness."""
        cfg = self.config
        self.vae.eval()
        self.chains.reinit = 1 - cfg.buffer.probability(update)
        ticket = self.chains.draw(len(x), rng)
        eps_x = torch.randn(x.shape, generator=rng, device=x.device)
        start = replace(ticket, position=(*self.vae.split(cast(Tensor, ticket.position)), eps_x))
        neg = negatives(
            self, self.potential(), latent_kernel(cfg.chain), start, cfg.chain.steps, rng, self.noise
        )
        with torch.no_grad():
            x_pos, x_neg = self._data(x, rng), self._ends(neg.x)
        e_pos, e_neg = paired(self.energy, x_pos, x_neg, precision=self.precision)
        loss = contrastive_loss(e_pos, e_neg, cfg.loss, neg, latent=True)
        if cfg.spectral:
            size = self.steepness(self.net)
            loss = loss + Loss(cfg.spectral * size, {"spectral": size.detach()})
        yield "energy", loss
        self.chains.write(ticket, torch.cat(leaves(neg.chain.position)[:-1], 1))

    def _data(self, x: Tensor, rng: torch.Generator) -> Position:
        """What the energy sees of data: x, with z drawn from q(z | x) where it looks at pairs."""
        return x if self.config.energy_on == "x" else (x, vae_stage.bound(self.vae, x, rng).z)

    def _ends(self, eps: Position) -> Position:
        """What the energy sees at chain ends: the decoder's draws or its means."""
        if self.config.negatives == "sample":
            return self.pushed(eps)
        decoded = self.vae.decode(leaves(eps)[:-1])
        return self._seen(decoded.mean, decoded.z)

    def _seen(self, x: Tensor, z: Tensor) -> Position:
        return x if self.config.energy_on == "x" else (x, z)

    def _means(self, eps: Position) -> Tensor:
        return self.vae.mean(leaves(eps)[:-1])

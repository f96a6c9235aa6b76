"""A VAE tilted by an energy (Z. Xiao, K. Kreis, J. Kautz, A. Vahdat, ICLR 2021, arXiv 2010.00654).

    h(x, z) ~ p(z) p(x | z) exp(-E(x)),   so in x alone   h(x) ~ p_VAE(x) exp(-E(x))

With all noise written as eps = (eps_z, eps_x) ~ N(0, I) and x = x(eps), the model is the distribution of x
under

    U(eps) = E(x(eps)) + |eps|^2 / 2                                    (potential "reparametrised")

For a hierarchy eps_z is a list, one a group (`nets.vae`). The released code moves on E(x) - log p(z) -
log p(x | z) at the pushed-forward point (potential "released"): without the Jacobian of eps -> (z, x) it adds
sum log sigma to U, which pulls chains to where the decoder is sure; the log-density takes log sigma of x not
below -2, the draw as it is.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import torch
from torch import Tensor, nn

from ...core.energy import Energy
from ...core.position import Position, leaves
from ...core.spec import DataSpec
from ...energies.algebra import Product
from ...energies.context import quadratic, single
from ...energies.latent import PullBack
from ...energies.link import link_energy
from ...mcmc.settings import LatentConfig
from ...nets.frozen import frozen
from ...nets.vae import VAE
from ...starts.noise import NormalLeaves
from ..latent import LatentSampler, sharpened
from ..model import EnergyModel
from . import vae_stage
from .config import VAEBMConfig

CLAMPED = -2.0
"""Least log sigma of x in the released code's log-density."""
CHUNK = 1000


class TiltedVAE(EnergyModel):
    """VAE, energy on what it draws, chains on its noise.

    Args:
        net: takes x, or x and z where `config.energy_on` is xz; its output is E with the usual link.
        vae: decodes the noise of its latents and of x.
        spec: shape and range of the data, without labels.
        config: what the energy sees, its potential, and how samples are drawn.
    """

    one_latent = False
    section = "latent"

    def __init__(self, net: nn.Module, vae: VAE, spec: DataSpec, config: VAEBMConfig) -> None:
        super().__init__(spec)
        self.vae, self.net, self.config = vae, net, config
        self.noise = NormalLeaves(vae.shapes())
        self.samplers["default"] = self.sampler_with(config.sampling)
        self.samplers["vae"] = LatentSampler(self, replace(config.sampling, beta=1.0), moves=False)

    def energy(self, x: Position, y: Tensor | None = None) -> Tensor:
        """E(x), shape `(B,)`; of an energy on (x, z) E(x, z) at the VAE's mean code of x."""
        self.spec.refuse_labels(y)
        x = single(x)
        return self.energy_of_seen(x if self.config.energy_on == "x" else (x, vae_stage.bound(self.vae, x).z))

    def energy_of_seen(self, seen: Position) -> Tensor:
        """E at what the energy sees: x, or the pair (x, z); shape `(B,)`."""
        return link_energy(-self.net(*leaves(seen)), self.config.loss.link)

    def neg_log_prob(self, x: Position, y: Tensor | None = None) -> Tensor:
        """-ELBO(x) + E(x) in nats, -log h(x) up to log Z and the slack of the bound.

        The ELBO's expectation under q(z | x) is taken at q's means, so that a point has one number whatever
        its batch; with an energy on (x, z) so is E's.
        """
        self.spec.refuse_labels(y)
        x = single(x)
        found = vae_stage.bound(self.vae, x)
        return found.nll + found.kl + self.energy_of_seen(self.seen(x, found.z))

    def latents(self, x: Tensor, *, chunk: int = CHUNK) -> Tensor:
        """Posterior means of the noise of all groups side by side, `(B, latent)`, for use elsewhere."""
        with frozen(self), torch.no_grad():
            return torch.cat([torch.cat(self.vae.encode(part).mean, 1) for part in x.split(chunk)])

    def extra_metrics(self, x: Tensor, rng: torch.Generator) -> dict[str, float]:
        """The VAE's ELBO of data `x`, in nats a point."""
        with frozen(self):
            return {"elbo": vae_stage.elbo(self.vae, x, rng)}

    # -- drawing ------------------------------------------------------------------------------------

    @property
    def latent(self) -> LatentConfig:
        """How samples are drawn."""
        return self.config.sampling

    def sampler_with(self, latent: LatentConfig) -> LatentSampler:
        """Noise by other settings than the model's own."""
        return LatentSampler(self, latent)

    def pushed(self, eps: Position) -> Position:
        """What the energy sees at noise (eps_1, ..., eps_L, eps_x): x, or (x, z)."""
        *eps_z, eps_x = leaves(eps)
        decoded = self.vae.decode(eps_z)
        return self.seen(self.vae.drawn(decoded, eps_x), decoded.z)

    def seen(self, x: Tensor, z: Tensor) -> Position:
        """x, or (x, z)."""
        return x if self.config.energy_on == "x" else (x, z)

    def energy_on_latents(self, beta: float = 1.0) -> PullBack:
        """beta E at the pushed-forward point, without the prior of the noise."""
        return PullBack(sharpened(self.energy_of_seen, beta), self.pushed, prior=False)

    def potential(self, beta: float = 1.0) -> Energy:
        """U on noise, which chains move on at temperature 1; the energy alone is multiplied by `beta`."""
        if self.config.potential == "reparametrised":
            return PullBack(sharpened(self.energy_of_seen, beta), self.pushed)
        return Product((self.energy_on_latents(beta), self._without_jacobian))

    def _without_jacobian(self, eps: Position) -> Tensor:
        """-log p(z) - log p(x | z) at the pushed-forward point, up to a constant; shape `(B,)`."""
        *eps_z, eps_x = leaves(eps)
        decoded = self.vae.decode(eps_z)
        clamped = decoded.log_sigma.clamp(min=CLAMPED)
        of_x = 0.5 * (eps_x * (decoded.log_sigma - clamped).exp()).square() + clamped
        return quadratic(tuple(eps_z), 0.0, 1.0) + decoded.prior_log_sigma + of_x.flatten(1).sum(1)

    def prior(self, n: int, rng: torch.Generator) -> Position:
        """Noise of all latents and of x, N(0, I)."""
        return self.noise.draw(n, rng).position

    @torch.no_grad()
    def generated(self, position: Position) -> Tensor:
        """The decoder's mean at the noise of the latents, or its draw, as `output` says."""
        draw = self.vae.push if self.config.output == "sample" else self._means
        parts: Iterable[tuple[Tensor, ...]] = zip(
            *(leaf.split(CHUNK) for leaf in leaves(position)), strict=True
        )
        return torch.cat([draw(part) for part in parts])

    def _means(self, eps: Position) -> Tensor:
        return self.vae.mean(leaves(eps)[:-1])

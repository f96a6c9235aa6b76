"""VAEBM (Z. Xiao, K. Kreis, J. Kautz, A. Vahdat, ICLR 2021, arXiv 2010.00654): an energy that tilts a VAE.

Stage one trains the VAE by its ELBO (or with the total correlation weighed: beta-TC, FactorVAE). Stage two
freezes it and trains E by contrast: data against where chains on the VAE's own noise ended (see `model.py`).
Chains begin at stored eps_z with a probability that grows to `buffer.share`, else at N(0, I); eps_x is always
fresh. Ends return to the slots that their chains were drawn from (the released code: a queue of the newest
ends). E sees data in their range, [-1, 1] for images (there: [0, 1]).

With `energy_on` xz the energy is E([h(x), g(z)]), and h(x, z) ~ p(x, z) exp(-E(x, z)); data meet it with
z ~ q(z | x), so training fits the joint distribution q(z | x) p_data(x), not that of x alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import cast

import torch
from torch import Tensor, nn

from ...core.errors import UsageError
from ...core.position import Position, leaves
from ...core.random import seeded_init
from ...core.records import Batch, Loss
from ...core.spec import DataSpec
from ...mcmc.kernels import kernel_of
from ...nets.joint import JointNet
from ...nets.penalty import SpectralPenalty
from ...nets.vae import VAE
from ...starts.noise import GaussianNoise
from ...starts.replay import ReplayBuffer
from ..contrastive import chain_ends, contrastive_loss, energies_of_both
from ..data_noise import noised_data
from ..latent import LatentSampler
from ..learner import Learner
from ..networks import energy_net
from ..sampler import Sampler
from . import vae_stage
from .config import VAEBMConfig
from .model import TiltedVAE


def build(
    config: VAEBMConfig, event_shape: tuple[int, ...], rng: torch.Generator, net: nn.Module | None = None
) -> VAEBM:
    """The learner of a VAE and an energy on what it draws."""
    spec = DataSpec(event_shape, config.pixels.low, config.pixels.high)
    with seeded_init(rng):
        net = energy_net(config.net, spec, net)
        vae = VAE(event_shape, config.vae, spec.low, spec.high)
        # After the VAE, so that energies on x and on (x, z) of one seed refine the same one.
        net = net if config.energy_on == "x" else JointNet(net, config.vae.latent)
        steepness = SpectralPenalty(net)
        critic = vae_stage.critic(config.vae)
    model = TiltedVAE(net, vae, spec, config)
    buffer = ReplayBuffer(GaussianNoise((config.vae.latent,)), config.buffer.capacity, rng)
    return VAEBM(config, model, buffer, steepness, critic)


class VAEBM(Learner):
    """Stage one: the VAE, and its critic. Stage two: the energy."""

    config: VAEBMConfig
    model: TiltedVAE

    def __init__(
        self,
        config: VAEBMConfig,
        model: TiltedVAE,
        buffer: ReplayBuffer,
        steepness: SpectralPenalty,
        critic: nn.Module | None,
    ) -> None:
        super().__init__(config, model)
        self.buffer, self.steepness, self.critic = buffer, steepness, critic
        self.mean_reduced = config.loss.mean_reduced and config.vae.kind != "beta_tc"

    def parameter_groups(self) -> dict[str, nn.Module]:
        """The VAE, the energy, and the critic of the total correlation where there is one."""
        critic = {} if self.critic is None else {"critic": self.critic}
        return {"vae": self.model.vae, **critic, "energy": self.model.net}

    def milestones(self) -> tuple[int, ...]:
        """Where the energy begins to learn."""
        return (self.config.vae.steps,)

    def lr_multiplier(self, group: str, step: int) -> float:
        """The VAE's and the critic's own rate, which falls by a cosine to 0 over stage one."""
        return 1.0 if group == "energy" else vae_stage.lr_multiplier(self.config.vae, self.planned(step))

    def samplers(self) -> dict[str, Sampler]:
        """Chains that go on from stored noise of the latents, as training does, with fresh noise of x."""
        return {"buffer": LatentSampler(self.model, self.config.sampling, start=self._stored)}

    def losses(self, batch: Batch, step: int, rng: torch.Generator) -> Iterator[tuple[str, Loss]]:
        """The losses of the stage that an update belongs to."""
        x, step = noised_data(batch, self.config.pixels, rng), self.planned(step)
        update = step - self.config.vae.steps
        if update >= 0:
            yield from self._contrast(x, update, rng)
        else:
            yield from vae_stage.losses(self.model.vae, self.critic, self.config.vae, x, step, rng)

    def _stored(self, n: int, rng: torch.Generator) -> Position:
        """`n` starts of stored noise."""
        order = torch.randperm(self.buffer.capacity, generator=rng, device=rng.device)
        used = order[self.buffer.age[order] > 0]
        if n > len(used):
            raise UsageError(f"asked for {n} chains of {len(used)} that training stored: take fewer")
        stored, _ = self.buffer.contents(used[:n])
        return (*self.model.vae.split(stored), self.model.prior(n, rng)[-1])

    def _contrast(self, x: Tensor, update: int, rng: torch.Generator) -> Iterator[tuple[str, Loss]]:
        """An update of stage two: data against chain ends, with the penalty on the energy's steepness."""
        cfg, model = self.config, self.model
        model.vae.eval()
        self.buffer.reinit = 1 - cfg.buffer.probability(update)
        drawn = self.buffer.draw(len(x), rng)
        eps_x = torch.randn(x.shape, generator=rng, device=x.device)
        start = replace(drawn, position=(*model.vae.split(cast(Tensor, drawn.position)), eps_x))
        ends = chain_ends(
            model,
            start,
            kernel_of(cfg.chain),
            cfg.chain.steps,
            rng,
            self.options,
            energy=model.potential(),
            init_noise=model.noise,
        )
        with torch.no_grad():
            x_pos, x_neg = self._data(x, rng), self._ends(ends.x)
        e_pos, e_neg = energies_of_both(model.energy_of_seen, x_pos, x_neg, precision=self.options.precision)
        loss = contrastive_loss(e_pos, e_neg, cfg.loss, ends, latent=True)
        if cfg.spectral:
            size = self.steepness(model.net)
            loss = loss + Loss(cfg.spectral * size, {"spectral": size.detach()})
        if cfg.l2:
            squared = torch.stack([p.square().sum() for p in model.net.parameters()]).sum()
            loss = loss + Loss(cfg.l2 / 2 * squared)
        yield "energy", loss
        self.buffer.write(drawn, torch.cat(leaves(ends.raw)[:-1], 1))

    def _data(self, x: Tensor, rng: torch.Generator) -> Position:
        """What the energy sees of data: x, with z drawn from q(z | x) where it looks at pairs."""
        return x if self.config.energy_on == "x" else (x, vae_stage.bound(self.model.vae, x, rng).z)

    def _ends(self, eps: Position) -> Position:
        """What the energy sees at chain ends: the decoder's draws or its means."""
        if self.config.negatives == "sample":
            return self.model.pushed(eps)
        decoded = self.model.vae.decode(leaves(eps)[:-1])
        return self.model.seen(decoded.mean, decoded.z)

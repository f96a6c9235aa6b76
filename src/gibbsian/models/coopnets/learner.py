"""Cooperative networks (J. Xie et al., AAAI 2018; J. Xie et al., IEEE TPAMI 42, 2020, arXiv 1609.09408).

    energy      p(x) ~ exp(-E(x)/T) q(x),   q uniform or N(0, s^2 I)
    generator   x = g(z) + sigma eps,       z ~ N(0, I)

    z ~ N(0, I)  ->  x_0 = g(z)  ->  K Langevin steps on the energy  ->  x_K
    energy:     mean E(x_pos) - mean E(x_K)
    generator:  mean |x_K - g(z)|^2 / 2 sigma^2                 with the same z that began the chain

The generator starts the chains near their end and learns what the chains did; the energy learns from where
they ended. With `infer_steps` z first moves towards its posterior given x_K, exp(-|x_K - g(z)|^2 / 2 sigma^2
- |z|^2 / 2), which makes the generator's step one of maximum likelihood on the refined points.

No density is claimed, whatever the chain: g(z) regresses to the *mean* of x_K given z, so it sheds the
chain's noise at every update. The pair rests where the mean drift vanishes, not where drift and noise are in
balance: with a quadratic E and a linear g on Gaussian data that is a flat E, and a generator narrower than
the data by what K steps of noise add. E ranks and refines.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from ...core.position import finite, where
from ...core.random import seeded_init
from ...core.records import Batch, Loss
from ...core.spec import DataSpec
from ...energies.latent import PullBack
from ...energies.reference import GaussianReference, Tether
from ...mcmc.base import run
from ...mcmc.langevin import Langevin
from ...nets.frozen import frozen
from ...nets.generator import build_generator
from ...starts.base import BufferSample, all_restarted
from ..chain_sampler import ChainSampler, Unmoved, chain_kernel
from ..contrastive import ChainEnds, chain_ends, contrastive_loss, energies_of_both
from ..data_noise import noised_data
from ..generated_energy import Generated, GeneratedEnergy
from ..learner import Learner
from ..net_energy import NetEnergy
from ..networks import energy_net
from .config import CoopNetsConfig


def build(
    config: CoopNetsConfig, event_shape: tuple[int, ...], rng: torch.Generator, net: nn.Module | None = None
) -> CoopNets:
    """The learner of an energy network and the generator that starts its chains."""
    spec = DataSpec(event_shape, config.pixels.low, config.pixels.high)
    with seeded_init(rng):
        net = energy_net(config.net, spec, net)
        generator = build_generator(config.generator, event_shape, spec.low, spec.high)
    base = GaussianReference(config.reference_sigma) if config.reference_sigma else None
    temperature = config.chain.temperature
    of_data = NetEnergy(net, spec, temperature=temperature, link=config.loss.link, base=base)
    model = GeneratedEnergy(of_data, generator)
    kernel = chain_kernel(model, config.sampling)
    start = Generated(model, GeneratorPoints(generator, config.sigma if config.noisy_start else 0.0))
    model.samplers["default"] = ChainSampler(model, kernel, config.sampling.steps, start)
    model.samplers["base"] = Unmoved(model, kernel, 0, start)
    return CoopNets(config, model, start)


@dataclass(frozen=True)
class GeneratorPoints:
    """Points g(z) + sigma eps where chains begin."""

    generator: nn.Module
    sigma: float

    def __call__(self, n: int, rng: torch.Generator) -> Tensor:
        return self.noised(self.generator(self.prior(n, rng)), rng)

    def prior(self, n: int, rng: torch.Generator) -> Tensor:
        """Latents N(0, I), shape `(n, latent)`."""
        return torch.randn(n, cast(int, self.generator.latent), generator=rng, device=rng.device)

    def noised(self, x: Tensor, rng: torch.Generator) -> Tensor:
        """`x` with the noise of the start, where it has any."""
        if not self.sigma:
            return x
        return x + self.sigma * torch.randn(x.shape, generator=rng, device=x.device)


class CoopNets(Learner):
    """The energy against the refined points; the generator towards them, from the same latents."""

    config: CoopNetsConfig
    model: GeneratedEnergy

    def __init__(self, config: CoopNetsConfig, model: GeneratedEnergy, start: Generated) -> None:
        super().__init__(config, model)
        self.start, self.kernel = start, chain_kernel(model, config.chain)
        self.mean_reduced = config.loss.mean_reduced

    def parameter_groups(self) -> dict[str, nn.Module]:
        """The energy, then the generator."""
        return {"energy": self.model.net, "base": self.model.generator}

    def lr_multiplier(self, group: str, step: int) -> float:
        """`base_rate` for the generator."""
        return self.config.base_rate if group == "base" else 1.0

    def losses(self, batch: Batch, step: int, rng: torch.Generator) -> Iterator[tuple[str, Loss]]:
        """One update of each."""
        cfg, generator, points = self.config, self.model.generator, cast(GeneratorPoints, self.start.draws)
        z = points.prior(len(batch), rng)
        made = generator(z)
        begin = BufferSample(points.noised(made.detach(), rng), None, None, all_restarted(len(batch), rng))
        ends = chain_ends(
            self.model, begin, self.kernel, cfg.chain.steps, rng, self.options, init_noise=self.start
        )
        x_pos = noised_data(batch, cfg.pixels, rng)
        e_pos, e_neg = energies_of_both(self.model.energy, x_pos, ends.x, precision=self.options.precision)
        yield "energy", contrastive_loss(e_pos, e_neg, cfg.loss, ends)
        if cfg.infer_steps:
            made = generator(self.inferred(z, ends.x, rng))
        yield "base", self._regression(made, ends)

    def inferred(self, z: Tensor, x: Tensor, rng: torch.Generator) -> Tensor:
        """z `(B, latent)` after `infer_steps` towards its posterior given x `(B, *event)`.

        Latents whose chain left the finite world stay where they were.
        """
        cfg = self.config
        posterior = PullBack(Tether(x, cfg.sigma), self.model.generator)
        with frozen(self.model):
            chain = run(
                Langevin(cfg.infer_step_size), posterior, z, steps=cfg.infer_steps, rng=rng, evaluate=False
            )
        return cast(Tensor, where(finite(chain.position), chain.position, z))

    def _regression(self, made: Tensor, ends: ChainEnds) -> Loss:
        """Half the squared error of g(z) against the refined points, in units of sigma^2.

        Chains that had to be drawn anew no longer belong to their z, and teach nothing.
        """
        square = (ends.x - made).square().flatten(1).sum(1) * ~ends.bad
        return Loss(square.mean() / (2 * self.config.sigma**2), {"distance": square.detach().sqrt().mean()})

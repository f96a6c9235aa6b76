"""Adversarial contrastive divergence: the sampler of an energy is a generator with an entropy term.

    min_E max_q  V = E_pos[E(x)] - E_q[E(x)] + w H(q),       q: x = g(z) + sigma eps,  z ~ N(0, I)

    energy:     mean E(x_pos) - mean E(x_gen) + penalty on the slope of E
    generator:  mean E(x_gen) - w H(q),    gradient of H by the score identity (`objectives.entropy`)
    width:      of the latents that estimate the score, by VERA's evidence bound

For a fixed E the best q is exp(-E/w)/Z, where -E_q[E] + w H(q) = w log Z; what the energy then descends is
-w log p(x_pos) of p ~ exp(-E/w). So the temperature is w: no chain, but the same contrast as in maximum
likelihood, with x_gen for its negatives. The model claims a density where nothing else bends E: w > 0 and no
penalty. That does not say how near q came to p, which a network and an estimated score limit; where chains
started at the generator (`refine`, or `sample --kernel mala`) move its points far, E/w is not yet their
log-density.

With w = 0 there is no entropy, no likelihood and no temperature: the plain adversarial game. The log's
`value_function` is -V, mean E_q - mean E_pos, as of every paper: the energy ascends it. The entropy is what
keeps q from falling onto the minima of E.

Sources: T. Kim, Y. Bengio, 2016, arXiv 1606.03439; Z. Dai et al., "Exponential family estimation via
adversarial dynamics embedding", NeurIPS 2019, arXiv 1904.12083; VERA, W. Grathwohl et al., ICLR 2021,
arXiv 2010.04230.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import cast

import torch
from torch import Tensor, nn

from ...core.random import seeded_init
from ...core.records import Batch, Loss
from ...core.spec import DataSpec
from ...nets.frozen import frozen
from ...nets.generator import build_generator
from ...objectives.contrast import contrast
from ...objectives.divergence import gradient_penalty
from ...objectives.entropy import entropy_slope, score, width_loss
from ..chain_sampler import ChainSampler, Unmoved
from ..chains import langevin
from ..contrastive import energies_of_both
from ..data_noise import noised_data
from ..generated_energy import Generated, GeneratedEnergy
from ..learner import Learner
from ..net_energy import NetEnergy
from ..networks import energy_net
from .config import ACDConfig


class Noisy(nn.Module):
    """x = g(z) + sigma eps with a learnt sigma in [low, high]: one group, one optimiser."""

    def __init__(self, mean: nn.Module, sigma: float, low: float, high: float) -> None:
        super().__init__()
        self.mean, self.bounds = mean, (math.log(low), math.log(high))
        self.log_sigma = nn.Parameter(torch.tensor(math.log(sigma)))

    @property
    def sigma(self) -> Tensor:
        """Standard deviation of the noise, a scalar with its graph."""
        return self.log_sigma.clamp(*self.bounds).exp()

    def forward(self, z: Tensor, eps: Tensor) -> Tensor:
        x: Tensor = self.mean(z) + self.sigma * eps
        return x

    @torch.no_grad()
    def project(self) -> None:
        """Bring sigma back into its range, where it has a gradient."""
        self.log_sigma.clamp_(*self.bounds)


class Width(nn.Module):
    """The spread of the latents that estimate the score, `(latent,)`, as its logarithm."""

    def __init__(self, latent: int, width: float) -> None:
        super().__init__()
        self.log_width = nn.Parameter(torch.full((latent,), math.log(width)))

    def forward(self) -> Tensor:
        return self.log_width.exp()


def build(
    config: ACDConfig, event_shape: tuple[int, ...], rng: torch.Generator, net: nn.Module | None = None
) -> ACD:
    """The learner of an energy, a generator with noise, and the width of the entropy's estimate."""
    spec, w = DataSpec(event_shape, config.pixels.low, config.pixels.high), config.entropy_weight
    with seeded_init(rng):
        net = energy_net(config.net, spec, net)
        mean = build_generator(config.generator, event_shape, spec.low, spec.high)
    generator = Noisy(mean, config.sigma, config.sigma_low, config.sigma_high)
    model = GeneratedEnergy(NetEnergy(net, spec, temperature=w), generator)
    # A refining chain has the temperature of the density: its noise follows from w.
    chain = replace(config.chain, noise=math.sqrt(w * config.chain.step_size)) if w else config.chain
    start = Generated(model, Points(generator, spec.event_shape, config.output == "sample"))
    kernel, steps = langevin(chain, spec), chain.steps if config.refine else 0
    model.samplers["default"] = ChainSampler(model, kernel, steps, start)
    if config.refine:
        model.samplers["base"] = Unmoved(model, kernel, 0, start)
    return ACD(config, model)


@dataclass(frozen=True)
class Points:
    """Points of the generator, with its noise or without."""

    generator: Noisy
    event_shape: tuple[int, ...]
    noisy: bool

    def __call__(self, n: int, rng: torch.Generator) -> Tensor:
        z, eps = drawn(self.generator, self.event_shape, n, rng)
        return self.generator(z, eps if self.noisy else 0 * eps)


def drawn(
    generator: Noisy, event_shape: tuple[int, ...], n: int, rng: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Latents `(n, latent)` and noise `(n, *event)` of the generator, all N(0, 1)."""
    z = torch.randn(n, cast(int, generator.mean.latent), generator=rng, device=rng.device)
    return z, torch.randn(n, *event_shape, generator=rng, device=rng.device)


class ACD(Learner):
    """One update of the energy; where its turn has come, one of the generator, and of the width."""

    config: ACDConfig
    model: GeneratedEnergy

    def __init__(self, config: ACDConfig, model: GeneratedEnergy) -> None:
        super().__init__(config, model)
        self.width = Width(cast(int, self.generator.mean.latent), config.width)

    @property
    def generator(self) -> Noisy:
        """The model's generator."""
        return cast(Noisy, self.model.generator)

    def parameter_groups(self) -> dict[str, nn.Module]:
        """The energy, the generator, and with an entropy the width of its estimate."""
        width = {"width": self.width} if self.config.entropy_weight else {}
        return {"energy": self.model.net, "base": self.generator, **width}

    def lr_multiplier(self, group: str, step: int) -> float:
        """`base_rate` for the generator, `width_rate` for the width."""
        return {"base": self.config.base_rate, "width": self.config.width_rate}.get(group, 1.0)

    def losses(self, batch: Batch, step: int, rng: torch.Generator) -> Iterator[tuple[str, Loss]]:
        """The losses whose turn it is, on one draw of the generator (as in VERA's code)."""
        x_pos = noised_data(batch, self.config.pixels, rng)
        z, eps = drawn(self.generator, self.model.spec.event_shape, len(batch), rng)
        yield "energy", self._energy_loss(x_pos, z, eps, rng)
        if (step + 1) % self.config.energy_steps:
            return
        yield "base", self._base_loss(x_pos, z, eps, rng)
        if self.config.entropy_weight:
            yield "width", self._width_loss(z, eps, rng)

    def _energy_loss(self, x_pos: Tensor, z: Tensor, eps: Tensor, rng: torch.Generator) -> Loss:
        self.generator.project()
        with torch.no_grad():
            x_gen = self.generator(z, eps)
        loss = contrast(*energies_of_both(self.model.energy, x_pos, x_gen, precision=self.options.precision))
        if not self.config.penalty:
            return loss
        size = self._slope(x_pos, x_gen, rng)
        return loss + Loss(self.config.penalty * size, {"penalty": size.detach()})

    def _slope(self, x_pos: Tensor, x_gen: Tensor, rng: torch.Generator) -> Tensor:
        """The mean squared slope of E between data and generator, or half of that at the data."""
        if self.config.penalty_on == "between":
            return gradient_penalty(self.model.energy, x_pos, x_gen, rng)
        return gradient_penalty(self.model.energy, x_pos, x_pos, rng) / 2

    def _base_loss(self, x_pos: Tensor, z: Tensor, eps: Tensor, rng: torch.Generator) -> Loss:
        """E of the generator's points less w times the entropy; V after the energy's update is logged."""
        x = self.generator(z, eps)
        with frozen(self.model.net):
            e_pos, e = energies_of_both(self.model.energy, x_pos, x, precision=self.options.precision)
        value = (e.mean() - e_pos.mean()).detach()
        loss = Loss(e.mean(), {"value_function_base": value, "sigma": self.generator.sigma.detach()})
        w = self.config.entropy_weight
        return loss + self._entropy(x, z, rng, w) if w else loss

    def _entropy(self, x: Tensor, z: Tensor, rng: torch.Generator, w: float) -> Loss:
        cfg, sigma = self.config, float(self.generator.sigma.detach())
        found = score(
            self.generator.mean,
            x.detach(),
            z,
            sigma,
            cfg.spread * self.width().detach(),
            rng,
            particles=cfg.particles,
        )
        return Loss(-w * entropy_slope(x, found.value), {"particles": found.effective.mean()})

    def _width_loss(self, z: Tensor, eps: Tensor, rng: torch.Generator) -> Loss:
        with frozen(self.generator):
            x, sigma = self.generator(z, eps), float(self.generator.sigma)
            return width_loss(self.generator.mean, x, z, sigma, self.width(), rng)

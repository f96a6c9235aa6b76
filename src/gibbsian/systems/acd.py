"""Adversarial contrastive divergence: the sampler of an energy is a generator with an entropy term.

    min_E max_q  V = E_pos[E(x)] - E_q[E(x)] + w H(q),       q: x = g(z) + sigma eps,  z ~ N(0, I)

    energy:     mean E(x_pos) - mean E(x_gen) + penalty on the slope of E
    generator:  mean E(x_gen) - w H(q),    gradient of H by the score identity (`objectives.entropy`)
    width:      of the latents that estimate the score, by VERA's evidence bound

For a fixed E the best q is exp(-E/w)/Z, where -E_q[E] + w H(q) = w log Z; what the energy then descends is
-w log p(x_pos) of p ~ exp(-E/w). So the temperature is w: no chain, but the same contrast as in maximum
likelihood, with x_gen for its negatives. `matched` says that nothing else bends E: w > 0 and no penalty. It
does not say how near q came to p, which a network and an estimated score limit; where chains started at the
generator (`refine`, or `sample --kernel mala`) move its points far, E/w is not yet their log-density.

With w = 0 there is no entropy, no likelihood and no temperature: the plain adversarial game, in which
the log's `value_function` is
-V, mean E_q - mean E_pos, as of every system: the energy ascends it. The entropy is what keeps q from falling
onto the minima of E.

Sources: T. Kim, Y. Bengio, 2016, arXiv 1606.03439; Z. Dai et al., "Exponential family estimation via
adversarial dynamics embedding", NeurIPS 2019, arXiv 1904.12083; VERA, W. Grathwohl et al., ICLR 2021,
arXiv 2010.04230.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import cast

import torch
from torch import Tensor, nn

from ..core.errors import UsageError
from ..core.position import Position
from ..core.random import seeded_init
from ..core.records import Batch, Loss
from ..nets.build import build
from ..nets.generator import build_generator
from ..objectives.contrast import contrast
from ..objectives.divergence import gradient_penalty
from ..objectives.entropy import entropy_slope, score, width_loss
from ..recipes.acd import ACDConfig
from .base import Handed, Leg, Plan, Planner, System
from .frozen import frozen
from .phases import handed, langevin, paired, positives


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


class ACD(System):
    """Energy, generator with noise, and the width of the entropy's estimate."""

    config: ACDConfig

    def __init__(self, config: ACDConfig, event_shape: tuple[int, ...], rng: torch.Generator) -> None:
        super().__init__()
        self.config, self.event_shape = config, tuple(event_shape)
        with seeded_init(rng):
            self.net = build(config.net, event_shape)
            mean = build_generator(config.generator, event_shape, config.pixels.low, config.pixels.high)
        self.generator = Noisy(mean, config.sigma, config.sigma_low, config.sigma_high)
        self.width = Width(cast(int, mean.latent), config.width)
        # A refining chain has the temperature of the law: its noise follows from w.
        w, chain = config.entropy_weight, config.chain
        chain = replace(chain, noise=math.sqrt(w * chain.step_size)) if w else chain
        self.kernel = langevin(chain, config.pixels.low, config.pixels.high)
        self.temperature = config.entropy_weight
        self.matched = config.entropy_weight > 0 and config.penalty == 0

    def groups(self) -> dict[str, nn.Module]:
        """The energy, the generator, and with an entropy the width of its estimate."""
        width = {"width": self.width} if self.config.entropy_weight else {}
        return {"energy": self.net, "base": self.generator, **width}

    def rate(self, group: str, step: int) -> float:
        """`base_rate` for the generator, `width_rate` for the width."""
        return {"base": self.config.base_rate, "width": self.config.width_rate}.get(group, 1.0)

    def energy(self, x: Position) -> Tensor:
        """E(x), shape `(B,)`, at temperature w."""
        e: Tensor = self.net(x)
        return e

    def losses(self, batch: Batch, step: int, rng: torch.Generator) -> Iterator[tuple[str, Loss]]:
        """One update of the energy; where its turn has come, one of the generator, and of the width."""
        x_pos = positives(batch, self.config.pixels, rng)
        yield "energy", self._energy_loss(x_pos, rng)
        if (step + 1) % self.config.energy_steps:
            return
        z, eps = self.drawn(len(batch), rng)
        yield "base", self._base_loss(x_pos, z, eps, rng)
        if self.config.entropy_weight:
            yield "width", self._width_loss(z, eps, rng)

    # -- drawing ------------------------------------------------------------------------------------

    def plan(
        self, n: int, rng: torch.Generator, *, y: Tensor | None = None, steps: int | None = None
    ) -> Plan:
        """The generator's draws, refined by `steps` of `chain` if these are given or `refine` is set."""
        yield self._leg(n, rng, y, steps or (self.config.chain.steps if self.config.refine else 0))

    def other_plans(self) -> dict[str, Planner]:
        """The generator alone, where samples are refined."""
        return {"base": self._unrefined} if self.config.refine else {}

    def _unrefined(
        self, n: int, rng: torch.Generator, *, y: Tensor | None = None, steps: int | None = None
    ) -> Plan:
        yield self._leg(n, rng, y, 0)

    def _leg(self, n: int, rng: torch.Generator, y: Tensor | None, steps: int) -> Leg:
        if y is not None:
            raise UsageError("adversarial contrastive divergence has no labels: leave out the label")
        z, eps = self.drawn(n, rng)
        with torch.no_grad():
            x = self.generator(z, eps if self.config.output == "sample" else 0 * eps)
        return Leg(self.energy, self.kernel, steps, x)

    def drawn(self, n: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Latents `(n, latent)` and noise `(n, *event)` of the generator, all N(0, 1)."""
        z = torch.randn(n, cast(int, self.generator.mean.latent), generator=rng, device=rng.device)
        return z, torch.randn(n, *self.event_shape, generator=rng, device=rng.device)

    def handed(self) -> Handed:
        """E with the temperature w."""
        return handed(self.net, self.temperature)

    def decode(self, position: Position) -> Tensor:
        """The position is the data."""
        return position if isinstance(position, Tensor) else position[0]

    def surprisal(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """E(x)/w: -log p(x) + const if `matched` and the generator follows; E(x), a critic, where w = 0."""
        if y is not None:
            raise UsageError("adversarial contrastive divergence has no labels: leave out the label")
        return self.energy(x) / (self.temperature or 1.0)

    # -- pieces -------------------------------------------------------------------------------------

    def _energy_loss(self, x_pos: Tensor, rng: torch.Generator) -> Loss:
        self.generator.project()
        with torch.no_grad():
            x_gen = self.generator(*self.drawn(len(x_pos), rng))
        loss = contrast(*paired(self.energy, x_pos, x_gen, precision=self.precision))
        if not self.config.penalty:
            return loss
        size = self._slope(x_pos, x_gen, rng)
        return loss + Loss(self.config.penalty * size, {"penalty": size.detach()})

    def _slope(self, x_pos: Tensor, x_gen: Tensor, rng: torch.Generator) -> Tensor:
        """The mean squared slope of E between data and generator, or half of that at the data."""
        if self.config.penalty_on == "between":
            return gradient_penalty(self.energy, x_pos, x_gen, rng)
        return gradient_penalty(self.energy, x_pos, x_pos, rng) / 2

    def _base_loss(self, x_pos: Tensor, z: Tensor, eps: Tensor, rng: torch.Generator) -> Loss:
        """E of the generator's points less w times the entropy; V after the energy's update is logged."""
        x = self.generator(z, eps)
        with frozen(self.net):
            e_pos, e = paired(self.energy, x_pos, x, precision=self.precision)
        told = {"value_function_base": (e.mean() - e_pos.mean()).detach()}
        loss = Loss(e.mean(), {**told, "sigma": self.generator.sigma.detach()})
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

"""Cooperative networks (J. Xie et al., AAAI 2018; J. Xie et al., IEEE TPAMI 42, 2020, arXiv 1609.09408).

    energy      p(x) ~ exp(-E(x)/T) q(x),   q uniform or N(0, s^2 I)
    generator   x = g(z) + sigma eps,       z ~ N(0, I)

    z ~ N(0, I)  ->  x_0 = g(z)  ->  K Langevin steps on the energy  ->  x_K
    energy:     mean E(x_pos) - mean E(x_K)
    generator:  mean |x_K - g(z)|^2 / 2 sigma^2                 with the same z that began the chain

The generator starts the chains near their end and learns what the chains did; the energy learns from where
they ended. With `infer_steps` z first moves towards its posterior given x_K, exp(-|x_K - g(z)|^2 / 2 sigma^2
- |z|^2 / 2), which makes the generator's step one of maximum likelihood on the refined points.

Not matched, whatever the chain: g(z) regresses to the *mean* of x_K given z, so it sheds the chain's noise at
every update. The pair rests where the mean drift vanishes, not where drift and noise are in balance: with a
quadratic E and a linear g on Gaussian data that is a flat E, and a generator narrower than the data by what K
steps of noise add. E ranks and refines; it is no log-density.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from ..core.errors import UsageError
from ..core.position import Position, finite, where
from ..core.random import seeded_init
from ..core.records import Batch, Loss
from ..energies.algebra import Product, Tempered
from ..energies.latent import PullBack
from ..energies.link import link_energy
from ..energies.reference import GaussianReference, Tether
from ..mcmc.base import Kernel, run
from ..mcmc.langevin import Langevin
from ..nets.build import build
from ..nets.generator import build_generator
from ..recipes.chain import ChainConfig
from ..recipes.coopnets import CoopNetsConfig
from ..starts.base import Ticket, all_fresh
from .base import Handed, Leg, Plan, Planner, System
from .frozen import frozen
from .phases import Negatives, contrastive_loss, handed, langevin, negatives, paired, positives


class CoopNets(System):
    """Energy network and the generator that starts its chains."""

    config: CoopNetsConfig

    def __init__(self, config: CoopNetsConfig, event_shape: tuple[int, ...], rng: torch.Generator) -> None:
        super().__init__()
        self.config, self.event_shape = config, tuple(event_shape)
        with seeded_init(rng):
            self.net = build(config.net, event_shape)
            self.generator = build_generator(
                config.generator, event_shape, config.pixels.low, config.pixels.high
            )
        self.temperature = 1.0 if config.reference_sigma else config.chain.temperature
        self.matched, self.additive = False, config.loss.additive

    def groups(self) -> dict[str, nn.Module]:
        """The energy, then the generator."""
        return {"energy": self.net, "base": self.generator}

    def rate(self, group: str, step: int) -> float:
        """`base_rate` for the generator."""
        return self.config.base_rate if group == "base" else 1.0

    def learnt(self, x: Position) -> Tensor:
        """The learnt part E(x), shape `(B,)`, at the temperature of the training chain."""
        return link_energy(-self.net(self.decode(x)), self.config.loss.link)

    def energy(self, x: Position) -> Tensor:
        """What chains move on: E(x), or E(x)/T + |x|^2 / 2 s^2 (then to be run at temperature 1)."""
        s = self.config.reference_sigma
        if not s:
            return self.learnt(x)
        return Product((Tempered(self.learnt, self.config.chain.temperature), GaussianReference(s)))(x)

    def losses(self, batch: Batch, step: int, rng: torch.Generator) -> Iterator[tuple[str, Loss]]:
        """The energy against the refined points; the generator towards them, from the same latents."""
        cfg, z = self.config, self.prior(len(batch), rng)
        made = self.generator(z)
        start = Ticket(self._noised(made.detach(), rng), None, None, all_fresh(len(batch), rng))
        kernel, fresh = self._kernel(cfg.chain), _Generated(self)
        neg = negatives(self, self.energy, kernel, start, cfg.chain.steps, rng, fresh)
        e_pos, e_neg = paired(self.learnt, positives(batch, cfg.pixels, rng), neg.x, precision=self.precision)
        yield "energy", contrastive_loss(e_pos, e_neg, cfg.loss, neg)
        if cfg.infer_steps:
            made = self.generator(self.inferred(z, neg.x, rng))
        yield "base", self._teaching(made, neg)

    def inferred(self, z: Tensor, x: Tensor, rng: torch.Generator) -> Tensor:
        """z `(B, latent)` after `infer_steps` towards its posterior given x `(B, *event)`.

        Latents whose chain left the finite world stay where they were.
        """
        cfg = self.config
        posterior = PullBack(Tether(x, cfg.sigma), self.generator)
        with frozen(self):
            chain = run(
                Langevin(cfg.infer_step_size), posterior, z, steps=cfg.infer_steps, rng=rng, evaluate=False
            )
        return cast(Tensor, where(finite(chain.position), chain.position, z))

    # -- drawing ------------------------------------------------------------------------------------

    def plan(
        self, n: int, rng: torch.Generator, *, y: Tensor | None = None, steps: int | None = None
    ) -> Plan:
        """The generator's draws, refined as long as `sample` (or the training chain) says."""
        chain = self.config.sampling
        yield self._leg(n, rng, y, self._kernel(chain), steps or chain.steps)

    def other_plans(self) -> dict[str, Planner]:
        """The generator alone: where `plan` begins."""
        return {"base": self._unrefined}

    def _unrefined(
        self, n: int, rng: torch.Generator, *, y: Tensor | None = None, steps: int | None = None
    ) -> Plan:
        yield self._leg(n, rng, y, self._kernel(self.config.sampling), 0)

    def _leg(self, n: int, rng: torch.Generator, y: Tensor | None, kernel: Kernel, steps: int) -> Leg:
        if y is not None:
            raise UsageError("cooperative networks have no labels: leave out the label")
        return Leg(self.energy, kernel, steps, self.generated(n, rng))

    def prior(self, n: int, rng: torch.Generator) -> Tensor:
        """Latents N(0, I), shape `(n, latent)`."""
        return torch.randn(n, cast(int, self.generator.latent), generator=rng, device=rng.device)

    @torch.no_grad()
    def generated(self, n: int, rng: torch.Generator) -> Tensor:
        """`n` points where chains begin, `(n, *event)`: g(z), or g(z) + sigma eps with `noisy_start`."""
        return self._noised(self.generator(self.prior(n, rng)), rng)

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
        """E(x)/T + |x|^2 / 2 s^2, reference included: it ranks inputs, but is no log-density (see above)."""
        if y is not None:
            raise UsageError("cooperative networks have no labels: leave out the label")
        return self.energy(x) / (self.temperature or 1.0)

    # -- pieces -------------------------------------------------------------------------------------

    def _teaching(self, made: Tensor, neg: Negatives) -> Loss:
        """Half the squared error of g(z) against the refined points, in units of sigma^2.

        Chains that had to be drawn anew no longer belong to their z, and teach nothing.
        """
        square = (neg.x - made).square().flatten(1).sum(1) * ~neg.bad
        return Loss(square.mean() / (2 * self.config.sigma**2), {"distance": square.detach().sqrt().mean()})

    def _noised(self, x: Tensor, rng: torch.Generator) -> Tensor:
        if not self.config.noisy_start:
            return x
        return x + self.config.sigma * torch.randn(x.shape, generator=rng, device=x.device)

    def _kernel(self, chain: ChainConfig) -> Kernel:
        """The chain as it is, or over E/T + reference."""
        if self.config.reference_sigma:
            chain = chain.over(self.config.chain.temperature)
        return langevin(chain, self.config.pixels.low, self.config.pixels.high)


@dataclass(frozen=True)
class _Generated:
    """Chains that begin at the generator, as samples do."""

    system: CoopNets

    def draw(
        self, n: int, rng: torch.Generator, *, batch: Batch | None = None, y: Tensor | None = None
    ) -> Ticket:
        """`n` fresh draws of the generator in eval mode."""
        with frozen(self.system):
            return Ticket(self.system.generated(n, rng), None, None, all_fresh(n, rng))

    def write(self, ticket: Ticket, position: Position) -> None:
        """Nothing is kept."""

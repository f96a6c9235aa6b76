"""Generalized EBM: a generator and an energy on it (M. Arbel, L. Zhou, A. Gretton, 2021, arXiv 2003.05033).

    x = G(z), z ~ N(0, I)                   the base: where the data can be
    Q(dx) = exp(-E(x) - A) G(dx)            the model: how much of it is where,  A = log mean_G exp(-E)

    energy, c:  max  F = -mean_P (E + c) - mean_G exp(-(E + c)) + 1     (KALE, c learns A)
    base:       min  -mean_P E - A(batch)                               (gradient by softmax(-E) weights)

Samples are exact in latents: z ~ N(0, I) exp(-beta E(G(z))), x = G(z). beta = 1 is the model; the paper's
figures use beta = 100, which is sharper. Latents are drawn by chains (overdamped, kinetic, MALA, HMC,
Metropolis with base proposals), by importance resampling or by discriminator rejection.

With `divergence` jensen_shannon and the like the same networks are a GAN or an f-GAN, whose critic is read as
an energy (see `objectives.divergence`): what the paper says is thrown away. With a flow as base the model has
a density, log q(x) = log g(x) - E(x) - A.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from typing import cast

import torch
from torch import Tensor, nn

from ..core.errors import UsageError
from ..core.position import Position
from ..core.random import seeded_init
from ..core.records import Batch, Loss
from ..energies.algebra import Tempered
from ..energies.latent import PullBack
from ..mcmc.langevin import Langevin
from ..nets.build import build
from ..nets.generator import FlowGenerator, build_generator
from ..objectives.divergence import base_loss, energy_loss, gradient_penalty, kale, log_mean_exp
from ..recipes.gebm import GEBMConfig
from ..recipes.latent import LatentConfig
from .base import Leg, Plan, Planner, System
from .frozen import frozen
from .latent import CHUNK, DRAWS, energies, latent_kernel
from .phases import paired, positives


class Tilt(nn.Module):
    """The energy network and c, the learnt log-partition: one group, one optimiser."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net
        self.log_partition = nn.Parameter(torch.zeros(()))


class GEBM(System):
    """Base generator, energy on its support, log-partition; samples from its latents."""

    config: GEBMConfig
    counted = ("settle",)

    def __init__(self, config: GEBMConfig, event_shape: tuple[int, ...], rng: torch.Generator) -> None:
        super().__init__()
        self.config, self.event_shape = config, tuple(event_shape)
        with seeded_init(rng):
            self.tilt = Tilt(build(config.net, event_shape))
            self.generator = build_generator(
                config.generator, event_shape, config.pixels.low, config.pixels.high
            )
        self.temperature, self.matched, self.additive = 1.0, True, False

    @property
    def net(self) -> nn.Module:
        """The energy network."""
        return self.tilt.net

    def groups(self) -> dict[str, nn.Module]:
        """The energy with its log-partition, and the base unless it is frozen."""
        base = {} if self.config.base == "frozen" else {"base": self.generator}
        return {"energy": self.tilt, **base}

    def stages(self) -> tuple[int, ...]:
        """Where the base comes to rest."""
        return (self.config.settle,) if self.config.settle else ()

    def rate(self, group: str, step: int) -> float:
        """`base_rate` for the base."""
        return self.config.base_rate if group == "base" else 1.0

    def energy(self, x: Position) -> Tensor:
        """E(x), shape `(B,)`, relative to the base; not below -floor."""
        e: Tensor = self.net(x)
        return torch.relu(e + self.config.floor) - self.config.floor if self.config.floor else e

    def losses(self, batch: Batch, step: int, rng: torch.Generator) -> Iterator[tuple[str, Loss]]:
        """One update of the energy and c; one of the base where its turn has come."""
        if step == 0:
            self._begin_partition(rng)
        x_pos = positives(batch, self.config.pixels, rng)
        yield "energy", self._energy_loss(x_pos, step, rng)
        if self.config.settled(step):
            return
        if self.config.base == "likelihood":
            yield "base", Loss(-self.base_log_density(x_pos).mean())
        elif self.config.base == "divergence" and self.base_due(step):
            yield "base", self._base_loss(len(batch), rng)

    def base_due(self, step: int) -> bool:
        """Whether the base learns at an update: every `energy_steps`, after `energy_first` of a period."""
        first, every = max(self.config.energy_first, self.config.energy_steps), self.config.energy_steps
        place = step % (first + (self.config.period - 1) * every) + 1
        return place >= first and (place - first) % every == 0

    def shape_gradients(self, group: str) -> None:
        """The released code's transforms: 2 g / (1 + g^2) for weights, g / (1 - g) for c.

        With g = 1 - mean_G exp(-(E + c)) the latter is a step on a logarithmic scale.
        """
        if group != "energy" or not self.config.squash:
            return
        for p in self.net.parameters():
            if p.grad is not None:
                p.grad.copy_(2 * p.grad / (1 + p.grad.square()))
        g = self.tilt.log_partition.grad
        if g is not None and self.config.divergence == "kale":
            # 1 - g is mean_G exp(-(E + c)), which rounds to 0 where c is some 17 nats too large.
            g.copy_(g / (1 - g).clamp(min=torch.finfo(g.dtype).eps))

    # -- drawing ------------------------------------------------------------------------------------

    def plan(
        self, n: int, rng: torch.Generator, *, y: Tensor | None = None, steps: int | None = None
    ) -> Plan:
        """Latents by the settings of `latent`."""
        return self.drawn_by(self.config.latent)(n, rng, y=y, steps=steps)

    def other_plans(self) -> dict[str, Planner]:
        """The base alone."""
        return {"base": self.drawn_by(LatentConfig(kernel="none"))}

    @property
    def drawing(self) -> LatentConfig:
        """How samples are drawn."""
        return self.config.latent

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
    ) -> Plan:
        if y is not None:
            raise UsageError("the Generalized EBM has no labels: leave out the label")
        energy = self.pulled_back(latent.beta)
        if latent.kernel in DRAWS:
            start = DRAWS[latent.kernel](
                PullBack(self.energy, self.generator, prior=False), self.prior, latent, n, rng
            )
            yield Leg(energy, Langevin(latent.step_size), 0, start)
        else:
            yield Leg(energy, latent_kernel(latent), steps or latent.steps, self.prior(n, rng))

    def pulled_back(self, beta: float = 1.0) -> PullBack:
        """U(z) = beta E(G(z)) + |z|^2 / 2, whose exp(-U) latents are to follow."""
        energy = self.energy if beta == 1 else Tempered(self.energy, 1 / beta)
        return PullBack(energy, self.generator)

    def prior(self, n: int, rng: torch.Generator) -> Tensor:
        """Latents of the base, N(0, I), shape `(n, latent)`."""
        return torch.randn(n, cast(int, self.generator.latent), generator=rng, device=rng.device)

    def decode(self, position: Position) -> Tensor:
        """G(z)."""
        with torch.no_grad():
            return torch.cat([cast(Tensor, self.generator(z)) for z in cast(Tensor, position).split(CHUNK)])

    def surprisal(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """-log q(x) = E(x) + c - log g(x) with a flow; else E(x), which compares with the base's law only."""
        if y is not None:
            raise UsageError("the Generalized EBM has no labels: leave out the label")
        if self.config.generator.name != "flow":
            return self.energy(x)
        return self.energy(x) + self.tilt.log_partition.detach() - self.base_log_density(x)

    def base_log_density(self, x: Tensor) -> Tensor:
        """log g(x) in nats, shape `(B,)`; raises `UsageError` unless the base is a flow."""
        if self.config.generator.name != "flow":
            raise UsageError(
                f"a generator '{self.config.generator.name}' has no density: train with generator.name flow"
            )
        return cast(FlowGenerator, self.generator).log_density(x)

    @torch.no_grad()
    def base_energies(self, n: int, rng: torch.Generator) -> Tensor:
        """E of `n` base samples, shape `(n,)`."""
        with frozen(self):
            return energies(PullBack(self.energy, self.generator, prior=False), self.prior(n, rng))

    def own_measures(self, x: Tensor, rng: torch.Generator) -> dict[str, float]:
        """KALE of data `x`, c less the log-partition A, and the log-likelihood with a flow, in nats.

        A is that of 10,000 base samples.
        """
        e_base = self.base_energies(10 * CHUNK, rng)
        with frozen(self), torch.no_grad():
            e_pos = torch.cat([self.energy(part) for part in x.split(CHUNK)])
            c_error = float(self.tilt.log_partition - log_mean_exp(-e_base))
            found = {"kale": float(kale(e_pos, e_base)), "c_error": c_error}
            if self.config.generator.name == "flow":
                found["log_likelihood"] = c_error - float(self.surprisal(x).mean())
        return found

    # -- pieces -------------------------------------------------------------------------------------

    def _energy_loss(self, x_pos: Tensor, step: int, rng: torch.Generator) -> Loss:
        settled = self.config.settled(step)
        with torch.no_grad():
            x_base = self.generator.train(self.training and not settled)(self.prior(len(x_pos), rng))
        e_pos, e_base = paired(self.energy, x_pos, x_base, precision=self.precision)
        loss = energy_loss(e_pos, e_base, self.tilt.log_partition, self.config.divergence)
        if self.config.divergence == "donsker":
            with torch.no_grad():
                self.tilt.log_partition.copy_(loss.metrics["log_partition"])
        weight = self.config.settle_penalty if settled else self.config.penalty
        if weight:
            size = gradient_penalty(self.energy, x_pos, x_base, rng)
            loss = loss + Loss(weight * size, {"penalty": size.detach()})
        return loss

    def _base_loss(self, n: int, rng: torch.Generator) -> Loss:
        x = self.generator(self.prior(n, rng))
        with frozen(self.tilt):
            e, _ = paired(self.energy, x, x[:0], precision=self.precision)
        return base_loss(e, self.tilt.log_partition, self.config.divergence)

    @torch.no_grad()
    def _begin_partition(self, rng: torch.Generator) -> None:
        """c by Monte Carlo, before the first update."""
        e = self.base_energies(10 * CHUNK, rng)
        self.tilt.log_partition.copy_((-e).logsumexp(0) - math.log(len(e)))

"""Generalized EBM: a generator and an energy on it (M. Arbel, L. Zhou, A. Gretton, 2021, arXiv 2003.05033).

    energy, c:  max  F = -mean_P (E + c) - mean_G exp(-(E + c)) + 1     (KALE, c learns A)
    base:       min  -mean_P E - A(batch)                               (gradient by softmax(-E) weights)

The base draws for the energy in train mode, as for its own updates (the released code: in eval mode, which
is another under batch normalisation). Kinetic chains on latents begin with velocities of N(0, I) (there: 0).

The model is in `model.py`. With `divergence` jensen_shannon and the like the same networks are a GAN or an
f-GAN, whose critic is read as an energy (see `objectives.divergence`): the critic that a GAN discards.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from ...core.random import seeded_init
from ...core.records import Batch, Loss
from ...core.spec import DataSpec
from ...nets.frozen import frozen
from ...nets.generator import build_generator
from ...objectives.divergence import base_loss, energy_loss, gradient_penalty
from ..contrastive import energies_of_both
from ..data_noise import noised_data
from ..latent import CHUNK
from ..learner import Learner
from ..networks import energy_net
from .config import GEBMConfig
from .model import TiltedGenerator


def build(
    config: GEBMConfig, event_shape: tuple[int, ...], rng: torch.Generator, net: nn.Module | None = None
) -> GEBM:
    """The learner of a base generator, an energy on its support and a log-partition."""
    spec = DataSpec(event_shape, config.pixels.low, config.pixels.high)
    with seeded_init(rng):
        net = energy_net(config.net, spec, net)
        generator = build_generator(config.generator, event_shape, spec.low, spec.high)
    name = config.generator.name
    return GEBM(config, TiltedGenerator(net, generator, spec, config.latent, floor=config.floor, name=name))


class GEBM(Learner):
    """One update of the energy and c; one of the base where its turn has come."""

    config: GEBMConfig
    model: TiltedGenerator
    mean_reduced = False

    def parameter_groups(self) -> dict[str, nn.Module]:
        """The energy with its log-partition, and the base unless it is frozen."""
        base = {} if self.config.base == "frozen" else {"base": self.model.generator}
        return {"energy": self.model.learnt, **base}

    def milestones(self) -> tuple[int, ...]:
        """Where the base is frozen."""
        return (self.config.freeze_base_at,) if self.config.freeze_base_at else ()

    def lr_multiplier(self, group: str, step: int) -> float:
        """`base_rate` for the base."""
        return self.config.base_rate if group == "base" else 1.0

    def losses(self, batch: Batch, step: int, rng: torch.Generator) -> Iterator[tuple[str, Loss]]:
        """The energy's loss and, where it is due, the base's."""
        if step == 0:
            self._begin_partition(rng)
        x_pos = noised_data(batch, self.config.pixels, rng)
        yield "energy", self._energy_loss(x_pos, step, rng)
        if self.config.base_frozen(self.planned(step)):
            return
        if self.config.base == "likelihood":
            yield "base", Loss(-self.model.base_log_density(x_pos).mean())
        elif self.config.base == "divergence" and self.base_due(step):
            yield "base", self._base_loss(len(batch), rng)

    def base_due(self, step: int) -> bool:
        """Whether the base learns at an update: every `energy_steps`, but each of its first two times and the
        first of a period after `energy_first`."""
        first, every = max(self.config.energy_first, self.config.energy_steps), self.config.energy_steps
        again = first - every if self.config.period > 1 else 0
        if first <= step < first + again:
            return False
        step -= again if step >= first else 0
        place = step % (first + (self.config.period - 1) * every) + 1
        return place >= first and (place - first) % every == 0

    def transform_gradients(self, group: str) -> None:
        """The released code's transforms: 2 g / (1 + g^2) for weights, g / (1 - g) for c.

        With g = 1 - mean_G exp(-(E + c)) the latter is a step on a logarithmic scale.
        """
        if group != "energy" or not self.config.gradient_squash:
            return
        for p in self.model.net.parameters():
            if p.grad is not None:
                p.grad.copy_(2 * p.grad / (1 + p.grad.square()))
        g = self.model.log_partition.grad
        if g is not None and self.config.divergence == "kale":
            # 1 - g is mean_G exp(-(E + c)), which rounds to 0 where c is some 17 nats too large.
            g.copy_(g / (1 - g).clamp(min=torch.finfo(g.dtype).eps))

    # -- pieces -------------------------------------------------------------------------------------

    def _energy_loss(self, x_pos: Tensor, step: int, rng: torch.Generator) -> Loss:
        base_frozen = self.config.base_frozen(self.planned(step))
        with torch.no_grad():
            # Batch statistics of a frozen generator must not go on moving.
            learns = self.config.base != "frozen" and not base_frozen
            generator = self.model.generator.train(self.training and learns)
            x_base = generator(self.model.prior(len(x_pos), rng))
        e_pos, e_base = energies_of_both(self.model.energy, x_pos, x_base, precision=self.options.precision)
        loss = energy_loss(e_pos, e_base, self.model.log_partition, self.config.divergence)
        if self.config.divergence == "donsker":
            with torch.no_grad():
                self.model.log_partition.copy_(loss.metrics["log_partition"])
        weight = self.config.frozen_base_penalty if base_frozen else self.config.penalty
        if weight:
            size = gradient_penalty(self.model.energy, x_pos, x_base, rng)
            loss = loss + Loss(weight * size, {"penalty": size.detach()})
        return loss

    def _base_loss(self, n: int, rng: torch.Generator) -> Loss:
        x = self.model.generator(self.model.prior(n, rng))
        with frozen(self.model.learnt):
            e, _ = energies_of_both(self.model.energy, x, x[:0], precision=self.options.precision)
        return base_loss(e, self.model.log_partition, self.config.divergence)

    @torch.no_grad()
    def _begin_partition(self, rng: torch.Generator) -> None:
        """c by Monte Carlo, before the first update."""
        e = self.model.base_energies(10 * CHUNK, rng)
        self.model.log_partition.copy_((-e).logsumexp(0) - math.log(len(e)))

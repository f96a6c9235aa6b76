"""The self-normalised likelihood: an energy E(x | c) and its log Z b(c), learnt together.

    loss = mean_data [E + b] + mean_q [exp(-E - b) / q] - 1,    q(x | c) learnt beside by its likelihood

(H. Senetaire, P. Jeha, P.-A. Mattei, J. Frellsen, 2025.) It is never below -log p of the data, and equals it
where b = log Z: no chain in training, and a density that can be compared with those of others, in nats. The
proposal q is a Gaussian around a regression; it limits what dimensions this reaches. With `proposal_is_base`
(ours) the density is q exp(-net), so that the network learns what the Gaussian lacks; without, E is the
network, as in the paper. Samples: chains at temperature 1 from draws of q.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import torch
from torch import Tensor, nn

from ...core.random import seeded_init
from ...core.records import Batch, Loss
from ...data.dataset import Dataset
from ...mcmc.langevin import Langevin
from ...nets.regression import GaussianRegression
from ...objectives.nce import log_partition
from ...objectives.snl import self_normalised
from ..data_noise import noised_data
from ..learner import Learner
from ..nce.learner import KERNELS
from ..networks import data_spec, energy_net
from .config import SNLConfig
from .model import ProposalChain, SelfNormalisedEnergy


def build(
    config: SNLConfig, event_shape: tuple[int, ...], rng: torch.Generator, net: nn.Module | None = None
) -> SNL:
    """The learner of an energy network, its proposal and its log Z."""
    spec = data_spec(config, event_shape)
    size = sum(spec.condition)
    with seeded_init(rng):
        net = energy_net(config.net, spec, net)
        proposal = GaussianRegression(event_shape, size, config.proposal.hidden)
        partition = Partition(size, config.partition)
    model = SelfNormalisedEnergy(net, proposal, partition, spec, config.proposal_is_base)
    kernel = KERNELS[config.chain.kernel](config.chain.step_size)
    model.samplers["default"] = ProposalChain(model, kernel, config.chain.steps)
    return SNL(config, model)


class Partition(nn.Module):
    """b(c) `(B, 1)` of conditions `(B, C)`; a number where C is 0. It begins as one number for all c."""

    def __init__(self, condition: int, hidden: tuple[int, ...]) -> None:
        super().__init__()
        self.level = nn.Parameter(torch.zeros(1))
        sizes = (condition, *hidden) if condition else ()
        layers = [m for a, b in zip(sizes, sizes[1:], strict=False) for m in (nn.Linear(a, b), nn.SiLU())]
        if condition:
            last = nn.Linear(sizes[-1], 1, bias=False)
            nn.init.zeros_(last.weight)
            layers.append(last)
        self.net = nn.Sequential(*layers)

    def forward(self, c: Tensor) -> Tensor:
        """The network and the number."""
        return self.level.expand(len(c), 1) + (self.net(c) if len(self.net) else 0)


class SNL(Learner):
    """First the proposal alone, then the energy and b from the same numbers."""

    config: SNLConfig
    model: SelfNormalisedEnergy

    def __init__(self, config: SNLConfig, model: SelfNormalisedEnergy) -> None:
        super().__init__(config, model)
        self.begun: Tensor
        self.register_buffer("begun", torch.zeros((), dtype=torch.bool))

    def setup(self, data: Dataset) -> None:
        """In bfloat16, chains go without their Metropolis test, which would be one of rounding."""
        if self.options.precision == "bf16":
            chain = self.config.chain
            kernel = Langevin(chain.step_size)
            self.model.samplers["default"] = ProposalChain(self.model, kernel, chain.steps)

    def reset_training_state(self) -> None:
        """Take the level of b anew."""
        self.begun.zero_()

    def parameter_groups(self) -> dict[str, nn.Module]:
        """The energy, b, the proposal."""
        model = self.model
        return {"energy": model.net, "log_partition": model.partition, "proposal": model.proposal}

    def milestones(self) -> tuple[int, ...]:
        """Where the energy begins, and where the proposal stays."""
        proposal = self.config.proposal
        return tuple(sorted({n for n in (proposal.lead, proposal.updates) if n}))

    def lr_multiplier(self, group: str, step: int) -> float:
        """`partition_rate` for b."""
        return self.config.partition_rate if group == "log_partition" else 1.0

    def losses(self, batch: Batch, step: int, rng: torch.Generator) -> Iterator[tuple[str, Loss]]:
        """The proposal's -log q, after its lead the loss of the energy and of b."""
        settings, model, step = self.config.proposal, self.model, self.planned(step)
        x = noised_data(batch, self.config.pixels, rng)
        y = batch.y if model.spec.condition else None
        if not settings.updates or step < settings.updates:
            yield "proposal", Loss(-model.proposal.log_density(x, model.condition(len(x), y)).mean())
        if step < settings.lead:
            return
        e_pos, e_neg, log_q = self._energies(x, y, rng)
        if not bool(self.begun):
            self.begun.fill_(True)
            with torch.no_grad():
                cast(Partition, model.partition).level.add_(log_partition(e_neg, log_q))
        b_pos = model.log_z(len(x), y)
        b_neg = b_pos.repeat(settings.ratio)
        yield "energy", self_normalised(e_pos, e_neg, log_q, b_pos.detach(), b_neg.detach())
        told = self_normalised(e_pos.detach(), e_neg.detach(), log_q, b_pos, b_neg)
        yield "log_partition", Loss(told.value, {"nats": (e_pos + b_pos).detach().mean()})

    def _energies(self, x: Tensor, y: Tensor | None, rng: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """E of data, E and log q of draws of q at the same conditions in turn; without a graph to q."""
        model, ratio = self.model, self.config.proposal.ratio
        c = model.condition(len(x), y)
        with torch.no_grad():
            u, volume = model.proposal.white(x, c)
            drawn = torch.randn(ratio * len(x), u.shape[1], generator=rng, device=x.device)
            c_both = None if c is None else c.repeat(1 + ratio, 1)
            log_q = model.proposal.standard(drawn) - volume.repeat(ratio)
            x_neg = drawn
            if not model.on_base:
                x_neg = model.proposal.coloured(drawn, None if c is None else c.repeat(ratio, 1))
        half = self.options.precision == "bf16"
        with torch.autocast(x.device.type, dtype=torch.bfloat16, enabled=half):
            if model.on_base:
                e = model.latent_energy(torch.cat([u, x_neg]), c_both) + volume.repeat(1 + ratio)
            else:
                e = model.energy(torch.cat([x, x_neg]), c_both)
        return e[: len(x)], e[len(x) :], log_q

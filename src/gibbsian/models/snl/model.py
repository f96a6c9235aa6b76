"""An energy on top of a proposal, with its log Z: what the self-normalised likelihood learns."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from ...core.energy import Energy
from ...core.position import Position
from ...core.spec import DataSpec
from ...energies.conditional import Given
from ...mcmc.base import Kernel
from ...nets.frozen import frozen
from ...nets.regression import GaussianRegression
from ...objectives.nce import log_partition
from ..labels import asked, class_or_condition
from ..model import EnergyModel
from ..sampler import ChainStage, Sampler, Stages

DRAWS = 1000


class SelfNormalisedEnergy(EnergyModel):
    """E(x | c) and b(c), so that E + b is -log p(x | c).

    Args:
        net: called as `net(x)` or `net(x, c)`, returns `(B,)`.
        proposal: q(x | c).
        partition: b as a module of `c` `(B, C)`, or of a row `(1, 0)` without conditions, to `(B, 1)`.
        spec: of the data, and its condition.
        proposal_is_base: whether E is net(u, c) - log q(x | c), u the whitened x, or the network of x alone.
    """

    def __init__(
        self,
        net: nn.Module,
        proposal: GaussianRegression,
        partition: nn.Module,
        spec: DataSpec,
        proposal_is_base: bool = True,
    ) -> None:
        super().__init__(spec)
        self.net, self.proposal, self.partition, self.on_base = net, proposal, partition, proposal_is_base

    def condition(self, n: int, y: Tensor | None) -> Tensor | None:
        """Conditions `(n, C)` by `labels.asked`, which says what it refuses; None of a model of x alone."""
        c = asked(self.spec, y)
        return None if c is None else c.to(self.proposal.lower.device).expand(n, -1)

    def energy(self, x: Position, y: Tensor | None = None) -> Tensor:
        """E(x | c), `(B,)`, without log Z."""
        x = cast(Tensor, x)
        c = self.condition(len(x), y)
        if not self.on_base:
            return cast(Tensor, self.net(x) if c is None else self.net(x, c))
        u, volume = self.proposal.white(x, c)
        return self.latent_energy(u, c) + volume

    def latent_energy(self, u: Position, c: Tensor | None = None) -> Tensor:
        """E as a function of u `(B, D)`, less the volume of the change."""
        u = cast(Tensor, u)
        x = u.reshape(-1, *self.spec.event_shape)
        return cast(Tensor, (self.net(x) if c is None else self.net(x, c)) - self.proposal.standard(u))

    def log_z(self, n: int, y: Tensor | None = None) -> Tensor:
        """b, the learnt log Z at conditions, `(n,)`."""
        c = self.condition(n, y)
        row = self.proposal.lower.new_zeros(1, 0) if c is None else c
        return cast(Tensor, self.partition(row)).squeeze(1).expand(n)

    def neg_log_prob(self, x: Position, y: Tensor | None = None) -> Tensor:
        """E + b, -log p(x | c) as far as b is log Z; see `mass`."""
        e = self.energy(x, y)
        return e + self.log_z(len(e), y)

    def conditioned(self, y: Tensor | None = None) -> Energy:
        """E at conditions."""
        self.spec.refuse_labels(y)
        return self.energy if y is None else Given(self.energy, y)

    @torch.no_grad()
    def mass(self, rng: torch.Generator, y: Tensor | None = None, draws: int = DRAWS) -> Tensor:
        """The integral of p at each condition `(B, C)` by so many draws of the proposal, `(B,)` or `(1,)`; 1
        where b is right.
        """
        found = []
        with frozen(self):
            for row in [None] if y is None else y.split(1):
                c = self.condition(draws, row)
                x = self.proposal.draw(draws, rng, c)
                e, log_q = self.energy(x, row), self.proposal.log_density(x, c)
                found.append((log_partition(e, log_q) - self.log_z(1, row)[0]).exp())
        return torch.stack(found)


class ProposalChain(Sampler):
    """A chain from draws of the proposal: on u where that is the base, so that no direction is narrow."""

    def __init__(self, model: SelfNormalisedEnergy, kernel: Kernel, steps: int) -> None:
        self.model, self.kernel, self.steps = model, kernel, steps

    def __repr__(self) -> str:
        return f"ProposalChain({self.steps} steps of {self.kernel}, from draws of the proposal)"

    def stages(
        self, n: int, rng: torch.Generator, *, y: Tensor | None = None, steps: int | None = None
    ) -> Stages:
        """The chain; then, as it moved u, data of where it ended, without a step."""
        model, steps = self.model, steps or self.steps
        y = class_or_condition(model, n, y, rng)
        c, energy = model.condition(n, y), model.conditioned(y)
        if not model.on_base:
            yield ChainStage(energy, self.kernel, steps, model.proposal.draw(n, rng, c))
            return
        begun = torch.randn(n, model.proposal.size, generator=rng, device=rng.device)
        moved: Energy = model.latent_energy if c is None else Given(model.latent_energy, c)
        u = yield ChainStage(moved, self.kernel, steps, begun)
        with torch.no_grad():
            x = model.proposal.coloured(cast(Tensor, u), c)
        yield ChainStage(energy, self.kernel, 0, x)

    @torch.no_grad()
    def extra_metrics(self, x: Tensor, rng: torch.Generator) -> dict[str, float]:
        """Nats of a model without conditions: `log_likelihood` of data `x`, log Z as learnt, `log_partition`,
        and by draws of the proposal, `log_partition_importance`; nothing of others.
        """
        if self.model.spec.condition:
            return {}
        with frozen(self.model):
            mean = float(self.model.neg_log_prob(x).mean())
        b = float(self.model.log_z(1))
        mass = float(self.model.mass(rng, draws=10 * DRAWS))
        found = {"log_likelihood": -mean, "log_partition": b}
        return {**found, "log_partition_importance": b + float(torch.tensor(mass).log())}

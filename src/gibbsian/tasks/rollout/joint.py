"""Whole paths at once: chains on the sum of -log p(s_{t+1} | s_t) over the horizon, the first state fixed.

With the last state fixed too that is planning: the paths that lead there, as often as the model takes them.
A model whose log Z(s) is not learnt gives the sum of its energies, and favours states that have many ways on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from ...core.position import Position
from ...data.transitions import Transitions
from ...energies.context import Index, take
from ...mcmc.base import run
from ...mcmc.mala import MALA
from ...mcmc.tuning import tune
from ...models.model import EnergyModel
from ...nets.frozen import frozen

CANDIDATES = 16
"""Sequential paths for each one that begins a chain towards a goal: those that end nearest are taken."""


@dataclass(frozen=True, eq=False)
class PathEnergy:
    """The sum over steps of -log p, of free states `(B, F, D)` in deviations of a step from the present.

    Fields:
        model, made: the model, and the units of its transitions.
        past: states `(B, lag, D)` that end in the present.
        actions: `(B, H, A)`, or None.
        goal: the last state `(B, D)`, then F is H - 1; or None.
    """

    model: EnergyModel
    made: Transitions
    past: Tensor
    actions: Tensor | None = None
    goal: Tensor | None = None

    def path(self, z: Tensor) -> Tensor:
        """The states `(B, lag + H, D)` in units, with those that are fixed."""
        free = self.past[:, -1:] + z * self.made.step.scale
        fixed = [] if self.goal is None else [self.goal[:, None]]
        return torch.cat([self.past, free, *fixed], 1)

    def free(self, path: Tensor) -> Tensor:
        """The position of paths `(B, H + 1, D)` from the present."""
        states = path[:, 1:] if self.goal is None else path[:, 1:-1]
        return (states - self.past[:, -1:]) / self.made.step.scale

    def __call__(self, z: Position) -> Tensor:
        made, lag = self.made, self.made.lag
        path = self.path(cast(Tensor, z))
        h = path.shape[1] - lag
        past = path.unfold(1, lag, 1)[:, :h].transpose(2, 3).flatten(0, 1)
        done = None if self.actions is None else self.actions.flatten(0, 1)
        x = made.step.standardised(path[:, lag:] - path[:, lag - 1 : -1]).flatten(0, 1)
        return self.model.neg_log_prob(x, made.condition(past, done)).reshape(-1, h).sum(1)

    def rows(self, index: Index) -> PathEnergy:
        """The same of the chains at `index`."""
        past, actions, goal = (take(a, index) for a in (self.past, self.actions, self.goal))
        return PathEnergy(self.model, self.made, past, actions, goal)


@dataclass(frozen=True, eq=False)
class JointPaths:
    """`paths` `(B, H + 1, D)`, their -log p `energy` `(B,)` and that of where the chains began, `before`."""

    paths: Tensor
    energy: Tensor
    before: Tensor
    acceptance: float


def joint(energy: PathEnergy, begun: Tensor, steps: int, rng: torch.Generator) -> JointPaths:
    """MALA chains over whole paths from `begun` `(B, H + 1, D)`, with a step tuned there."""
    z, lag = energy.free(begun), energy.made.lag
    if not z.shape[1]:
        path = energy.path(z)
        e = energy(z).detach()
        return JointPaths(path[:, lag - 1 :], e, e, 1.0)
    with frozen(energy.model):
        kernel = tune(MALA(0.01), energy, z, rng, steps=max(20, min(100, steps)))
        chain = run(kernel, energy, z, steps=steps, rng=rng)
        before = energy(z).detach()
    assert chain.energy is not None and isinstance(chain.position, Tensor)
    rate = chain.info.acceptance
    acceptance = 1.0 if rate is None else float(rate.mean())
    paths = energy.path(chain.position)[:, lag - 1 :]
    return JointPaths(paths, chain.energy, before, acceptance)


def towards(paths: Tensor, goal: Tensor, n: int, scale: Tensor) -> Tensor:
    """The `n` of `paths` `(M, H + 1, D)` that end nearest to `goal` `(D,)` in units of `scale`, each shifted
    more and more along its way so that it ends there."""
    gap = goal - paths[:, -1]
    nearest = (gap / scale).norm(dim=1).argsort()[:n]
    share = torch.linspace(0, 1, paths.shape[1])[None, :, None]
    return paths[nearest] + share * gap[nearest][:, None]

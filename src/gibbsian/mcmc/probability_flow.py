"""One step of the probability flow between two levels of noise, by Heun's method: no noise, so no sampler of
one density, but it carries draws of p(x, sigma) to draws of p(x, sigma').

    dx / dsigma = sigma grad U(x, sigma)
    x~ = x + (sigma' - sigma) sigma g,    x' = x + (sigma' - sigma) (sigma g + sigma' g~) / 2

g = grad U(x, sigma), g~ = grad U(x~, sigma') (T. Karras et al., 2022, arXiv 2206.00364, algorithm 1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from ..core.draws import Rng
from ..core.energy import Energy, value_and_grad
from ..core.errors import require_positive
from ..core.position import Position, detach, norm, tree_map
from ..core.show import one_line
from .reports import ChainInfo
from .state import ChainState


@dataclass(frozen=True, eq=False)
class ProbabilityFlow:
    """From level `sigma`, whose energy the step is given, to `to`, whose energy is `ahead`; both positive."""

    sigma: float
    to: float
    ahead: Energy
    exact: ClassVar[bool] = False
    gradients_per_step: ClassVar[int] = 2

    __repr__ = one_line

    def __post_init__(self) -> None:
        require_positive(sigma=self.sigma, to=self.to)

    def init(self, energy: Energy, x: Position) -> ChainState:
        """A state at `x`. The energy is not called."""
        return ChainState(detach(x))

    @torch.no_grad()
    def step(self, energy: Energy, state: ChainState, rng: Rng) -> tuple[ChainState, ChainInfo]:
        """One step; `rng` is not used."""
        x, gap = state.position, self.to - self.sigma
        first = value_and_grad(energy, x)[1]
        guess = tree_map(lambda a, g: a + gap * self.sigma * g, x, first)
        second = value_and_grad(self.ahead, guess)[1]
        change = tree_map(lambda a, b: gap / 2 * (self.sigma * a + self.to * b), first, second)
        moved = tree_map(torch.add, x, change)
        info = ChainInfo(None, divergent=~(norm(moved) < torch.inf), drift=norm(change))
        return ChainState(moved, count=state.count + 1), info

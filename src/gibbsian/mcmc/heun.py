"""Heun's method for gradient flow, dx/dt = -grad E(x): no noise, so no sampler of exp(-E), but the way
from noise to data where E was trained as a transport (M. Balcerak et al., 2025, arXiv 2504.10612).

    x~ = x - dt g(x),    x' = x - (dt / 2) (g(x) + g(x~)),    g = grad E

The error of one step is of order dt^3. Positions are `(B, *event)` or tuples of such.
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


@dataclass(frozen=True)
class Heun:
    """Two gradients a step; `step_size` is dt > 0, in units of x squared over energy."""

    step_size: float
    exact: ClassVar[bool] = False
    gradients_per_step: ClassVar[int] = 2

    __repr__ = one_line

    def __post_init__(self) -> None:
        require_positive(step_size=self.step_size)

    def init(self, energy: Energy, x: Position) -> ChainState:
        """A state at `x`. The energy is not called."""
        return ChainState(detach(x))

    @torch.no_grad()
    def step(self, energy: Energy, state: ChainState, rng: Rng) -> tuple[ChainState, ChainInfo]:
        """One step; `rng` is not used."""
        x, dt = state.position, self.step_size
        first = value_and_grad(energy, x)[1]
        ahead = tree_map(lambda a, g: a - dt * g, x, first)
        second = value_and_grad(energy, ahead)[1]
        force = tree_map(lambda a, b: dt / 2 * (a + b), first, second)
        moved = tree_map(torch.sub, x, force)
        info = ChainInfo(None, divergent=~(norm(moved) < torch.inf), drift=norm(force))
        return ChainState(moved, count=state.count + 1), info

"""The state of B chains: what the next step needs, and which positions are kept.

What a person needs to know of a step is in `reports`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ..core.errors import UsageError
from ..core.position import Position, detach, leaves, like
from ..core.show import one_line


class ChainState(NamedTuple):
    """What the next step needs.

    `position` `(B, *event)`; `energy` `(B,)` and `grad` at that position where the kernel reuses them;
    `velocity` of an underdamped chain; `count`, the number of steps made (schedules read it).
    """

    position: Position
    energy: Tensor | None = None
    grad: Position | None = None
    velocity: Position | None = None
    count: int = 0  # type: ignore[assignment]

    def __repr__(self) -> str:
        return one_line(self)


def known_energy(state: ChainState) -> Tensor:
    """Energy `(B,)` of a state that must hold it; raises `UsageError` if it does not."""
    if state.energy is None:
        raise UsageError("this state holds no energy: start it with the `init` of this kernel")
    return state.energy


def cached(state: ChainState) -> tuple[Tensor, Position]:
    """Energy `(B,)` and gradient of a state that must hold them; raises `UsageError` if it does not."""
    if state.energy is None or state.grad is None:
        raise UsageError("this state holds no energy and gradient: start it with the `init` of this kernel")
    return state.energy, state.grad


class Trace:
    """Every `thin`-th position, detached."""

    def __init__(self, thin: int) -> None:
        self.thin = thin
        self.states: list[ChainState] = []

    def add(self, state: ChainState, made: int) -> None:
        """Keep the position after `made` steps if its turn has come."""
        if self.thin and made % self.thin == 0:
            self.states.append(ChainState(detach(state.position), state.energy))

    def extend(self, states: Sequence[ChainState]) -> None:
        """Keep positions whose turn has come."""
        self.states += states

    def positions(self) -> Position | None:
        """The kept positions `(kept, B, *event)`, None without any."""
        if not self.states:
            return None
        parts = zip(*(leaves(s.position) for s in self.states), strict=True)
        return like(self.states[0].position, tuple(torch.stack(group) for group in parts))

    def energies(self) -> Tensor | None:
        """Their energies `(kept, B)`, None where the kernel does not know them."""
        known = [s.energy for s in self.states if s.energy is not None]
        return torch.stack(known) if known else None

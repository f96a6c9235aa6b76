"""What a step of a chain will ask of its generator, found by making one that is forgotten."""

from __future__ import annotations

from typing import Any

import torch

from ..core.draws import Recorder, Request
from ..core.energy import Energy
from .kernel import Kernel
from .state import ChainState


class Unread:
    """Stands for the number of steps made where a graph must not depend on it: it can be counted on only."""

    def __add__(self, more: int) -> Unread:
        return self

    def __eq__(self, other: object) -> bool:
        raise TypeError("this kernel looks at the number of steps made")

    def __bool__(self) -> bool:
        raise TypeError("this kernel looks at the number of steps made")


def rehearse(kernel: Kernel, energy: Energy, state: ChainState, rng: torch.Generator) -> list[Request] | None:
    """What a step asks of its generator; None if the next steps will not ask the same.

    The step is made on a copy of the generator and forgotten. A first step that still completes the state
    (the velocity of `Underdamped`) has to be made for real before. Raises whatever the step raises, a
    `TypeError` if it looks at `state.count`.
    """
    copy = torch.Generator(rng.device)
    copy.set_state(rng.get_state())
    recorder = Recorder(copy)
    unread: Any = Unread()
    new, _ = kernel.step(energy, state._replace(count=unread), recorder)
    return recorder.requests if outline(new) == outline(state) else None


def outline(state: ChainState) -> tuple[bool, ...]:
    """Which parts of a state are there."""
    return tuple(part is None for part in state)

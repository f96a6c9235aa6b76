"""What a step of a chain will ask of its generator, found by making one that is forgotten."""

from __future__ import annotations

from typing import Any

import torch

from ...core.draws import Recorder, Request
from ...core.energy import Energy
from ...core.position import tree_map
from ..kernel import Kernel
from ..state import ChainState


class OpaqueCount:
    """Stands for the number of steps made while a step is traced: it can be counted on, but not read.

    A graph would freeze the number that it was traced with, so a kernel that reads it cannot be compiled.
    """

    def __add__(self, more: int) -> OpaqueCount:
        return self

    def __eq__(self, other: object) -> bool:
        raise TypeError("this kernel looks at the number of steps made")

    def __bool__(self) -> bool:
        raise TypeError("this kernel looks at the number of steps made")


def traced_requests(
    kernel: Kernel, energy: Energy, state: ChainState, rng: torch.Generator
) -> list[Request] | None:
    """What a step asks of its generator; None if the next steps will not ask the same.

    The step is made on a copy of the generator and forgotten. A first step that still completes the state
    (the velocity of `Underdamped`) has to be made for real before. Raises whatever the step raises, and a
    `TypeError` if it looks at `state.count`.
    """
    # A copy: the real stream must not notice, or a compiled chain would differ from an eager one.
    copy = torch.Generator(rng.device)
    copy.set_state(rng.get_state())
    recorder = Recorder(copy)
    count: Any = OpaqueCount()
    begin = state._replace(position=tree_map(torch.clone, state.position), count=count)
    new, _ = kernel.step(energy, begin, recorder)
    return recorder.requests if missing_parts(new) == missing_parts(state) else None


def missing_parts(state: ChainState) -> tuple[bool, ...]:
    """Which parts of a state are not there."""
    return tuple(part is None for part in state)

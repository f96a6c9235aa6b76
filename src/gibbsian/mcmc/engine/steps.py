"""A step of a kernel on an energy as a program, found by making one that is forgotten."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from ...core.draws import Replay
from ...core.energy import Energy
from ...core.position import leaves, like
from ..kernel import Kernel
from ..state import ChainState
from .graphs import Sums
from .inputs import LangevinInGraph
from .layouts import laid_out
from .noise import OpaqueCount
from .program import Order, Program, Unwritable, program_of
from .reads import Reads
from .tape import Layout, Tape

ROUGH = {torch.float64: 1e-6, torch.float32: 1e-2}
"""How far chains may be from where they should be after some steps, in the middle one, as a share of the
largest number: rounding grows from step to step, while a wrong operation shows in all chains."""
FINE = {torch.float64: 1e-9, torch.float32: 1e-3}
"""How far they may be after one step, as a share of the longest way."""
COARSE = 0.05
"""The same in lower precision, and of reports."""
PARTS = ("position", "energy", "grad", "velocity")


@dataclass(frozen=True, eq=False)
class TracedStep:
    """A step as a program with its constants; `names` of the sums, `first` the state that it began from,
    `largest` the numbers of the largest tensor that depends on it.
    """

    program: Program
    constants: list[Tensor]
    names: tuple[str, ...]
    first: ChainState
    largest: int

    def inputs(
        self, kernels: Sequence[Kernel], state: ChainState, noise: Sequence[Sequence[Tensor]]
    ) -> list[Tensor]:
        """What an order takes, for a step of each kernel on its noise."""
        drawn = [
            a for kernel, numbers in zip(kernels, noise, strict=True) for a in (*numbers, *scales(kernel))
        ]
        return [*flat(state), *drawn, *self.constants]

    def holds(self, kernel: Kernel, energy: Energy, state: ChainState, numbers: Sequence[Tensor]) -> bool:
        """Whether a step from another state is made of the same operations."""
        made = self.program.made([*flat(state), *numbers, *scales(kernel)], self.constants)
        size = len(self.program.state)
        with torch.no_grad():
            expected, info = kernel.step(energy, state, Replay(numbers))
            reports = [a.reshape(-1, 1) for a in info.numbers().values()]
        told = [close(a.reshape(-1, 1), b, COARSE) for a, b in zip(made[size + 1 :], reports, strict=True)]
        return all(told) and moved_alike(state, shaped(self.first, made[:size]), expected, kernel.exact)

    def sums(self, order: Order, made: Sequence[Tensor]) -> Sums:
        """What an order returned, as `block` returns it."""
        size, several = len(self.program.state), len(self.names)
        rest = made[size + 1 + several :]
        each = self.program.kept
        kept = [shaped(self.first, rest[k : k + each]) for k in range(0, len(rest), each or 1)]
        sums = dict(zip(self.names, made[size + 1 : size + 1 + several], strict=True))
        state = shaped(self.first, made[:size])._replace(count=order.length)
        return state, made[size], sums, kept


def traced_step(kernel: Kernel, energy: Energy, state: ChainState, numbers: Sequence[Tensor]) -> TracedStep:
    """The step of `kernel`, as a graph sees it, from `state` on the noise `numbers`.

    Raises `Unwritable` where the step is no fixed list of operations, and whatever the step raises.
    """
    # At copies: a constant that shares memory with the state would count as the state.
    given = [*map(torch.clone, flat(state)), *map(torch.clone, (*numbers, *scales(kernel)))]
    size, drawn = len(flat(state)), len(given) - len(flat(state))
    count: Any = OpaqueCount()
    begin = shaped(state, given[:size])._replace(count=count)
    if isinstance(kernel, LangevinInGraph):
        kernel = replace(kernel, scales=given[-1])
    tape = Tape(given)
    with torch.no_grad(), tape, Reads(tape.depends, tape.refuse):
        new, info = kernel.step(energy, begin, Replay(given[size : size + len(numbers)]))
        reports, divergent = info.numbers(), info.divergent
    if tape.recording.problem:
        raise Unwritable(tape.recording.problem)
    if [Layout.of(a) for a in flat(new)] != [Layout.of(a) for a in given[:size]]:
        raise Unwritable("a step changes the type or the shape of what it moves")
    kept = len(leaves(state.position)) + (state.energy is not None)
    outputs = [tape.name(a) for a in (*flat(new), divergent, *reports.values())]
    program, constants = program_of(laid_out(tape.recording), size, drawn, outputs, kept)
    largest = max(a.size.numel() for a in tape.recording.layouts.values())
    return TracedStep(program, constants, tuple(reports), state._replace(count=0), largest)


def flat(state: ChainState) -> list[Tensor]:
    """The tensors of a state."""
    return [a for name in PARTS for part in (getattr(state, name),) if part is not None for a in leaves(part)]


def shaped(example: ChainState, tensors: Sequence[Tensor]) -> ChainState:
    """A state of `tensors` that has the parts of `example`, the first of them if there are not enough."""
    left = list(tensors)
    parts: dict[str, Any] = {}
    for name in PARTS:
        part = getattr(example, name)
        if part is not None and left:
            size = len(leaves(part))
            parts[name], left = like(part, tuple(left[:size])), left[size:]
    return ChainState(**parts)


def scales(kernel: Kernel) -> list[Tensor]:
    """The numbers of a kernel that are inputs of its step."""
    return [kernel.scales] if isinstance(kernel, LangevinInGraph) else []


def alike(made: ChainState, expected: ChainState) -> bool:
    """Whether most chains are where they should be after some steps, and have the energies that they had."""
    pairs = zip(flat(made), flat(expected), strict=True)
    return all(
        close(a.reshape(len(a), -1), b.reshape(len(b), -1), ROUGH.get(a.dtype, COARSE)) for a, b in pairs
    )


def moved_alike(begin: ChainState, made: ChainState, expected: ChainState, exact: bool) -> bool:
    """Whether chains went where they should in one step; most of them if it is `exact`, since rounding may
    decide whether a proposal is accepted, else all."""
    for x, a, b in zip(*(leaves(s.position) for s in (begin, made, expected)), strict=True):
        gap, way = ((p - q).reshape(len(x), -1).abs().amax(1) for p, q in ((a, b), (b, x)))
        known = way.isfinite()  # chains that are lost say nothing
        if not bool(known.any()):
            continue
        # What a difference of large numbers loses is no difference in the way.
        lost = 8 * torch.finfo(x.dtype).eps * x[known].abs().max()
        far = gap[known].median() if exact else gap[known].max()
        if not bool(far <= FINE.get(x.dtype, COARSE) * way[known].max() + lost):  # NaN is not
            return False
    return True


def close(a: Tensor, b: Tensor, share: float) -> bool:
    """Whether numbers `(B, n)` are the same in the middle chain, within a share of the largest."""
    gap, most = (a - b).abs().amax(1), b.abs().amax(1)
    known = most.isfinite()  # chains that are lost say nothing, but to lose one is no rounding
    return not bool(known.any()) or bool(gap[known].median() <= share * most[known].max())

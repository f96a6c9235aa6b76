"""One step of a chain as data: operations on numbered tensors, which can be written down and made elsewhere.

A tape says what a step did. To build it once and use it in another process, on other weights and with other
step sizes, everything that may differ there is an input: the state, the noise, and all constants of the tape,
the factors of products and sums among them (`lifting`). What is left, the operations and how their inputs lie
in memory, is a text of a few thousand letters: equal texts are equal steps.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import torch
from torch import Tensor

from .lifting import Lifting
from .replaying import needed
from .tape import Layout, Made, Recording, Step

aten = torch.ops.aten
FAMILIES = ("aten", "mkldnn")
"""Operations that every process has."""
NAMED = {torch.dtype: "dtype", torch.layout: "layout", torch.memory_format: "memory_format"}


class Constant(NamedTuple):
    """Stands for a tensor that is the same in all steps of a run: weights, labels, factors."""

    number: int


class Unwritable(Exception):
    """A step that cannot be a program, and why."""


@dataclass(frozen=True)
class Program:
    """A step of B chains.

    Fields:
        steps: in order, with `Made` and `Constant` in place of tensors; what a step is given has the first
            numbers, the state before what was drawn for it.
        state, drawn, constants: how they lie in memory.
        new: of the state after the step, tensor by tensor. `divergent` of it, and what is summed over steps.
        kept: how many tensors of a state a trace keeps, from the first.
    """

    steps: tuple[Step, ...]
    state: tuple[Layout, ...]
    drawn: tuple[Layout, ...]
    constants: tuple[Layout, ...]
    new: tuple[Any, ...]
    divergent: Any
    sums: tuple[Any, ...]
    kept: int

    def made(self, given: Sequence[Tensor], constants: Sequence[Tensor]) -> list[Any]:
        """`new`, `divergent` and `sums` after a step from the tensors `given`."""
        known: dict[int, Any] = dict(enumerate(given))

        def found(part: Any) -> Any:
            if isinstance(part, Made):
                return known[part.number]
            if isinstance(part, Constant):
                return constants[part.number]
            return [found(p) for p in part] if isinstance(part, list) else part

        for step in self.steps:
            out = step.operation(
                *map(found, step.args), **{name: found(part) for name, part in step.kwargs.items()}
            )
            for number, part in zip(step.results, out if step.many else (out,), strict=True):
                if number is not None:
                    known[number] = part
        return [found(part) for part in (*self.new, self.divergent, *self.sums)]


@dataclass(frozen=True)
class Order:
    """What is built: `length` steps of a program as one function for so many threads, which keeps every
    `thin`-th state, 0 for none."""

    program: Program
    length: int
    thin: int
    threads: int

    def __call__(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        """The last state, which chains diverged, the sums, and what is kept.

        Of the first state, of what is drawn for each step, and of the constants, one after another.
        """
        p = self.program
        states, drawn = len(p.state), len(p.drawn)
        constants = inputs[states + self.length * drawn :]
        state = list(inputs[:states])
        total: list[Tensor] = []
        kept: list[Tensor] = []
        for k in range(self.length):
            first = states + k * drawn
            made = p.made([*state, *inputs[first : first + drawn]], constants)
            state, report = made[:states], made[states:]
            total = [total[0] | report[0], *map(torch.add, total[1:], report[1:])] if total else report
            if self.thin and (k + 1) % self.thin == 0:
                kept += state[: p.kept]
        return [*state, *total, *kept]

    def written(self) -> str:
        """All of it as JSON."""
        p = self.program
        steps = [
            [_name(s.operation), _written(list(s.args)), _written(s.kwargs), s.results, s.many]
            for s in p.steps
        ]
        ends = [_written(list(p.new)), _written(p.divergent), _written(list(p.sums)), p.kept]
        layouts = [[_lying(a) for a in group] for group in (p.state, p.drawn, p.constants)]
        return json.dumps([steps, layouts, ends, self.length, self.thin, self.threads])


def read(text: str) -> Order:
    """The order that was written as `text`; raises `Unwritable` for operations of other families."""
    steps, layouts, ends, *rest = json.loads(text)
    made = tuple(
        Step(_operation(name), tuple(_read(args)), _read(kwargs), tuple(results), many)
        for name, args, kwargs, results, many in steps
    )
    state, drawn, constants = (tuple(map(_layout, group)) for group in layouts)
    new, divergent, sums, kept = ends
    program = Program(
        made, state, drawn, constants, tuple(_read(new)), _read(divergent), tuple(_read(sums)), kept
    )
    return Order(program, *rest)


def program_of(
    recording: Recording, states: int, drawn: int, outputs: Sequence[Any], kept: int
) -> tuple[Program, list[Tensor]]:
    """The program of a recorded step, and its constants.

    `outputs`: as `Program.made` returns them, `Made` or tensors. Raises `Unwritable`.
    """
    taken = [n for s in recording.steps for n in s.results if n is not None]
    lifting = Lifting(recording.layouts, 1 + max((*recording.layouts, *taken)))
    numbers = [part.number for part in outputs if isinstance(part, Made)]
    known: dict[int, tuple[Constant, Tensor]] = {}
    steps = []
    for whole in needed(recording.steps, numbers):
        for step in lifting(_functional(whole)):
            if (name := _name(step.operation)).split(".", 1)[0] not in FAMILIES:
                raise Unwritable(f"{name} is an operation that other processes may not have")
            args, kwargs = _numbered(list(step.args), known), _numbered(step.kwargs, known)
            steps.append(step._replace(args=tuple(args), kwargs=kwargs))
    ends = [_numbered(part, known) for part in outputs]
    given = [recording.layouts[n] for n in range(states + drawn)]
    constants = [tensor.detach() for _, tensor in known.values()]
    program = Program(
        tuple(steps),
        tuple(given[:states]),
        tuple(given[states:]),
        tuple(map(Layout.of, constants)),
        tuple(ends[:states]),
        ends[states],
        tuple(ends[states + 1 :]),
        kept,
    )
    return program, constants


def _functional(step: Step) -> Step:
    """Without a buffer of its own: a function finds its memory by itself."""
    if step.operation is aten.bmm.out:
        return step._replace(operation=aten.bmm.default, kwargs={}, in_place=False)
    return step


def _numbered(part: Any, known: dict[int, tuple[Constant, Tensor]]) -> Any:
    """`part` with `Constant` in place of tensors, which go to `known` by their identity."""
    if isinstance(part, Made) or part is None:
        return part
    if isinstance(part, Tensor):
        return known.setdefault(id(part), (Constant(len(known)), part))[0]
    if isinstance(part, (list, tuple)):
        return [_numbered(p, known) for p in part]
    return {k: _numbered(v, known) for k, v in part.items()} if isinstance(part, dict) else part


def _written(part: Any) -> Any:
    if part is None or isinstance(part, (bool, int, float, str)):
        return part
    if isinstance(part, (Made, Constant)):
        return {type(part).__name__: part.number}
    if isinstance(part, list):
        return [_written(p) for p in part]
    if isinstance(part, dict):
        return {"keywords": {name: _written(p) for name, p in part.items()}}
    if isinstance(part, torch.device) and part.type == "cpu":
        return {"device": "cpu"}
    if type(part) in NAMED:
        return {NAMED[type(part)]: str(part).removeprefix("torch.")}
    raise Unwritable(f"an operation is given {type(part).__name__}")


def _read(part: Any) -> Any:
    if isinstance(part, list):
        return [_read(p) for p in part]
    if not isinstance(part, dict):
        return part
    ((kind, inner),) = part.items()
    if kind == "keywords":
        return {name: _read(p) for name, p in inner.items()}
    if kind in ("Made", "Constant"):
        return (Made if kind == "Made" else Constant)(inner)
    return torch.device(inner) if kind == "device" else getattr(torch, inner)


@cache
def _name(operation: Any) -> str:
    return str(operation)


def _operation(name: str) -> Any:
    family, operation, overload = name.split(".")
    if family not in FAMILIES:
        raise Unwritable(f"{name} is no operation of {' or '.join(FAMILIES)}")
    return getattr(getattr(getattr(torch.ops, family), operation), overload)


def _lying(a: Layout) -> list[Any]:
    return [list(a.size), list(a.stride), str(a.dtype).removeprefix("torch.")]


def _layout(part: Any) -> Layout:
    size, stride, dtype = part
    return Layout(torch.Size(size), tuple(stride), getattr(torch, dtype))

"""What a gradient was made of: the tensor operations of one call, written down while it runs.

Autograd and the calls of modules cost more than the arithmetic of a small network. Both decide once what is
done: below them a call is a list of operations on tensors, `aten` ones, which can be made again without them
(`replaying`). Written down are operations on what depends on the position. All else, such as transposed
weights, or the gradient of the last layer where it is linear, is a constant of the list as it was met.

Not written down, with the reason in `Recording.problem`: calls that draw random numbers, that read a number
of the position to decide what they do, or that write to a tensor which was there before.

A tensor is known by its identity, or else by its place in memory, as autograd hands on what it saved in new
objects. So a call must be taped at a position of its own: a constant that shares memory with the position,
such as the start that a tether holds, would count as the position.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from ...core.energy import Energy, value_and_grad
from ...core.position import Position, leaves
from .operations import FILLED, SAME, by_mask, given_to, traits, written_by
from .reads import Reads

aten = torch.ops.aten


class Made(NamedTuple):
    """Stands for a tensor that depends on the position: the position itself, or what a step made."""

    number: int


class Step(NamedTuple):
    """One operation: `results` are the numbers of the tensors that it makes, None for what is no tensor; of
    one that returns no list there is one.
    """

    operation: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    results: tuple[int | None, ...]
    many: bool = False
    in_place: bool = False

    def is_view(self) -> bool:
        """Whether what it makes is another look at what it takes."""
        return any(
            r.alias_info is not None and not r.alias_info.is_write for r in self.operation._schema.returns
        )

    def uses(self) -> set[int]:
        """The numbers of what it takes."""
        return {m.number for m in made_in((self.args, self.kwargs))}


class Layout(NamedTuple):
    """How a tensor lies in memory, and of what type its numbers are."""

    size: torch.Size
    stride: tuple[int, ...]
    dtype: torch.dtype

    @classmethod
    def of(cls, a: Tensor) -> Layout:
        """That of a tensor."""
        return cls(a.shape, a.stride(), a.dtype)


@dataclass
class Recording:
    """Steps in order, with `Made` in place of tensors that depend on the position (numbers 0, 1, ...).

    `energy` and `grads` are `Made`, or the tensors themselves where they do not depend on it. `problem` says
    why the steps do not stand for the call, "" where they do. `layouts` has the sizes and strides of what
    numbers stand for.
    """

    steps: list[Step] = field(default_factory=list)
    layouts: dict[int, Layout] = field(default_factory=dict)
    energy: Any = None
    grads: tuple[Any, ...] = ()
    problem: str = ""


def taped(energy: Energy, x: Position) -> tuple[Tensor, Position, Recording]:
    """E(x) `(B,)`, dE/dx in the structure of `x`, and of what operations they were made."""
    tape = Tape(leaves(x))
    with tape, Reads(tape.depends, tape.refuse):
        e, grad = value_and_grad(energy, x)
    found = tape.recording
    found.energy, found.grads = tape.name(e), tuple(map(tape.name, leaves(grad)))
    return e, grad, found


class Tape(TorchDispatchMode):
    """Writes down operations on what depends on the tensors `given`, while it is entered."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Not to load the compiler, which takes seconds and is not needed here."""
        return False

    def __init__(self, given: Sequence[Tensor]) -> None:
        super().__init__()
        self.recording = Recording()
        self.numbers: dict[int, int] = {}  # by identity
        self.held: list[Tensor] = []  # so that an identity is not given twice
        self.fresh: dict[int, Tensor] = {}  # constants that the call itself made, by their place in memory
        self.storages: dict[int, list[tuple[Tensor, int]]] = {}
        for a in given:
            self._number(a)
        self.given = set(self.storages)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        of = traits(func)
        if of.chance and given_to(func, args, kwargs).get("dropout_p", 1):
            self.refuse("it draws random numbers")
        written = written_by(func, args, kwargs) if of.writes else []
        if not all(map(self._own, written)):
            self.refuse("it writes to a tensor that was there before")
        if any(map(self._used, written)):
            self.refuse("it overwrites what it has used")
        args_named, kwargs_named = self.name(args), self.name(kwargs) if kwargs else kwargs
        uses = next(made_in(args_named), None) or next(made_in(kwargs_named), None)
        if not uses:
            return self._constant(func(*args, **kwargs), args)
        if of.sized and (func is not aten.index.Tensor or by_mask(args[1])):
            self.refuse("the sizes of its tensors depend on the position")
        if written:
            for a in written:
                self._begin(a)  # before it is overwritten
            args_named, kwargs_named = self.name(args), self.name(kwargs)
        out = func(*args, **kwargs)
        self._note(func, args_named, kwargs_named, out, of.writes)
        return out

    def depends(self, a: Tensor) -> bool:
        """Whether a tensor was given, or made of what was."""
        return a.untyped_storage().data_ptr() in self.storages

    def refuse(self, why: str) -> None:
        """Note the first reason why the steps do not stand for the call."""
        self.recording.problem = self.recording.problem or why

    def name(self, part: Any) -> Any:
        """`part` with `Made` in place of tensors that depend on the position."""
        if isinstance(part, Tensor):
            number = self._known(part)
            return part if number is None else Made(number)
        if isinstance(part, (list, tuple)):
            return [self.name(p) for p in part] if isinstance(part, list) else tuple(map(self.name, part))
        return {k: self.name(v) for k, v in part.items()} if isinstance(part, dict) else part

    def _constant(self, out: Any, args: tuple[Any, ...]) -> Any:
        """What an operation made that does not depend on the position, but for looks at what it was given."""
        seen = {a.untyped_storage().data_ptr() for a in args if isinstance(a, Tensor)}
        for a in out if isinstance(out, (list, tuple)) else (out,):
            if isinstance(a, Tensor) and (place := a.untyped_storage().data_ptr()) not in seen:
                self.fresh[place] = a
        return out

    def _own(self, a: Tensor) -> bool:
        """Whether a tensor was made by this call."""
        place = a.untyped_storage().data_ptr()
        return place in self.fresh or (place in self.storages and place not in self.given)

    def _used(self, a: Tensor) -> bool:
        """Whether a step takes a constant that lies where `a` does, as it was then."""
        place = a.untyped_storage().data_ptr()
        if place in self.storages:
            return False
        parts = (part for step in self.recording.steps for part in tensors_in((step.args, step.kwargs)))
        return any(part.untyped_storage().data_ptr() == place for part in parts)

    def _note(
        self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any, written: bool
    ) -> None:
        made = out if isinstance(out, (list, tuple)) else (out,)
        if func in SAME:
            self._number(out, args[0].number)
        elif func in FILLED and not written:
            self._constant(out, ())
        elif not all(part is None or isinstance(part, Tensor) for part in made):
            self.refuse("it reads a number of the position to decide what it does")
        else:
            results = tuple(self._number(part) if isinstance(part, Tensor) else None for part in made)
            self.recording.steps.append(Step(func, args, kwargs, results, made is out, written))

    def _number(self, a: Tensor, number: int | None = None) -> int:
        """A number for a tensor: the one that it has (a step in place returns its argument), or a new one."""
        if id(a) in self.numbers:
            return self.numbers[id(a)]
        found = len(self.held) if number is None else number
        self.numbers[id(a)] = found
        self.held.append(a)
        self.recording.layouts.setdefault(found, Layout.of(a))
        self.storages.setdefault(a.untyped_storage().data_ptr(), []).append((a, found))
        return found

    def _known(self, a: Tensor) -> int | None:
        """The number of a tensor that depends on the position; autograd may hand on the same numbers in a new
        object, which is known by its place in memory."""
        if id(a) in self.numbers:
            return self.numbers[id(a)]
        alike = self.storages.get(a.untyped_storage().data_ptr(), ())
        for other, number in alike:
            if (a.shape, a.stride(), a.storage_offset(), a.dtype) == (
                other.shape, other.stride(), other.storage_offset(), other.dtype
            ):  # fmt: skip
                return self._number(a, number)
        if alike and a.numel():
            self.refuse("it looks at a tensor in a way that was not seen")
        return None

    def _begin(self, a: Tensor) -> None:
        """Make a constant that is about to be overwritten a tensor that a step makes."""
        if self._known(a) is None:
            copy = a.clone()
            self.recording.steps.append(Step(aten.clone.default, (copy,), {}, (self._number(a),)))


def tensors_in(part: Any) -> Iterator[Tensor]:
    """All tensors inside lists, tuples and dictionaries."""
    return _inside(part, Tensor)


def made_in(part: Any) -> Iterator[Made]:
    """All `Made` inside lists, tuples and dictionaries."""
    return _inside(part, Made)


def _inside(part: Any, kind: type) -> Iterator[Any]:
    if isinstance(part, kind):
        yield part
    elif isinstance(part, (list, tuple, dict)):
        for inner in part.values() if isinstance(part, dict) else part:
            yield from _inside(inner, kind)

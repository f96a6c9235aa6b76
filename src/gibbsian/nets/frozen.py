"""The contexts in which chains run on a network.

`frozen`: eval mode, no parameter gradients, spectral-norm iterations still and normalised weights
computed once. `evaluating`: eval mode alone, for steps that keep their graph to the parameters.
After either: everything as before, also when the chain raised.

Both take a module, or any callable that holds some: a bound method, a partial, a record of energies, a
function that names them (see `modules_of`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from functools import partial
from types import CellType, FunctionType, MethodType
from typing import Any, TypeVar

from torch import nn
from torch.nn.parameter import is_lazy

from .spectral import cached_weights

Held = TypeVar("Held", bound=Callable[..., Any])


@contextmanager
def evaluating(holder: Held) -> Iterator[Held]:
    """Put the modules of `holder` in eval mode; nests."""
    owners = modules_of(holder)
    with _in_eval(owners, [m for owner in owners for m in owner.modules()]):
        yield holder


@contextmanager
def frozen(holder: Held) -> Iterator[Held]:
    """Freeze the modules of `holder` for sampling; nests."""
    owners = modules_of(holder)
    layers = [m for owner in owners for m in owner.modules()]
    needing = [
        p
        for m in layers
        for p in m._parameters.values()
        if p is not None and p.requires_grad and not is_lazy(p)
    ]
    try:
        for p in needing:
            p.requires_grad_(False)
        with _in_eval(owners, layers), cached_weights(layers):
            yield holder
    finally:
        for p in needing:
            p.requires_grad_(True)


@contextmanager
def _in_eval(owners: list[nn.Module], layers: list[nn.Module]) -> Iterator[None]:
    in_training = [m for m in layers if m.training]
    try:
        if in_training:
            for owner in owners:
                owner.eval()
        yield
    finally:
        for m in in_training:
            m.training = True


def modules_of(holder: object) -> list[nn.Module]:
    """The outermost modules that a callable holds, each once.

    Looked through are bound methods, `functools.partial`, the attributes of a callable object, tuples, lists
    and dictionaries of callables, and the variables that a function names, global ones included. What a
    function of another file names besides its closure is not looked at.
    """
    found: list[nn.Module] = []
    seen: dict[int, object] = {}
    waiting: list[object] = [holder]
    while waiting:
        part = waiting.pop()
        if id(part) in seen:
            continue
        seen[id(part)] = part
        if isinstance(part, nn.Module):
            found.append(part)
        else:
            waiting += filter(_may_hold, _held(part))
    return found


def _held(part: object) -> Iterable[object]:
    """What a callable or a container holds at first hand."""
    if isinstance(part, MethodType):
        return [part.__self__]
    if isinstance(part, partial):
        return [part.func, *part.args, *part.keywords.values()]
    if isinstance(part, FunctionType):
        return _named(part)
    if isinstance(part, dict):
        return part.values()
    return part if isinstance(part, (list, tuple)) else _attributes(part)


def _named(function: FunctionType) -> list[object]:
    """The variables around a function that it names; functions of other files are not opened."""
    names, around = function.__code__.co_names, function.__globals__
    of_file = [around[name] for name in names if name in around]
    foreign = [v for v in of_file if isinstance(v, FunctionType) and v.__module__ != function.__module__]
    closed = [part for cell in function.__closure__ or () for part in _content(cell)]
    return [*closed, *(v for v in of_file if not any(v is other for other in foreign))]


def _content(cell: CellType) -> list[object]:
    try:
        return [cell.cell_contents]
    except ValueError:  # a name that the function around it has not set yet
        return []


def _attributes(part: object) -> Iterable[object]:
    fixed: list[object] = []
    if is_dataclass(part) and not isinstance(part, type):
        fixed = [getattr(part, f.name) for f in fields(part)]  # may have slots
    return [*fixed, *getattr(part, "__dict__", {}).values()]


def _may_hold(value: object) -> bool:
    """Callables, and containers that begin with one or are nested: no long lists of numbers are read."""
    if isinstance(value, (list, tuple, dict)):
        first = next(iter(value.values() if isinstance(value, dict) else value), None)
        return isinstance(value, tuple) or callable(first) or isinstance(first, (list, tuple, dict))
    return callable(value) and not isinstance(value, type)

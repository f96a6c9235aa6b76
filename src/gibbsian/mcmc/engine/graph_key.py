"""The key of a chain: what decides which compiled graphs serve it, and how many steps one graph holds.

Networks of one class and equal shapes have one key, whatever their weights; so have kernels that make the
same operations with other numbers. Kernels that draw differently must have different keys. Beyond that, a key
that is too coarse costs nothing but room, since the compiler guards each graph itself; one that is too fine
compiles again what is there already.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from functools import partial
from types import FunctionType, MethodType
from typing import Any, TypeAlias

import torch
from torch import nn

from ...core.energy import Energy
from ...core.position import leaves
from ..kernel import Kernel
from ..state import ChainState

Key: TypeAlias = tuple[Any, ...]
LAYERS = 100
"""Layers in one graph, about, over all its steps: compiling takes as long as the graph is large."""


def graph_key(kernel: Kernel, energy: Energy, state: ChainState, length: int) -> Key:
    """The key of a chain made in graphs of `length` steps."""
    shapes = tuple((a.shape, a.dtype, str(a.device)) for a in leaves(state.position))
    # Shapes only, no values: weights change at every update of training, and are inputs of the graph.
    weights = tuple(tuple(p.shape) for net in networks(energy) for p in net.parameters())
    return traits(kernel), makeup(energy), weights, shapes, length, torch.get_num_threads()


def traits(part: object) -> Any:
    """What in a kernel's fields decides which operations a step makes: words, counts, switches, zeros."""
    if is_dataclass(part):
        return (type(part), *(traits(getattr(part, f.name, None)) for f in fields(part)))
    if isinstance(part, (tuple, list)):
        return tuple(map(traits, part))
    if isinstance(part, float):
        return part == 0  # a factor of zero may leave operations out: no noise, no jitter
    return part if part is None or isinstance(part, (str, int)) else label(part)


def makeup(energy: object) -> Any:
    """What an energy is made of: classes, and where its functions are written."""
    return tuple(label(part) for part in walk(energy))


def label(part: object) -> object:
    """The class of a part; of a function its place."""
    if isinstance(part, FunctionType):
        return f"{part.__module__}.{part.__qualname__}:{part.__code__.co_firstlineno}"
    return part.__name__ if isinstance(part, MethodType) else type(part)


def block_length(kernel: Kernel, energy: Energy, steps: int, thin: int, longest: int) -> int:
    """Steps of one graph: `longest`, or fewer for deep networks, which gain little and compile long.

    The length that leaves the fewest of `steps` over, of those above half of the longest. With `thin`, a
    multiple or a divisor of it, so that no position to be kept is skipped.
    """
    layers = max(depth(energy), 2) * max(kernel.gradients_per_step, 1)
    longest = max(1, min(longest, LAYERS // layers, steps))
    # A block that neither divides `thin` nor is divided by it would end between two positions to be kept.
    fitting = [n for n in range(longest, 0, -1) if not thin or n % thin == 0 or thin % n == 0]
    return min((n for n in fitting if 2 * n > fitting[0]), key=lambda n: steps % n)


def depth(energy: object) -> int:
    """Layers of the networks in an energy."""
    return sum(not list(m.children()) for net in networks(energy) for m in net.modules())


def networks(energy: object) -> list[nn.Module]:
    """The modules in an energy: it may be one, a record that holds some, a closure or a method."""
    return [part for part in walk(energy) if isinstance(part, nn.Module)]


def walk(energy: object, above: tuple[object, ...] = ()) -> Iterator[object]:
    """An energy and all callables that it is made of, from the outside; a function inside itself once."""
    if any(energy is part for part in above):
        return
    if not isinstance(energy, (tuple, list)):
        yield energy
    for part in parts(energy):
        if callable(part) or isinstance(part, (tuple, list)):
            yield from walk(part, (*above, energy))


def parts(whole: object) -> list[Any]:
    """What an energy holds, one level down. Modules are not opened."""
    if isinstance(whole, nn.Module):
        return []
    if isinstance(whole, MethodType):
        return [whole.__self__]
    if isinstance(whole, FunctionType):
        return [part for cell in whole.__closure__ or () for part in _content(cell)]
    if isinstance(whole, partial):
        return [whole.func, *whole.args, *whole.keywords.values()]
    if is_dataclass(whole) and not isinstance(whole, type):
        return [getattr(whole, f.name) for f in fields(whole)]
    return list(whole) if isinstance(whole, (tuple, list)) else []


def _content(cell: Any) -> list[Callable[..., Any]]:
    try:
        return [cell.cell_contents]
    except ValueError:  # a name that the function around it has not set yet
        return []

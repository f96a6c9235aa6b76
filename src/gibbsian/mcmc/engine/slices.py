"""An energy whose gradient is taken some chains at a time, so that any number of chains fits.

What autograd saves for the gradient of B chains grows with B; what the chains themselves hold is small
beside it. So the gradient is cut, not the chains: kernels still move all B at once and draw the same
noise, and since chains do not depend on one another the result is the same within rounding, whatever the
size of a slice. What must be cut with the chains is their context (labels, masks, tethers), by
`energies.context.rows`; an energy that hides some in a closure cannot be cut and is left alone.

Slices also pay where memory abounds. On a CPU a tensor beyond some 16 MiB gets fresh pages from the
system at every use and leaves the caches before it is used again, which costs more than the arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields, is_dataclass
from types import MethodType
from typing import Any

import torch
from torch import Tensor, nn

from ...core import position
from ...core.energy import Energy, OwnGradient, value, value_and_grad
from ...core.errors import UsageError
from ...core.position import Position, batch_size, leaves, tree_map
from ...energies.context import Index, Rowed, rows
from .memory import UNKNOWN_MEMORY, free_bytes

# Bytes that a slice on a CPU saves, for each thread, once a gradient saves three times as much. On two cores
# 100,000 chains on a 2-128-128-1 MLP (98 MiB) are 1.4 times as fast in such slices on two threads and 2.1
# times on one; 1,024 images 28x28 on 16-64 convolutions (162 MiB) 1.4 to 2 and 2.4 times. Nearer to one slice
# it does not pay: 128 images on 64-256 convolutions (29 MiB) take longer in two slices than in one.
SLICE = 16 * 2**20
FEWEST = 64
"""Chains in a slice that is cut for speed, at least; for memory it may be one."""
MANY = 512
"""Fewer chains are not cut for speed."""
HEAVY = 2000
"""Bytes that a gradient may save for each byte of a position, at most: whether memory could matter at all."""


@dataclass(frozen=True, eq=False)
class Sliced(OwnGradient):
    """`energy` with its gradient by position taken of at most `size` chains at a time.

    The slices are of nearly equal length. A call without a graph is cut as well; one that keeps its graph is
    not, as the graph needs everything at once. A module in training mode that changes when it is called
    (dropout, power iteration) changes with each slice: run chains in eval mode. Raises `UsageError` unless
    size is at least 1, and when called on contexts that do not fit the chains.
    """

    energy: Energy
    size: int
    _parts: dict[int, list[tuple[slice, Energy]]] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        _check(self.size)

    def __call__(self, x: Position) -> Tensor:
        if torch.is_grad_enabled():
            return self.energy(x)
        return torch.cat([value(energy, position.rows(x, part)) for part, energy in self.parts(x)])

    def value_and_grad(self, x: Position) -> tuple[Tensor, Position]:
        """E(x) of shape `(B,)` and dE/dx in the structure of `x`, slice by slice."""
        done = [value_and_grad(energy, position.rows(x, part)) for part, energy in self.parts(x)]
        return torch.cat([e for e, _ in done]), position.cat([grad for _, grad in done])

    def parts(self, x: Position) -> list[tuple[slice, Energy]]:
        """The slices of the chains of `x`, each with the energy over them; made once for each B."""
        chains = batch_size(x)
        if chains not in self._parts:
            self._parts[chains] = [(part, rows(self.energy, part)) for part in cuts(chains, self.size)]
        return self._parts[chains]

    def rows(self, index: Index) -> Sliced:
        """The energy over the chains at `index`, in slices of the same size."""
        return Sliced(rows(self.energy, index), self.size)


def sliced(energy: Energy, x: Position, chunk: int | None = None) -> Energy:
    """`energy`, or `Sliced` where its gradient at `x` is better taken some chains at a time.

    Args:
        energy: returned as it is if its context is not declared (see `declared`) or one slice will do.
        x: the chains, `(B, *event)` or a tuple of such; only its shape and its first rows matter.
        chunk: chains in a slice, at least 1. None takes as many as fit in half of the free memory (the other
            half is for what a backward pass needs on top), and on a CPU fewer where slices are quicker. To
            know, it evaluates the energy on two and on four chains, if there are enough to matter: a few
            chains of small positions on a huge network need a number here.

    Raises:
        UsageError: chunk below 1.
    """
    if chunk is not None:
        _check(chunk)
    if isinstance(energy, OwnGradient) or not declared(energy):
        return energy
    size = automatic(energy, x) if chunk is None else chunk
    return energy if size >= batch_size(x) else Sliced(energy, size)


def automatic(energy: Energy, x: Position, free: Callable[[torch.device], int] = free_bytes) -> int:
    """The chains of a slice that `sliced` chooses for the energy at `x` of B chains; B or more: all.

    `free` tells the bytes that are free on a device.
    """
    chains, device = batch_size(x), leaves(x)[0].device
    everything = max(chains, 1)
    heaviest = HEAVY * sum(a.nbytes for a in leaves(x))
    if chains < MANY and (heaviest <= UNKNOWN_MEMORY or heaviest <= free(device) // 2):
        return everything
    try:
        each = max(1, gradient_bytes(energy, x))
    except RuntimeError:  # a module that holds something of its chains cannot be cut
        return everything
    fitting = max(1, free(device) // 2 // each)
    size = min(everything, 2 ** (fitting.bit_length() - 1))  # the same on most days
    speedy = SLICE * torch.get_num_threads()
    if device.type == "cpu" and each * chains > 3 * speedy:
        size = min(size, max(FEWEST, speedy // each))
    return size


def gradient_bytes(energy: Energy, x: Position) -> int:
    """Bytes that autograd saves for the gradient of one more chain at `x`, B >= 1.

    Measured on two and on four chains, so that what does not grow with them (weights) drops out. What a
    backward pass allocates and frees on its way comes on top.
    """
    few, more = (torch.arange(n, device=leaves(x)[0].device) % batch_size(x) for n in (2, 4))
    grown = _saved(rows(energy, more), position.rows(x, more)) - _saved(
        rows(energy, few), position.rows(x, few)
    )
    return max(0, grown // 2)


def declared(energy: object) -> bool:
    """Whether `rows` cuts all per-chain context of an energy.

    Networks (modules and their methods) have none. An energy with a `rows` method says that it does; one made
    of others (a dataclass) must be made of such. Any other callable may hide some in a closure.
    """
    owner = energy.__self__ if isinstance(energy, MethodType) else energy
    if isinstance(owner, nn.Module):
        return owner is energy or not isinstance(owner, Rowed)
    if owner is not energy or not isinstance(energy, Rowed):
        return False
    return not is_dataclass(energy) or all(declared(part) for part in _callables(energy))


def cuts(chains: int, size: int) -> list[slice]:
    """0 to `chains` > 0 in slices of at most `size`: equal ones if that takes less than twice the fewest.

    A compiled chain has one graph for each length. The last slice is open, so that a context of more rows
    than there are chains does not fit it either.
    """
    fewest = -(-chains // size)
    pieces = next((n for n in range(fewest, 2 * fewest) if chains % n == 0), fewest)
    ends = [chains * k // pieces for k in range(pieces)]
    return [slice(a, b) for a, b in zip(ends, [*ends[1:], None], strict=True)]


def _check(size: int) -> None:
    if size < 1:
        raise UsageError(f"chunk is {size}: it is a number of chains, at least 1; None chooses one")


def _callables(energy: Any) -> Iterator[object]:
    for f in fields(energy):
        part = getattr(energy, f.name)
        yield from (p for p in (part if isinstance(part, (tuple, list)) else (part,)) if callable(p))


def _saved(energy: Energy, x: Position) -> int:
    """Bytes of the distinct storages that autograd saves while E(x) is computed."""
    kept: dict[int, torch.UntypedStorage] = {}  # holds them, or an address could serve twice

    def pack(tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage

    xs = tree_map(lambda a: a.detach().requires_grad_(), x)
    with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(pack, lambda packed: packed):
        value(energy, xs)
    return sum(storage.nbytes() for storage in kept.values())

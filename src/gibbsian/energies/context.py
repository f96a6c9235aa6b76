"""What in an energy belongs to single chains, and how to select it.

An energy over B chains may carry context: labels `(B,)`, masks `(B, *event)`, tethers, factors. A
context tensor has a leading dimension of B (one entry a chain) or of 1 (shared by all chains), and
`rows(energy, index)` is the same energy over the chains at `index`, so that for every x

    rows(energy, index)(x[index]) == energy(x)[index].

Nothing else is assumed of an energy: a callable without a `rows` method is taken to have no context.
"""

from __future__ import annotations

from types import MethodType
from typing import Any, Protocol, TypeAlias, TypeVar, cast, runtime_checkable

import torch
from torch import Tensor

from ..core.errors import UsageError
from ..core.position import Position, batch_size, dot, leaves, tree_map

Index: TypeAlias = Tensor | slice
Callee = TypeVar("Callee")


@runtime_checkable
class Rowed(Protocol):
    """A callable that declares its per-chain context by knowing how to select it."""

    def rows(self, index: Index) -> Any:
        """The same callable over the chains at `index`."""


def rows(energy: Callee, index: Index) -> Callee:
    """`energy` (or a generator, a network) over the chains at `index`, a slice or a `(K,)` tensor.

    A callable without a `rows` method is returned as it is: a network sees each chain by itself. A
    closure over per-chain tensors cannot be told from one; wrap it in the energies of this package, or
    do not chunk it.
    """
    if isinstance(energy, Rowed) and isinstance(energy.rows, MethodType):  # no layer of that name
        return cast(Callee, energy.rows(index))
    return energy


def take(context: Any, index: Index) -> Any:
    """The context of the chains at `index`: numbers and tensors `(1, ...)` are shared, `(B, ...)` is cut."""
    if isinstance(context, tuple):
        return tuple(take(part, index) for part in context)
    if isinstance(context, Tensor) and context.dim() and context.shape[0] != 1:
        return context[index]
    return context


def single(x: Position) -> Tensor:
    """`x` if it is one tensor; raises `UsageError` for a tuple."""
    if isinstance(x, tuple):
        raise UsageError(f"position is a tuple of {len(x)} tensors: this energy moves one, (B, *event)")
    return x


def aligned(context: Tensor, x: Tensor, name: str) -> Tensor:
    """`context` on the device of `x`, once it is known to broadcast chain by chain.

    Raises `UsageError` unless it has as many dimensions as `x` and B or 1 entries along the first.
    """
    if context.dim() != x.dim() or context.shape[0] not in (1, x.shape[0]):
        raise UsageError(
            f"{name} has shape {tuple(context.shape)} beside a position of shape {tuple(x.shape)}: its first "
            f"dimension must be {x.shape[0]} (one a chain) or 1 (shared), e.g. {name}[None]"
        )
    return context.to(x.device)


def per_chain(number: float | Tensor, x: Position, name: str) -> float | Tensor:
    """A number as it is; a tensor `(B,)` or `(1,)` in the dtype, on the device of `x`, else `UsageError`."""
    if not isinstance(number, Tensor) or number.dim() == 0:
        return number
    if number.dim() != 1 or number.shape[0] not in (1, batch_size(x)):
        raise UsageError(
            f"{name} has shape {tuple(number.shape)}: it must be a number, or one a chain, ({batch_size(x)},)"
        )
    return number.to(leaves(x)[0])


def labels(y: int | Tensor, x: Position) -> Tensor:
    """`y` as a tensor `(B, ...)` beside the chains of `x`: an int or a `(1, ...)` tensor is repeated."""
    size, device = batch_size(x), leaves(x)[0].device
    if not isinstance(y, Tensor):
        return torch.full((size,), y, dtype=torch.long, device=device)
    if y.dim() == 0 or y.shape[0] not in (1, size):
        raise UsageError(f"y has shape {tuple(y.shape)}: {size} chains need an int or a tensor ({size}, ...)")
    return y.to(device).expand(size, *y.shape[1:])


def above_zero(name: str, number: float | Tensor) -> None:
    """Raise `UsageError` unless every entry of `number` is positive and finite."""
    entries = torch.as_tensor(number)
    if not bool(((entries > 0) & torch.isfinite(entries)).all()):
        raise UsageError(f"{name} is {number}: it must be a positive finite number")


def quadratic(x: Position, centre: Position | float, sigma: float | Tensor) -> Tensor:
    """||x - centre||^2 / (2 sigma^2), shape `(B,)`, summed over events and leaves."""
    shifted = tree_map(lambda a: a - centre, x) if isinstance(centre, float | int) else difference(x, centre)
    return dot(shifted, shifted) / (2 * per_chain(sigma, x, "sigma") ** 2)


def difference(x: Position, centre: Position) -> Position:
    """x - centre, leaf by leaf, in the dtype of `x`."""
    return tree_map(lambda a, c: a - aligned(c, a, "centre").to(a.dtype), x, centre)

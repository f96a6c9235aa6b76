"""Positions: a tensor `(B, *event)`, or a flat tuple of such tensors with one B.

The chain of a VAEBM moves the pair (z, eps); everything else moves one tensor. Kernels are
written once, over these few functions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor

from .draws import Rng, normal, uniform

Position: TypeAlias = Tensor | tuple[Tensor, ...]


def leaves(x: Position) -> tuple[Tensor, ...]:
    """The tensors of a position, in order."""
    return x if isinstance(x, tuple) else (x,)


def like(x: Position, parts: tuple[Tensor, ...]) -> Position:
    """`parts` in the structure of `x`."""
    return parts if isinstance(x, tuple) else parts[0]


def tree_map(fn: Callable[..., Tensor], x: Position, *others: Position) -> Position:
    """Apply `fn` leaf by leaf: `fn(x_i, y_i, ...)`."""
    if isinstance(x, Tensor):  # as nearly always
        return fn(x, *others)
    return like(x, tuple(fn(*group) for group in zip(leaves(x), *map(leaves, others), strict=True)))


def batch_size(x: Position) -> int:
    """B, the number of chains."""
    return leaves(x)[0].shape[0]


def dot(x: Position, y: Position) -> Tensor:
    """Inner product over all event dimensions and leaves, shape `(B,)`."""
    pairs = zip(leaves(x), leaves(y), strict=True)
    parts = [_inner(a.flatten(1), b.flatten(1)) for a, b in pairs]
    return parts[0] if len(parts) == 1 else torch.stack(parts).sum(0)


def _inner(a: Tensor, b: Tensor) -> Tensor:
    # Autocast would take vecdot in bfloat16, which is 8 nats apart at 1,500.
    kind = a.device.type
    if torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind):
        return (a * b).sum(1)
    return torch.linalg.vecdot(a, b)


def norm(x: Position) -> Tensor:
    """Euclidean norm over event dimensions and leaves, shape `(B,)`."""
    parts = [torch.linalg.vector_norm(a.flatten(1), dim=1) for a in leaves(x)]
    return parts[0] if len(parts) == 1 else torch.linalg.vector_norm(torch.stack(parts), dim=0)


def expand(mask: Tensor, x: Tensor) -> Tensor:
    """A `(B,)` tensor reshaped to broadcast against `x` of shape `(B, *event)`."""
    return mask.reshape(-1, *([1] * (x.dim() - 1)))


def where(mask: Tensor, x: Position, y: Position) -> Position:
    """Chain by chain: `x` where the `(B,)` mask is true, else `y`."""
    return tree_map(lambda a, b: torch.where(expand(mask, a), a, b), x, y)


def rows(x: Position, index: Tensor | slice) -> Position:
    """The chains at `index`."""
    return tree_map(lambda a: a[index], x)


def cat(parts: list[Position]) -> Position:
    """Positions of one structure joined along the chains."""
    return like(parts[0], tuple(torch.cat(group) for group in zip(*map(leaves, parts), strict=True)))


def detach(x: Position) -> Position:
    """The same values without a graph."""
    return tree_map(Tensor.detach, x)


def randn_like(x: Position, rng: Rng) -> Position:
    """Standard normal noise of the shape, dtype and device of `x`, drawn from `rng`."""
    return tree_map(lambda a: normal(a, rng), x)


def rand_chains(x: Position, rng: Rng) -> Tensor:
    """A number uniform on [0, 1) for each chain, `(B,)`, in the dtype and on the device of `x`."""
    return uniform(leaves(x)[0].flatten(1)[:, 0], rng)


def finite(x: Position) -> Tensor:
    """`(B,)` bool: which chains are finite in every coordinate."""
    # 0 x is 0 or NaN, so its sum is 0 or NaN: on a CPU ten times as fast as isfinite, and as exact.
    parts = [(a.detach() * 0).flatten(1).sum(1) == 0 for a in leaves(x)]
    return parts[0] if len(parts) == 1 else torch.stack(parts).all(0)

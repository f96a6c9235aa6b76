"""Slices of the chains of a state, and one state and report of the slices."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ...core.position import cat, tree_map
from ..state import ChainState
from .graphs import Sums

ALL = slice(None)


def cut(state: ChainState, part: slice) -> ChainState:
    """The chains of a state at `part`.

    In plain layout, since positions laid out in another way would need a graph of their own.
    """
    kept = (None if p is None else tree_map(lambda a: pick(a, part).contiguous(), p) for p in state[:-1])
    return ChainState(*kept, state.count)  # type: ignore[arg-type, call-arg]


def pick(numbers: Tensor, part: slice) -> Tensor:
    """The rows of `numbers` at `part`."""
    return numbers if part == ALL else numbers[part]


def noise_of(numbers: Tensor, part: slice, chains: int) -> Tensor:
    """What the chains at `part` of `chains` get of numbers that were drawn: all of those that are no chain's
    own."""
    return pick(numbers, part) if numbers.dim() and len(numbers) == chains else numbers


def joined(done: Sequence[Sums]) -> Sums:
    """The slices of all chains side by side; shares, which are scalars, weighted by their chains."""
    if len(done) == 1:
        return done[0]
    states, divergent, sums, kept = zip(*done, strict=True)
    weights = torch.tensor([len(d) for d in divergent]) / len(torch.cat(divergent))
    totals = {name: _total([s[name] for s in sums], weights) for name in sums[0]}
    trace = [side_by_side(group) for group in zip(*kept, strict=True)]
    return side_by_side(states), torch.cat(divergent), totals, trace


def side_by_side(states: Sequence[ChainState]) -> ChainState:
    """One state of the chains of all."""
    groups = zip(*(s[:-1] for s in states), strict=True)
    parts = (None if group[0] is None else cat(list(group)) for group in groups)
    return ChainState(*parts, states[0].count)  # type: ignore[arg-type, call-arg]


def _total(numbers: list[Tensor], weights: Tensor) -> Tensor:
    if numbers[0].dim():  # one number a chain, such as the acceptance
        return torch.cat(numbers)
    stacked = torch.stack(numbers)
    return (stacked * weights.to(stacked)).sum()

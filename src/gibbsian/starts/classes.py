"""Which free slots of a buffer with stored labels serve the labels that are asked for."""

from __future__ import annotations

import torch
from torch import Tensor


def slots_of_classes(free: Tensor, label: Tensor, y: Tensor, classes: int) -> tuple[Tensor, Tensor]:
    """For each label a distinct free slot of its class, or where there is none left one of another class.

    Args:
        free: the free slots in random order, `(F,)` int64, at least as many as labels.
        label: the label of every slot, `(capacity,)` int64.
        y: the labels asked for, `(n,)` int64 from 0 to `classes` - 1.
        classes: number of classes.

    Returns:
        The slots, `(n,)`, and a mask `(n,)`, true where the slot is of another class.
    """
    mine = label[free]
    # Grouped by class, in random order within one: the k-th label of a class takes the k-th of its slots.
    by_class = free[mine.argsort(stable=True)]
    counts = torch.bincount(mine, minlength=classes)
    first, rank = counts.cumsum(0) - counts, _rank(y)
    short = rank >= counts[y]
    slots = by_class[torch.where(short, 0, first[y] + rank)]
    taken = torch.zeros_like(label, dtype=torch.bool)
    taken[slots[~short]] = True
    slots[short] = free[~taken[free]][: int(short.sum())]
    return slots, short


def _rank(y: Tensor) -> Tensor:
    """How many earlier entries of `y` equal each entry, `(n,)`."""
    order = y.argsort(stable=True)
    counts = torch.bincount(y)
    first = (counts.cumsum(0) - counts)[y[order]]
    rank = torch.empty_like(y)
    rank[order] = torch.arange(len(y), device=y.device) - first
    return rank

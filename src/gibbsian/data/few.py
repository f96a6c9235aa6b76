"""A few labelled rows of every class, the rest of the labels being hidden: semi-supervised training."""

from __future__ import annotations

import numpy as np
import torch

from ..core.errors import UsageError
from .dataset import Dataset


def few(data: Dataset, per_class: int) -> Dataset:
    """`per_class` rows of every class, always the same: the first ones of a fixed permutation.

    The permutation is `numpy.random.RandomState(0).permutation(N)`; rows keep the order of the data.
    Raises `UsageError` for data without labels, and for a class with fewer rows.
    """
    if data.y is None or per_class < 1:
        raise UsageError(f"{per_class} rows a class of {data.name}: ask for 1 or more of labelled data")
    order = torch.from_numpy(np.random.RandomState(0).permutation(len(data)))
    chosen = [order[data.y[order] == c][:per_class] for c in range(len(data.classes))]
    short = min(range(len(chosen)), key=lambda c: len(chosen[c]))
    if len(chosen[short]) < per_class:
        raise UsageError(
            f"{per_class} rows a class of {data.name}: class {data.classes[short]} has "
            f"{len(chosen[short])}, ask for at most as many"
        )
    return data.subset(torch.cat(chosen).sort().values)

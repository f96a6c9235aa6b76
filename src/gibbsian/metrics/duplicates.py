"""Do samples repeat one another? The share of pairs that are closer than hardly any two rows of the data.

    t      the distance below which a share `share` (0.1 %) of the pairs of reference rows lie
    found  share of the pairs of samples below t

A perfect sampler has `share` on average; one that falls into a few modes, or copies itself, has more.
Distances are Euclidean, in the space of the given features. Rows of the data repeat an earlier one if equal.
"""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor

from ..core.errors import UsageError
from .arrays import pair, table

MOST = 4000
"""Rows of each set that are compared, the first ones: 8 million pairs."""


def duplicate_share(reference: Tensor, samples: Tensor, *, share: float = 1e-3) -> float:
    """Share in [0, 1] of pairs of `samples` (M, D) closer than the `share`-quantile of those of `reference`.

    Raises `UsageError` for a share outside (0, 1), or one smaller than a single pair of the reference.
    """
    x, y = pair(reference, samples, "reference and samples")
    known = torch.pdist(x[:MOST])
    rank = min(round(share * len(known)), len(known) - 1) if 0 < share < 1 else 0
    if not rank:
        raise UsageError(
            f"share is {share} of {len(known)} pairs: give more rows, or a share between 0 and 1"
        )
    return float((torch.pdist(y[:MOST]) < known.kthvalue(rank + 1).values).double().mean())


def repeated_rows(x: Tensor) -> int:
    """How many rows of `x` (N, *event) equal an earlier one."""
    rows = table(x, "the rows", rows=1).numpy()
    return len(rows) - len({hashlib.blake2b((row + 0.0).tobytes(), digest_size=16).digest() for row in rows})

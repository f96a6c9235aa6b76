"""How much of the data the samples reach, and how much of them is data-like, by nearest neighbours.

With B_k(x, X) the ball around x that just holds its k-th neighbour in X (x itself not counted),

    precision   share of samples inside some ball of the reference     (Kynkaanniemi et al. 2019)
    recall      share of the reference inside some ball of the samples       (arXiv 1904.06991)
    density     balls of the reference around a sample, over k, on average      (Naeem et al. 2020)
    coverage    share of reference balls that hold a sample                  (arXiv 2002.09797)

For two samples of one distribution density is 1 and coverage 1 - 2^-k on average (large equal
numbers), whereas precision and recall have no such known level: report them beside the numbers for
held-out data. One outlying row of the reference has a ball that may hold anything, noise too: `widest`
is the quantile of radii beyond which balls are cut (`TYPICAL` in reports, 1 in the papers).
Distances are Euclidean, in the space of the given features; rows are taken in chunks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from ..core.errors import UsageError
from .arrays import pair, table

TYPICAL = 0.9


@dataclass(frozen=True)
class Coverage:
    """Four numbers: precision, recall and coverage in [0, 1], density at least 0."""

    precision: float
    recall: float
    density: float
    coverage: float


def coverage(
    reference: Tensor, samples: Tensor, *, k: int = 3, widest: float = 1.0, chunk: int = 1024
) -> Coverage:
    """Precision, recall, density and coverage of `samples` (M, D) against `reference` (N, D).

    Raises `UsageError` unless N and M exceed `k`.
    """
    x, y = pair(reference, samples, "reference and samples")
    radii = (neighbour_radii(rows, k, chunk=chunk) for rows in (x, y))
    radius_x, radius_y = (r.clamp(max=float(r.quantile(widest))) for r in radii)
    balls = torch.zeros(len(y), dtype=torch.int64)
    recalled = covered = 0
    for rows, distance in _chunks(x, y, chunk):
        inside = distance <= radius_x[rows, None]
        balls += inside.sum(0)
        covered += int(inside.any(1).sum())
        recalled += int((distance <= radius_y).any(1).sum())
    precision = float((balls > 0).double().mean())
    return Coverage(precision, recalled / len(x), float(balls.double().mean()) / k, covered / len(x))


def neighbour_radii(x: Tensor, k: int, *, chunk: int = 1024) -> Tensor:
    """Distance (N,) from each row of `x` (N, D) to its `k`-th nearest other row."""
    x = table(x, "the sample")
    if not 0 < k < len(x):
        raise UsageError(f"k is {k} for {len(x)} rows: choose from 1 to {len(x) - 1}")
    radii = []
    for rows, distance in _chunks(x, x, chunk):
        own = torch.arange(rows.start, rows.start + len(distance))
        distance[torch.arange(len(own)), own] = torch.inf
        radii.append(distance.kthvalue(k, dim=1).values)
    return torch.cat(radii)


def _chunks(x: Tensor, y: Tensor, chunk: int) -> Iterator[tuple[slice, Tensor]]:
    """Distances (chunk, M) from successive rows of `x` to all rows of `y`."""
    for start in range(0, len(x), chunk):
        rows = slice(start, start + chunk)
        yield rows, torch.cdist(x[rows], y)

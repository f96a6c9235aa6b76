"""Distances between two samples: unbiased MMD, its polynomial form KID, sliced Wasserstein.

    MMD^2 = mean_{i != j} k(x_i, x_j) + mean_{i != j} k(y_i, y_j) - 2 mean_{i, j} k(x_i, y_j)

is unbiased (Gretton et al. 2012, equation 3), so it can fall below 0 when the distributions agree.
Kernels are summed in chunks: no (N, N) array is kept.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from ..core.errors import require_positive
from .arrays import pair

Kernel = Callable[[Tensor, Tensor], Tensor]


def mmd2(a: Tensor, b: Tensor, *, bandwidth: float | None = None, chunk: int = 1024) -> float:
    """Unbiased MMD^2 of `a` (N, D) and `b` (M, D), kernel exp(-|x - y|^2 / 2 h^2).

    `bandwidth` h defaults to the median distance between the first 500 rows of each, pooled.
    """
    x, y = pair(a, b)
    h = median_distance(x, y) if bandwidth is None else bandwidth
    require_positive(bandwidth=h)
    return _unbiased(x, y, lambda u, v: torch.exp(torch.cdist(u, v).square() / (-2 * h * h)), chunk)


def kid(a: Tensor, b: Tensor, *, chunk: int = 1024) -> float:
    """Unbiased MMD^2 of features `a` (N, D) and `b` (M, D), kernel (<x, y> / D + 1)^3.

    Of Inception features it is the KID of Binkowski et al. 2018 (arXiv 1801.01401), here of all rows rather
    than the mean over subsets, which has the same expectation; in another space it is named after that.
    """
    x, y = pair(a, b)
    return _unbiased(x, y, lambda u, v: (u @ v.T / x.shape[1] + 1) ** 3, chunk)


def median_distance(x: Tensor, y: Tensor, *, rows: int = 500) -> float:
    """Median distance between different rows among the first `rows` of each."""
    return float(torch.pdist(torch.cat([x[:rows], y[:rows]]).double()).median())


def sliced_wasserstein(
    a: Tensor, b: Tensor, rng: torch.Generator, *, projections: int = 256, p: float = 2.0
) -> float:
    """(mean over random directions of W_p^p of the projections)^(1/p) (Bonneel et al. 2015).

    Exact in each direction, for any numbers of rows. Directions are drawn from `rng` (CPU).
    """
    require_positive(projections=projections, p=p)
    x, y = pair(a, b)
    directions = torch.randn(x.shape[1], projections, generator=rng, dtype=torch.float64)
    directions /= directions.norm(dim=0)
    return float(_wasserstein_power(x @ directions, y @ directions, p).mean() ** (1 / p))


def _wasserstein_power(x: Tensor, y: Tensor, p: float) -> Tensor:
    """W_p^p (K,) between the columns of `x` (N, K) and `y` (M, K): quantile functions over their steps."""
    n, m = len(x), len(y)
    # in units of 1 / lcm(n, m) the steps of both quantile functions are whole numbers
    unit = math.lcm(n, m)
    steps = torch.cat([torch.arange(1, n + 1) * (unit // n), torch.arange(1, m + 1) * (unit // m)]).unique()
    weight = torch.diff(steps, prepend=torch.zeros(1, dtype=steps.dtype)).double() / unit
    i, j = (steps - 1) // (unit // n), (steps - 1) // (unit // m)
    gap = (x.sort(0).values[i] - y.sort(0).values[j]).abs() ** p
    return (weight[:, None] * gap).sum(0)


def _unbiased(x: Tensor, y: Tensor, kernel: Kernel, chunk: int) -> float:
    n, m = len(x), len(y)
    within_x = (_total(x, x, kernel, chunk) - _diagonal(x, kernel)) / (n * (n - 1))
    within_y = (_total(y, y, kernel, chunk) - _diagonal(y, kernel)) / (m * (m - 1))
    return within_x + within_y - 2 * _total(x, y, kernel, chunk) / (n * m)


def _total(x: Tensor, y: Tensor, kernel: Kernel, chunk: int) -> float:
    return sum(float(kernel(rows, y).sum()) for rows in x.split(chunk))


def _diagonal(x: Tensor, kernel: Kernel) -> float:
    return sum(float(kernel(rows, rows).diagonal().sum()) for rows in x.split(256))

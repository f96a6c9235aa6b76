"""Frechet distance between two samples, each taken as a Gaussian.

    d^2 = |m_a - m_b|^2 + tr(C_a + C_b - 2 (C_a^1/2 C_b C_a^1/2)^1/2)

(Dowson and Landau 1982). In the space of Inception features it is the FID of Heusel et al. 2017
(arXiv 1706.08500); in another space its size is another, and it is named after that space. It falls
with the number of rows, so only distances from equal numbers compare; `frechet_trend` shows how far.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .arrays import pair
from .interval import Interval, bootstrap_interval


def frechet_distance(a: Tensor, b: Tensor) -> float:
    """d^2 between features `a` (N, D) and `b` (M, D), at least 0; covariances with N - 1.

    Raises `UsageError` on different widths, fewer than 2 rows, or numbers that are not finite.
    """
    x, y = pair(a, b)
    gap = (x.mean(0) - y.mean(0)).square().sum()
    x, y = ((rows - rows.mean(0)) / (len(rows) - 1) ** 0.5 for rows in (x, y))
    few = len(x) * len(y) < x.shape[1] ** 2
    # |X Y'| and |C_x^1/2 C_y^1/2| have the same singular values: the smaller one is taken
    cross = torch.linalg.svdvals(x @ y.T).sum() if few else _root_trace(x.T @ x, y.T @ y)
    return max(0.0, float(gap + x.square().sum() + y.square().sum() - 2 * cross))


def gaussian_distance(mean_a: Tensor, cov_a: Tensor, mean_b: Tensor, cov_b: Tensor) -> float:
    """d^2 between Gaussians of given means (D,) and covariances (D, D), at least 0."""
    gap = (mean_a - mean_b).double().square().sum()
    a, b = cov_a.double(), cov_b.double()
    return max(0.0, float(gap + a.trace() + b.trace() - 2 * _root_trace(a, b)))


@dataclass(frozen=True)
class Trend:
    """d^2 of a quarter, half and all of the rows, and its limit for infinitely many, none of too few."""

    quarter: float
    half: float
    whole: float
    limit: float | None


def frechet_trend(a: Tensor, b: Tensor) -> Trend:
    """How d^2 between `a` (N, D) and `b` (M, D), in random order, falls with their numbers of rows.

    Quarters and halves are means over all disjoint ones, of both samples. The limit is where the line
    through the three, in 1 / rows, meets 0 (Chong and Forsyth 2020, arXiv 1911.07023): unbiased up to terms
    of second order, so it may fall below 0. There is none where a quarter has D rows or fewer.
    """
    x, y = pair(a, b)
    means = []
    for parts in (4, 2, 1):
        pieces = zip(x.tensor_split(parts), y.tensor_split(parts), strict=True)
        means.append(sum(frechet_distance(*piece) for piece in pieces) / parts)
    quarter, half, whole = means
    slope = (5 * quarter - half - 4 * whole) / 14  # least squares at 4, 2 and 1 over the rows
    enough = min(len(x), len(y)) // 4 > x.shape[1]
    return Trend(quarter, half, whole, sum(means) / 3 - slope * 7 / 3 if enough else None)


def frechet_interval(
    a: Tensor, b: Tensor, rng: torch.Generator, *, repeats: int = 100, level: float = 0.95
) -> Interval:
    """`frechet_distance` with the bootstrap's spread over the rows of both samples."""
    return bootstrap_interval(frechet_distance, a, b, rng=rng, repeats=repeats, level=level)


def _root_trace(a: Tensor, b: Tensor) -> Tensor:
    """tr (a^1/2 b a^1/2)^1/2 for symmetric positive semi-definite matrices, singular ones included.

    As the sum of the singular values of a^1/2 b^1/2, which loses no digits in a null space.
    """
    return torch.linalg.svdvals(_root(a) @ _root(b)).sum()


def _root(a: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh(a)
    noise = values[-1].clamp(min=0) * len(a) * torch.finfo(a.dtype).eps
    return (vectors * torch.where(values > noise, values, 0.0).sqrt()) @ vectors.T

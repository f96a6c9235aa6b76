"""Frechet distance between two samples, each taken as a Gaussian.

    d^2 = |m_a - m_b|^2 + tr(C_a + C_b - 2 (C_a^1/2 C_b C_a^1/2)^1/2)

(Dowson and Landau 1982). In the space of Inception features it is the FID of Heusel et al. 2017
(arXiv 1706.08500); in another space its size is another, and it is named after that space. It falls
with the number of rows, so only distances from equal numbers compare.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .arrays import pair
from .interval import Interval, bootstrap_interval


def frechet_distance(a: Tensor, b: Tensor) -> float:
    """d^2 between features `a` (N, D) and `b` (M, D), at least 0; covariances with N - 1.

    Raises `UsageError` on different widths, fewer than 2 rows, or numbers that are not finite.
    """
    x, y = pair(a, b)
    mean_gap = (x.mean(0) - y.mean(0)).square().sum()
    cov_x, cov_y = _covariance(x), _covariance(y)
    cross = _root_trace(cov_x, cov_y)
    return max(0.0, float(mean_gap + cov_x.trace() + cov_y.trace() - 2 * cross))


def frechet_interval(
    a: Tensor, b: Tensor, rng: torch.Generator, *, repeats: int = 100, level: float = 0.95
) -> Interval:
    """`frechet_distance` with the bootstrap's spread over the rows of both samples."""
    return bootstrap_interval(frechet_distance, a, b, rng=rng, repeats=repeats, level=level)


def _covariance(x: Tensor) -> Tensor:
    centred = x - x.mean(0)
    return centred.T @ centred / (len(x) - 1)


def _root_trace(a: Tensor, b: Tensor) -> Tensor:
    """tr (a^1/2 b a^1/2)^1/2 for symmetric positive semi-definite matrices, singular ones included.

    As the sum of the singular values of a^1/2 b^1/2, which loses no digits in a null space.
    """
    return torch.linalg.svdvals(_root(a) @ _root(b)).sum()


def _root(a: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh(a)
    noise = values[-1].clamp(min=0) * len(a) * torch.finfo(a.dtype).eps
    return (vectors * torch.where(values > noise, values, 0.0).sqrt()) @ vectors.T

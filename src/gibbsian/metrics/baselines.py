"""The two models that every table shows beside the others: Gaussians fitted to the values themselves.

    one Gaussian         x ~ N(m, C)
    a Gaussian a class   y ~ share of y in the data, x ~ N(m_y, C_y)

with full empirical covariances (N - 1), clipped to the range. Where there are fewer rows than
numbers in one, C is singular and a draw is m + sum_i w_i (x_i - m) / sqrt(N - 1), w ~ N(0, I):
exactly N(m, C), without forming C.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..core.errors import UsageError, require_positive
from .arrays import table


def one_gaussian(x: Tensor, n: int, rng: torch.Generator, *, low: float = -1.0, high: float = 1.0) -> Tensor:
    """`n` draws (n, *event), float32, from the Gaussian of `x` (N, *event), clipped to [low, high]."""
    require_positive(n=n)
    draws = _draw(table(x, "the data"), n, rng)
    return draws.clamp(low, high).to(torch.float32).reshape(n, *x.shape[1:])


def class_gaussians(
    x: Tensor, y: Tensor, n: int, rng: torch.Generator, *, low: float = -1.0, high: float = 1.0
) -> tuple[Tensor, Tensor]:
    """`n` draws (n, *event), float32, and their labels (n,), from one Gaussian a class of `x` (N, *event).

    `y` (N,) are the labels; classes come up in their shares of the data. Raises `UsageError` if the
    lengths differ.
    """
    require_positive(n=n)
    if y.shape != x.shape[:1]:
        raise UsageError(f"labels have shape {tuple(y.shape)} for {x.shape[0]} rows")
    rows = table(x, "the data")
    labels = y[torch.randint(len(y), (n,), generator=rng)]
    out = torch.empty(n, rows.shape[1], dtype=torch.float32)
    for label in labels.unique().tolist():
        mine = labels == label
        out[mine] = _draw(rows[y == label], int(mine.sum()), rng).clamp(low, high).to(torch.float32)
    return out.reshape(n, *x.shape[1:]), labels


def _draw(x: Tensor, n: int, rng: torch.Generator) -> Tensor:
    """`n` draws from N(mean, covariance) of the rows of `x` (N, D)."""
    mean = x.mean(0)
    factor = _factor(x - mean)
    return mean + torch.randn(n, len(factor), generator=rng, dtype=x.dtype) @ factor


def _factor(centred: Tensor) -> Tensor:
    """F (K, D) with F'F the covariance: the scaled rows themselves, or the root where that is smaller."""
    rows, columns = centred.shape
    scaled = centred / math.sqrt(max(rows - 1, 1))
    if rows <= columns:
        return scaled
    values, vectors = torch.linalg.eigh(scaled.T @ scaled)
    return (vectors * values.clamp(min=0).sqrt()).T

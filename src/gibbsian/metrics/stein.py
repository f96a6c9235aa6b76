"""Kernel Stein discrepancy: how far samples are from a density of which only the score is known.

    KSD^2 = E u(x, x') for independent samples, with s = grad log p, k(x, y) = (c^2 + |x - y|^2)^b and
    u(x, y) = s(x).s(y) k + s(x).grad_y k + s(y).grad_x k + tr grad_x grad_y k

(Liu, Lee and Jordan 2016, arXiv 1602.03253), with the inverse multiquadric kernel, b = -1/2, which sees
samples that wander off as a Gaussian kernel does not (Gorham and Mackey 2017, arXiv 1703.01717). It is 0 for
samples of p, whatever its constant. It sees shape, and hardly how much mass each of some far modes has: of
that the score says nothing. Numbers from two densities, or from two c, do not compare.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..core.errors import UsageError, require_positive
from .arrays import pair


def kernel_stein(
    x: Tensor, score: Tensor, *, c: float = 1.0, biased: bool = False, chunk: int = 512
) -> float:
    """KSD^2 of samples `x` (N, *event) with `score` grad log p at them, of the same shape.

    The mean over pairs of different samples, which is unbiased and falls below 0 by chance; with `biased`
    over all pairs, which is never below 0 (up to rounding). `c` is the width of the kernel in the units of
    `x`, such as the median distance between rows. `chunk` rows of the (N, N) table are held at a time.
    Raises `UsageError` for shapes that differ, fewer than 2 rows, or numbers that are not finite.
    """
    require_positive(c=c)
    if x.shape != score.shape:
        raise UsageError(f"x has shape {tuple(x.shape)} and score {tuple(score.shape)}: they must agree")
    x, s = pair(x, score, "samples and scores")
    n, along = len(x), (x * s).sum(1)
    total = sum(
        float(_stein(x[rows], s[rows], along[rows], x, s, along, c).sum()) for rows in _slices(n, chunk)
    )
    own = s.square().sum(1) / c + x.shape[1] / c**3  # u(x, x)
    return total / n**2 if biased else (total - float(own.sum())) / (n * (n - 1))


def _slices(n: int, chunk: int) -> list[slice]:
    return [slice(start, start + chunk) for start in range(0, n, chunk)]


def _stein(x: Tensor, s: Tensor, x_along: Tensor, y: Tensor, t: Tensor, y_along: Tensor, c: float) -> Tensor:
    """u of each row of `x`, score `s`, with each of `y`, score `t`: (N, M). `along` are x.s and y.t."""
    square = torch.cdist(x, y).square()
    q = c * c + square
    # s.grad_y k + t.grad_x k = (s - t).(x - y) q^-3/2, as grad_x k = -(x - y) q^-3/2
    lean = x_along[:, None] - s @ y.T - x @ t.T + y_along[None]
    trace = x.shape[1] * q**-1.5 - 3 * square * q**-2.5
    return (s @ t.T) * q**-0.5 + lean * q**-1.5 + trace

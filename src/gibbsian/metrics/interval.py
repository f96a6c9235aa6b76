"""Intervals for means, shares and any statistic of samples.

    mean        m +- z s / sqrt(n), s with n - 1
    share       Wilson (1927): the shares q with |p - q| <= z sqrt(q (1 - q) / n)
    statistic   t +- z sd*(t), sd* over bootstrap draws of the rows (Efron 1979)

The bootstrap gives only the spread. A percentile interval would be wrong for distances between
distributions: drawing rows again makes them larger, so that the interval misses the estimate.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..core.errors import UsageError
from .arrays import table


@dataclass(frozen=True)
class Interval:
    """An estimate and the ends of its interval of confidence `level`."""

    estimate: float
    low: float
    high: float
    level: float = 0.95

    @property
    def half_width(self) -> float:
        """Half of the interval's length."""
        return (self.high - self.low) / 2


def quantile(level: float) -> float:
    """z with P(|N(0, 1)| <= z) = `level`; raises `UsageError` unless 0 < level < 1.

    >>> round(quantile(0.95), 4)
    1.96
    """
    if not 0 < level < 1:
        raise UsageError(f"level is {level}: it must lie between 0 and 1, such as 0.95")
    return float(torch.special.ndtri(torch.tensor(0.5 + level / 2, dtype=torch.float64)))


def mean_interval(values: Tensor, level: float = 0.95) -> Interval:
    """The mean of independent `values` (N,), N at least 2."""
    x = table(values.reshape(-1, 1), "values")[:, 0]
    mean = float(x.mean())
    reach = quantile(level) * float(x.std()) / math.sqrt(len(x))
    return Interval(mean, mean - reach, mean + reach, level)


def share_interval(successes: int, n: int, level: float = 0.95) -> Interval:
    """The share `successes` / `n`, by Wilson's score interval: never outside [0, 1], right at 0 and 1."""
    if not 0 <= successes <= n or n < 1:
        raise UsageError(f"{successes} successes of {n}: expected 0 to n, and n at least 1")
    z2 = quantile(level) ** 2
    p = successes / n
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    reach = math.sqrt(z2 * (p * (1 - p) / n + z2 / (4 * n * n))) / (1 + z2 / n)
    return Interval(p, max(0.0, centre - reach), min(1.0, centre + reach), level)


def bootstrap_interval(
    statistic: Callable[..., float],
    *samples: Tensor,
    rng: torch.Generator,
    repeats: int = 100,
    level: float = 0.95,
) -> Interval:
    """`statistic(*samples)`, with the spread over `repeats` draws of each sample's rows with replacement."""
    if repeats < 2:
        raise UsageError(f"repeats is {repeats}: at least 2 are needed for a spread")
    estimate = float(statistic(*samples))
    again = [float(statistic(*(_resample(s, rng) for s in samples))) for _ in range(repeats)]
    reach = quantile(level) * float(torch.tensor(again, dtype=torch.float64).std())
    return Interval(estimate, estimate - reach, estimate + reach, level)


def _resample(x: Tensor, rng: torch.Generator) -> Tensor:
    return x[torch.randint(len(x), (len(x),), generator=rng)]

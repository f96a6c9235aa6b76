"""Whether means differ by more than their own spread: contrasts of independent means.

    L = sum w_i m_i,  var(L) = sum w_i^2 s_i^2 / n_i,  L +- t_nu sqrt(var(L))
    nu = var(L)^2 / sum (w_i^2 s_i^2 / n_i)^2 / (n_i - 1)

with weights that sum to 0 (B. L. Welch, The generalization of "Student's" problem when several different
population variances are involved, Biometrika 1947; F. E. Satterthwaite, An approximate distribution of
estimates of variance components, Biometrics Bulletin 1946). Variances may differ; nu is rounded down, so that
intervals are never too short for that.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from .interval import Interval, t_quantile


@dataclass(frozen=True)
class Mean:
    """A mean with its standard error, of `degrees` degrees of freedom; independent of others."""

    value: float
    error: float
    degrees: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Mean:
        """Of 2 or more independent values."""
        x = torch.tensor(values, dtype=torch.float64)
        return cls(float(x.mean()), float(x.std()) / math.sqrt(len(x)), len(x) - 1)

    @classmethod
    def from_interval(cls, found: Interval, n: int) -> Mean:
        """Of a mean of `n` >= 2 values, from its interval by Student's t (see `mean_interval`); of one that
        is cut at an end of its range, by its longer side.
        """
        reach = max(found.high - found.estimate, found.estimate - found.low)
        return cls(found.estimate, reach / t_quantile(found.level, n - 1), n - 1)


def contrast(terms: Sequence[tuple[float, Mean]], level: float = 0.95) -> Interval:
    """The sum of weights times means, with its interval; see the module.

    >>> contrast([(1, Mean(3.0, 0.0, 1)), (-1, Mean(1.0, 0.0, 1))]).estimate
    2.0
    """
    value = sum(w * mean.value for w, mean in terms)
    parts = [((w * mean.error) ** 2, mean.degrees) for w, mean in terms]
    variance = sum(part for part, _ in parts)
    if not variance > 0 or not math.isfinite(variance):
        return Interval(value, value - math.sqrt(variance), value + math.sqrt(variance), level)
    degrees = variance**2 / sum(part**2 / n for part, n in parts)
    reach = t_quantile(level, max(1, math.floor(degrees + 1e-9))) * math.sqrt(variance)
    return Interval(value, value - reach, value + reach, level)


def apart(found: Interval) -> bool:
    """Whether an interval lies on one side of 0."""
    return found.low > 0 or found.high < 0

"""Intervals for means, shares and any statistic of samples.

    mean        m +- t s / sqrt(n), s and Student's t with n - 1 (Student 1908): 2.78 s for 95 % of 5 values
    share       Wilson (1927): the shares q with |p - q| <= z sqrt(q (1 - q) / n)
    statistic   t +- z sd*(t), sd* over bootstrap draws of the rows (Efron 1979)
    statistics  t +- t sd*(t), sd* over random halves of the rows, for what looks at neighbours

The bootstrap gives only the spread. A percentile interval would be wrong for distances between
distributions: drawing rows again makes them larger, so that the interval misses the estimate. A row drawn
twice is its own nearest neighbour; halves are drawn without replacement, and the mean of such a half has the
deviation s / sqrt(n) of the mean of all n (Shao and Wu 1989), so that nothing needs to be rescaled.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ..core.errors import UsageError
from .arrays import table

EXACT, HALVES = 200, 20


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


def t_quantile(level: float, degrees: int) -> float:
    """t with P(|T| <= t) = `level` for Student's T of `degrees` >= 1 degrees of freedom.

    Up to 200 degrees by bisection of the finite sums for whole degrees (Abramowitz and Stegun 1964, 26.7.3
    and 26.7.4), beyond that by the expansion about the normal quantile (26.7.5). Raises `UsageError`
    for other arguments.

    >>> round(t_quantile(0.95, 4), 4)
    2.7764
    """
    z = quantile(level)
    if degrees < 1:
        raise UsageError(f"degrees of freedom are {degrees}: at least 1, so at least 2 values, are needed")
    if degrees > EXACT:
        first = (z**3 + z) / 4
        second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
        third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
        return z + first / degrees + second / degrees**2 + third / degrees**3
    low, high = 0.0, math.pi / 2
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if _t_probability(middle, degrees) < level else (low, middle)
    return math.sqrt(degrees) * math.tan(low)


def _t_probability(angle: float, degrees: int) -> float:
    """P(|T| <= sqrt(degrees) tan(angle)), `angle` in [0, pi/2]."""
    odd, cos = degrees % 2, math.cos(angle)
    term, total = (cos, 0.0) if odd else (1.0, 0.0)
    for k in range(1 + odd, degrees, 2):
        total += term
        term *= cos * cos * k / (k + 1)
    return 2 / math.pi * (angle + math.sin(angle) * total) if odd else math.sin(angle) * total


def mean_interval(values: Tensor, level: float = 0.95) -> Interval:
    """The mean of independent `values` (N,), N at least 2, as if they were normal."""
    x = table(values.reshape(-1, 1), "values")[:, 0]
    mean = float(x.mean())
    reach = t_quantile(level, len(x) - 1) * float(x.std()) / math.sqrt(len(x))
    return Interval(mean, mean - reach, mean + reach, level)


def share_interval(successes: int, n: int, level: float = 0.95) -> Interval:
    """The share `successes` / `n`, by Wilson's score interval: never outside [0, 1], right at 0 and 1."""
    if not 0 <= successes <= n or n < 1:
        raise UsageError(f"{successes} successes of {n}: expected 0 to n, and n at least 1")
    return _wilson(successes / n, n, level)


def _wilson(p: float, n: float, level: float) -> Interval:
    """The shares q with |p - q| <= z sqrt(q (1 - q) / n)."""
    z2 = quantile(level) ** 2
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    reach = math.sqrt(z2 * (p * (1 - p) / n + z2 / (4 * n * n))) / (1 + z2 / n)
    low, high = max(0.0, centre - reach), min(1.0, centre + reach)
    return Interval(p, low if p > 0 else 0.0, high if p < 1 else 1.0, level)


def mean_share_interval(shares: Tensor, level: float = 0.95) -> Interval:
    """The mean of independent `shares` (N,) in [0, 1]: Wilson's interval of as many trials as their spread
    leaves them worth, and of N where all are 0 or all are 1.
    """
    x = table(shares.reshape(-1, 1), "shares")[:, 0]
    p, n = float(x.mean()), float(len(x))
    if 0 < p < 1:
        n = max(n, p * (1 - p) / max(float(x.var()) / n, 1e-12)) if float(x.var()) else n
    return _wilson(p, n, level)


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
    drawn = ([s[torch.randint(len(s), (len(s),), generator=rng)] for s in samples] for _ in range(repeats))
    again = [float(statistic(*one)) for one in drawn]
    reach = quantile(level) * float(torch.tensor(again, dtype=torch.float64).std())
    return Interval(estimate, estimate - reach, estimate + reach, level)


def half_intervals(
    statistics: Callable[[Tensor], Mapping[str, float]],
    n: int,
    *,
    rng: torch.Generator,
    repeats: int = HALVES,
    level: float = 0.95,
) -> dict[str, Interval]:
    """Named `statistics` of all rows (a call with the numbers (n,) of rows), with their spread over `repeats`
    random halves without replacement; NaN where one is not finite, none for what a half has not.

    Raises `UsageError` with fewer than 4 rows or 2 repeats.
    """
    if n < 4 or repeats < 2:
        raise UsageError(f"{repeats} halves of {n} rows: take 2 halves or more, of 4 rows or more")
    whole = statistics(torch.arange(n))
    halves = [statistics(torch.randperm(n, generator=rng)[: n // 2]) for _ in range(repeats)]
    found, t = {}, t_quantile(level, repeats - 1)
    for name in (name for name in whole if all(name in half for half in halves)):
        reach = t * float(torch.tensor([half[name] for half in halves], dtype=torch.float64).std())
        found[name] = Interval(whole[name], whole[name] - reach, whole[name] + reach, level)
    return found


def require_draws(draws: int, n: int, least: int) -> None:
    """Raise `UsageError` unless there are draws enough for an interval, and samples enough for a measure."""
    if draws < 2 or n < least:
        raise UsageError(f"{draws} draws of n = {n}: take 2 draws or more, of {least} or more")

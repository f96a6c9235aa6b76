"""How well a score finds the outsiders, beside the area under the curve: precision, and alarms let through.

Scores mean here what they mean in `auroc`: higher is further outside. A row is accepted as inside if its
score is at most a threshold t, which gives

    recall(t)    = share of the inside accepted        FPR(t) = share of the outside accepted
    precision(t) = accepted and inside / accepted

    AUPR   = mean over the positives of the precision at their own score      (average precision)
    FPR95  = FPR at the smallest t that accepts 95 % of the inside

Equal scores are accepted together, so that ties have no order. AUPR depends on how many rows there are of
either kind (a score that says nothing has that of the share of positives): counts belong beside it. Either
kind can be the positive one. Intervals are by the bootstrap over both sets; at 0 and 1, where it has
hardly any spread, Wilson's for as many rows as the smaller set has.

The mean of several AUROCs with one inside in common has an interval of its own, since errors in the inside
are shared: its variance is that of the rows' mean standing (DeLong, DeLong and Clarke-Pearson 1988, whose
covariances these are), and so is that of the difference between two scores on the same rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor

from ..core.errors import UsageError
from .arrays import table
from .auroc import standings
from .interval import Interval, bootstrap_interval, quantile, share_interval

Kind = Literal["inside", "outside"]
Scores = tuple[Tensor, Sequence[Tensor]]
"""Of one score: that of the inside `(N,)`, and of every set outside `(M,)`."""


def aupr(
    inside: Tensor,
    outside: Tensor,
    *,
    rng: torch.Generator,
    positive: Kind = "inside",
    level: float = 0.95,
    repeats: int = 100,
) -> Interval:
    """Area under precision against recall of scores `inside` `(N,)`, `outside` `(M,)`, `positive` sought.

    Raises `UsageError` for scores as `auroc` does.
    """
    low, high = _column(inside, "scores inside"), _column(outside, "scores outside")
    if positive == "inside":
        return _bounded(_average_precision, low, high, rng, repeats, level)
    return _bounded(_average_precision, -high, -low, rng, repeats, level)


def fpr_at(
    inside: Tensor,
    outside: Tensor,
    *,
    rng: torch.Generator,
    recall: float = 0.95,
    level: float = 0.95,
    repeats: int = 100,
) -> Interval:
    """Share of `outside` `(M,)` accepted by the threshold that accepts a share `recall` of `inside` `(N,)`.

    Raises `UsageError` for a recall outside (0, 1], and for scores as `auroc` does.
    """
    if not 0 < recall <= 1:
        raise UsageError(f"recall is {recall}: it must lie above 0 and be at most 1, such as 0.95")
    low, high = _column(inside, "scores inside"), _column(outside, "scores outside")

    def share(a: Tensor, b: Tensor) -> float:
        # 0.95 * 1000 is 950.0000000000001 in floating point, which would ask for one row more.
        threshold = a.sort().values[math.ceil(recall * len(a) - 1e-9) - 1]
        return float((b <= threshold).double().mean())

    return _bounded(share, low, high, rng, repeats, level)


def mean_auroc(scores: Scores, *, level: float = 0.95) -> Interval:
    """Mean over sets of the AUROC of one score, the inside being the same rows for all."""
    return _mean(scores, None, level)


def auroc_gain(scores: Scores, others: Scores, *, level: float = 0.95) -> Interval:
    """By how much the mean AUROC of `scores` exceeds that of `others`, scores of the same rows.

    Raises `UsageError` if they are not of equally many rows.
    """
    sizes = [(len(inside), *map(len, outside)) for inside, outside in (scores, others)]
    if sizes[0] != sizes[1]:
        raise UsageError(f"two scores of {sizes[0]} and {sizes[1]} rows: give two of the same rows")
    return _mean(scores, others, level)


def _mean(scores: Scores, others: Scores | None, level: float) -> Interval:
    if not scores[1]:
        raise UsageError("no set outside: a mean AUROC needs at least one")
    below, above = _components(scores)
    if others is not None:
        other_below, other_above = _components(others)
        below, above = below - other_below, [a - b for a, b in zip(above, other_above, strict=True)]
    estimate = sum(float(a.mean()) for a in above) / len(above)
    spread = sum(float(a.var()) / len(a) for a in above) / len(above) ** 2
    variance = float(below.var()) / len(below) + spread
    if variance == 0 and others is None and estimate in (0.0, 1.0):
        n = min(len(below), sum(map(len, above)))
        return share_interval(round(estimate * n), n, level)
    reach = quantile(level) * math.sqrt(variance)
    bottom = 0.0 if others is None else -1.0
    return Interval(estimate, max(bottom, estimate - reach), min(1.0, estimate + reach), level)


def _components(scores: Scores) -> tuple[Tensor, list[Tensor]]:
    """Of every row inside its mean standing over the sets, and of every row outside its standing."""
    found = [standings(scores[0], outside) for outside in scores[1]]
    return torch.stack([inside for inside, _ in found]).mean(0), [outside for _, outside in found]


def _average_precision(positive: Tensor, negative: Tensor) -> float:
    """Positives are sought at low scores."""
    positive, negative = positive.sort().values, negative.sort().values
    right = torch.searchsorted(positive, positive, right=True)
    wrong = torch.searchsorted(negative, positive, right=True)
    return float((right.double() / (right + wrong)).mean())


def _bounded(
    statistic: Callable[[Tensor, Tensor], float],
    a: Tensor,
    b: Tensor,
    rng: torch.Generator,
    repeats: int,
    level: float,
) -> Interval:
    found = bootstrap_interval(statistic, a, b, rng=rng, repeats=repeats, level=level)
    if found.estimate in (0.0, 1.0):
        n = min(len(a), len(b))
        return share_interval(round(found.estimate * n), n, level)
    return Interval(found.estimate, max(0.0, found.low), min(1.0, found.high), level)


def _column(values: Tensor, what: str) -> Tensor:
    return table(values.reshape(-1, 1), what)[:, 0]

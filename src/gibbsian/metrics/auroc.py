"""How well one number tells two sets apart: the area under the receiver operating characteristic.

    AUROC  =  P(outside > inside) + P(outside = inside) / 2

for one score drawn from each set: 1 if every score outside is above every score inside, 1/2 if the score says
nothing, 0 if the order is reversed. The interval is that of E. DeLong, D. DeLong and D. Clarke-Pearson
(Biometrics 44, 1988): the statistic is a mean over each set of that score's standing in the other set, so
its variance is the sum of the variances of the two means. Where the sets do not overlap at all that variance
is 0, and Wilson's interval for as many successes in a row as the smaller set has scores is given instead.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .arrays import table
from .interval import Interval, quantile, share_interval


def auroc(inside: Tensor, outside: Tensor, level: float = 0.95) -> Interval:
    """AUROC of scores `inside` `(N,)` and `outside` `(M,)`, higher meaning outside, with DeLong's interval.

    Ties count one half. Raises `UsageError` with fewer than 2 scores of either kind, a score that is not
    finite, or a level outside (0, 1).
    """
    z = quantile(level)
    below, above = standings(inside, outside)
    area = float(above.mean())
    if area in (0.0, 1.0):
        n = min(len(below), len(above))
        return share_interval(round(area * n), n, level)
    reach = z * math.sqrt(float(above.var()) / len(above) + float(below.var()) / len(below))
    return Interval(area, max(0.0, area - reach), min(1.0, area + reach), level)


def standings(inside: Tensor, outside: Tensor) -> tuple[Tensor, Tensor]:
    """For each row inside `(N,)` the share of those outside above it, for each outside `(M,)` that below it.

    Equal ones count one half; float64, in the order of the rows. Either mean is the area. Raises `UsageError`
    as `auroc` does.
    """
    sides = {"scores inside": inside, "scores outside": outside}
    low, high = (table(v.reshape(-1, 1), name)[:, 0] for name, v in sides.items())
    return 1 - _standing(low, high.sort().values), _standing(high, low.sort().values)


def _standing(scores: Tensor, others: Tensor) -> Tensor:
    """For each of `scores`, the share of the sorted `others` below it, equal ones counted by half."""
    under = torch.searchsorted(others, scores)
    upto = torch.searchsorted(others, scores, right=True)
    return (under + upto).double() / (2 * len(others))

"""Are a classifier's probabilities right? Reliability, calibration error, log loss and Brier score.

    reliability   by bins of the confidence max_y p(y | x): mean confidence beside share of right answers
    ECE           sum over bins of n_b / n |accuracy_b - confidence_b|, in [0, 1]
    NLL           mean of -log p(y | x), in nats
    Brier         mean of sum_c (p(c | x) - [y = c])^2, in [0, 2]

NLL and Brier score are proper: in the mean the true p(y | x) alone makes them least. ECE is not (constant
shares of the classes have an ECE of 0), and is biased upwards, the more the fewer rows lie in a bin. Bins of
equal width (M. Naeini, G. Cooper, M. Hauskrecht, AAAI 2015; C. Guo et al., ICML 2017, arXiv 1706.04599) are
nearly empty where a network is seldom unsure; those of equal mass hold as many rows each.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import torch
from torch import Tensor

from ..core.errors import UsageError, unknown
from .arrays import table

Bins: TypeAlias = Literal["width", "mass"]
TOLERANCE = 1e-4


@dataclass(frozen=True)
class Reliability:
    """One entry a bin, all `(M,)` float64: ends `low`, `high`, `count` of rows, `confidence` and `accuracy`.

    The last two are means over the bin's rows, NaN where it has none.
    """

    low: Tensor
    high: Tensor
    count: Tensor
    confidence: Tensor
    accuracy: Tensor

    @property
    def gap(self) -> Tensor:
        """accuracy - confidence, `(M,)`, below 0 where the classifier is too sure; 0 for an empty bin."""
        return torch.where(self.count > 0, self.accuracy - self.confidence, 0.0)

    @property
    def error(self) -> float:
        """The expected calibration error."""
        return float((self.count / self.count.sum() * self.gap.abs()).sum())


def reliability(p: Tensor, y: Tensor, bins: int = 15, by: Bins = "width") -> Reliability:
    """Accuracy beside confidence in `bins` bins of the confidence.

    Args:
        p: probabilities `(N, C)`, rows that sum to 1.
        y: class numbers `(N,)`.
        by: "width": bins (k/M, (k+1)/M]; "mass": the sorted rows cut into `bins` parts whose sizes differ
            by 1 at most, rows of equal confidence in the order given; `low`, `high` are then the least and
            the largest confidence within.

    Raises:
        UsageError: other shapes, rows that are no probabilities, fewer than 1 bin, or more than rows by mass.
    """
    p = _checked(p, y)
    if by not in get_args(Bins):
        raise unknown("way to cut bins", by, get_args(Bins))
    if bins < 1 or (by == "mass" and bins > len(p)):
        raise UsageError(f"bins is {bins} for {len(p)} rows: take 1 or more, of equal mass at most one a row")
    confidence, answer = p.max(1)
    right = (answer == y).double()
    if by == "width":
        inner = torch.arange(1, bins, dtype=torch.float64) / bins
        place = torch.bucketize(confidence, inner)
        ends = torch.arange(bins + 1, dtype=torch.float64) / bins
        return _binned(confidence, right, place, ends[:-1], ends[1:])
    order = confidence.argsort(stable=True)
    parts = order.tensor_split(bins)
    place = torch.empty_like(order)
    place[order] = torch.repeat_interleave(torch.arange(bins), torch.tensor([len(part) for part in parts]))
    low, high = (torch.stack([confidence[part[end]] for part in parts]) for end in (0, -1))
    return _binned(confidence, right, place, low, high)


def calibration_error(p: Tensor, y: Tensor, bins: int = 15, by: Bins = "width") -> float:
    """The expected calibration error of `reliability`, in [0, 1]; the same arguments and errors.

    >>> calibration_error(torch.tensor([[0.75, 0.25], [0.75, 0.25]]), torch.tensor([0, 1]))
    0.25
    """
    return reliability(p, y, bins, by).error


def log_loss(scores: Tensor, y: Tensor) -> float:
    """Mean of -log p(y | x) in nats, `scores` `(N, C)` being log p(y | x) up to a constant a row (logits).

    Raises `UsageError` for other shapes, or scores that are not finite.
    """
    logs = table(scores, "the scores", rows=1).log_softmax(1)
    _check_labels(logs, y)
    return float(-logs.gather(1, y[:, None]).mean())


def brier_score(p: Tensor, y: Tensor) -> float:
    """Mean of sum_c (p(c | x) - [y = c])^2 of probabilities `(N, C)`, in [0, 2] (G. Brier, 1950).

    For two classes this is twice the score of the one class. Raises `UsageError` as `reliability` does.
    """
    p = _checked(p, y)
    return float((p - torch.nn.functional.one_hot(y, p.shape[1])).square().sum(1).mean())


def _binned(confidence: Tensor, right: Tensor, place: Tensor, low: Tensor, high: Tensor) -> Reliability:
    def summed(values: Tensor) -> Tensor:
        return torch.zeros(len(low), dtype=torch.float64).index_add(0, place, values)

    count = summed(torch.ones_like(confidence))
    return Reliability(low, high, count, summed(confidence) / count, summed(right) / count)


def _checked(p: Tensor, y: Tensor) -> Tensor:
    p = table(p, "the probabilities", rows=1)
    _check_labels(p, y)
    if float(p.min()) < 0 or float((p.sum(1) - 1).abs().max()) > TOLERANCE:
        raise UsageError("rows of probabilities lie in [0, 1] and sum to 1: take the softmax of scores first")
    return p


def _check_labels(p: Tensor, y: Tensor) -> None:
    if y.shape != (len(p),) or y.is_floating_point():
        raise UsageError(f"labels have shape {tuple(y.shape)}: give one class number a row, ({len(p)},)")
    if not 0 <= int(y.min()) <= int(y.max()) < p.shape[1]:
        raise UsageError(f"labels run from {int(y.min())} to {int(y.max())}: use 0 to {p.shape[1] - 1}")

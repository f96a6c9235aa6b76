"""Chains from images of one class under another.

    reached          share judged as the class asked for
    pixels           root mean square distance to the source image, on [0, 1]
    pixels, other    the same to another test image of the class asked for: how far chance would lead
    features         distance to the source in the features of a classifier, and to the other image likewise

Content is kept as far as the first distance is below the second. Means over the classes asked for, then over
source images, whose interval is of 95 % (Student's t).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ...core.random import derive, generator
from ...metrics.interval import Interval
from ...report.tables import over
from .chains import Setting, Sources


@dataclass(frozen=True, eq=False)
class Pairs:
    """What became of `n` source images under each of `targets`.

    `matrix` `(classes, targets)` are shares judged as the target; `x` `(targets, N, C, H, W)` in [0, 1].
    """

    targets: Sequence[int]
    n: int
    measures: dict[str, Interval]
    matrix: Tensor
    x: Tensor


def across(setting: Setting, begun: Sources, targets: Sequence[int]) -> Pairs:
    """Run every source image under every target class."""
    n, count = len(begun.x), len(targets)
    y = torch.tensor(targets).repeat_interleave(n)
    ends = setting.unit(setting.refined(begun.x.repeat(count, 1, 1, 1), y, "across"))
    start = setting.unit(begun.x).repeat(count, 1, 1, 1)
    other = _others(setting, y)
    values = {
        "reached": (setting.judged(ends).argmax(1) == y).double(),
        "pixels": _pixels(ends, start),
        "pixels, other": _pixels(other, start),
        "features": _apart(setting.seen(ends), setting.seen(start)),
        "features, other": _apart(setting.seen(other), setting.seen(start)),
    }
    crossed = (y != begun.y.repeat(count)).view(count, n)
    means = {key: _over_sources(v.view(count, n), crossed) for key, v in values.items()}
    reached = values["reached"].view(count, setting.classes, -1).mean(2).T
    return Pairs(targets, n, means, reached, ends.view(count, n, *ends.shape[1:]))


def _over_sources(values: Tensor, crossed: Tensor) -> Interval:
    """The mean of each source image over the targets of another class, then over images."""
    used = crossed.any(0)
    each = (values * crossed).sum(0)[used] / crossed.sum(0)[used]
    return over(each.tolist())


def _others(setting: Setting, y: Tensor) -> Tensor:
    """A random test image of each class in `y`, in [0, 1]."""
    test = setting.test
    assert test.y is not None
    rng, rows = generator(derive(setting.seed, "other")), torch.empty(len(y), dtype=torch.long)
    for c in y.unique().tolist():
        own, wanted = (test.y == c).nonzero()[:, 0], y == c
        rows[wanted] = own[torch.randint(len(own), (int(wanted.sum()),), generator=rng)]
    return test.batch(rows, 0.0, 1.0).x


def _pixels(a: Tensor, b: Tensor) -> Tensor:
    return (a - b).square().flatten(1).double().mean(1).sqrt()


def _apart(a: Tensor, b: Tensor) -> Tensor:
    return (a - b).double().norm(dim=1)

"""How near a restoration comes to the clean image, image by image.

    psnr       decibels, over the unknown pixels where some are known; at most that of rounding to 8 bits
    ssim       structural similarity of the whole image
    label      whether the judge, a classifier that no model has seen, answers with the true class
    original   whether it answers as on the clean image
    distance   between completions of one image: mean over pairs of the root mean square over unknown pixels
    differ     whether all completions of an image differ as 8-bit pictures

Images are in [0, 1]. Intervals are of 95 % over images: Student's t, and Wilson's for shares.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import torch
from torch import Tensor

from ...metrics.images import psnr, ssim
from ...metrics.interval import Interval, share_interval
from ...report.tables import over
from ..features import SmallNet

CEILING = 10 * math.log10(12 * 255**2)
"""PSNR of an image whose only error is that of 8 bits, 58.9 dB."""
SHARES = ("label", "original", "differ")
Values = Mapping[str, Tensor]


@dataclass(frozen=True, eq=False)
class Truth:
    """Clean images `x` `(N, C, H, W)` in [0, 1], their classes, where pixels were unknown, and the judge.

    `unknown` `(N, 1, H, W)` bool or None for all; `y` `(N,)` or None; `judge` or None without labels.
    """

    x: Tensor
    unknown: Tensor | None = None
    y: Tensor | None = None
    judge: SmallNet | None = None

    def values(self, restored: Tensor) -> dict[str, Tensor]:
        """Measures of `restored` `(N, C, H, W)`, each `(N,)`; of `(M, N, C, H, W)` their means over M."""
        if restored.dim() == 5:
            each = [self.values(one) for one in restored]
            return {key: torch.stack([v[key] for v in each]).mean(0) for key in each[0]}
        found = {
            "psnr": psnr(restored, self.x, self.unknown).clamp(max=CEILING),
            "ssim": ssim(restored, self.x),
        }
        if self.judge is None:
            return found
        answers = self.judge.answers(restored.clamp(0, 1), low=0.0, high=1.0)
        if self.y is not None:
            found["label"] = (answers == self.y).double()
        clean = self.judge.answers(self.x, low=0.0, high=1.0)
        return found | {"original": (answers == clean).double()}

    def diversity(self, completions: Tensor) -> dict[str, Tensor]:
        """`distance` and `differ` of `(M, N, C, H, W)`, each `(N,)` float64; none for a single completion."""
        pairs = list(combinations(completions, 2))
        if not pairs:
            return {}
        mask = torch.ones_like(self.x) if self.unknown is None else self.unknown.expand_as(self.x).float()
        distances = torch.stack([_distance(a, b, mask) for a, b in pairs])
        same = torch.stack([(_levels(a) == _levels(b)).flatten(1).all(1) for a, b in pairs])
        return {"distance": distances.mean(0), "differ": (~same).all(0).double()}


def _distance(a: Tensor, b: Tensor, mask: Tensor) -> Tensor:
    square = ((a - b).square() * mask).flatten(1).double().sum(1)
    return (square / mask.flatten(1).double().sum(1)).sqrt()


def _levels(x: Tensor) -> Tensor:
    return (x.clamp(0, 1) * 255).round().to(torch.uint8)


def intervals(values: Values) -> dict[str, Interval]:
    """Mean over images of every measure, with its interval."""
    return {key: _interval(key, v) for key, v in values.items()}


def differences(ours: Values, theirs: Values) -> dict[str, Interval]:
    """Mean over images of ours less theirs, paired image by image."""
    return {key: over((ours[key] - theirs[key]).tolist()) for key in ours if key in theirs}


def _interval(key: str, values: Tensor) -> Interval:
    if key in SHARES and bool(((values == 0) | (values == 1)).all()):
        return share_interval(int(values.sum()), len(values))
    return over(values.tolist())

"""How near a restoration comes to the clean image, beside what it has to beat, and the pictures.

    psnr       decibels, over the unknown pixels where some are known; at most that of rounding to 8 bits
    ssim       structural similarity of the whole image
    label      whether the judge, a classifier that no model has seen, answers with the true class
    original   whether it answers as on the clean image
    distance   between completions of one image: mean over pairs of the root mean square over unknown pixels
    differ     whether all completions of an image differ as 8-bit pictures

Baselines for hidden pixels are the nearest training image on the known ones, the mean of as many as there are
completions, the nearest of the class that chains were told, and the mean image; for noise, filters of
`metrics.images` as strong as is best on validation images. Images are in [0, 1]. Intervals are of 95 % over
images: Student's t, and Wilson's for shares.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import torch
from PIL import Image
from torch import Tensor

from ...metrics.images import median_filter, psnr, ssim, total_variation
from ...metrics.interval import Interval, share_interval
from ...report.pictures import beside, grid, to_uint8
from ...report.tables import over
from ..features import SmallNet
from .complete import Completed
from .corruption import GaussianNoise, HiddenPixels, SaltPepper
from .task import RestoreTask
from .training_images import TrainingImages

CEILING = 10 * math.log10(12 * 255**2)
"""PSNR of an image whose only error is that of 8 bits, 58.9 dB."""
SHARES = ("label", "original", "differ")
WEIGHTS = (0.01, 0.02, 0.04, 0.07, 0.1, 0.14, 0.2, 0.28, 0.4, 0.56, 0.8, 1.1)
"""Strengths of total variation that are tried, for pixels on [0, 1]."""
WINDOWS = (3.0, 5.0, 7.0)
"""Widths of the median filter."""
OURS, CORRUPTED = "ours", "damaged"
DRAWN = ("nearest", "TV", "switching median")
"""Baselines that the picture shows."""
ROWS, FILES = 10, 16
Values = Mapping[str, Tensor]
Rows = dict[str, dict[str, Interval]]


@dataclass(frozen=True, eq=False)
class CleanImages:
    """Clean images `x` `(N, C, H, W)` in [0, 1], their classes, where pixels were unknown, and the judge.

    `unknown` `(N, 1, H, W)` bool or None for all; `y` `(N,)` or None; `judge` or None without labels.
    """

    x: Tensor
    unknown: Tensor | None = None
    y: Tensor | None = None
    judge: SmallNet | None = None

    @staticmethod
    def of(task: RestoreTask, judge: SmallNet | None) -> CleanImages:
        """Those of a task that has them."""
        assert task.clean is not None
        known = None if task.corrupted.informative else task.corrupted.known
        return CleanImages(task.unit(task.clean), None if known is None else ~known, task.y, judge)

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


def baselines(
    task: RestoreTask,
    train: TrainingImages | None,
    validation: RestoreTask | None,
    y: Tensor | None,
    times: int = 1,
) -> tuple[dict[str, Tensor], dict[str, float]]:
    """Images `(N, C, H, W)` in [0, 1] by name, and the strengths of filters as `validation` images choose
    them. `y` `(N,)` are the labels that chains were told; `times` the completions of an image.
    """
    if isinstance(task.corruption, HiddenPixels):
        if train is None:
            return {}, {}
        near = train.nearest(task.corrupted, count=min(times, train.size))
        found = {"nearest": near[0], "mean fill": train.mean_fill(task.corrupted)}
        if times > 1:
            found["mean of nearest"] = near.mean(0)
        if y is not None and train.y is not None:
            found["nearest of class"] = train.nearest(task.corrupted, y)[0]
        return {name: task.unit(x) for name, x in found.items()}, {}
    noisy, found, strengths = task.noisy, {}, _strengths(task, validation)
    if isinstance(task.corruption, GaussianNoise):
        found["clamped"] = noisy.clamp(0, 1)
    if "TV" in strengths:
        found["TV"] = total_variation(noisy, strengths["TV"]).clamp(0, 1)
    if "median" in strengths:
        found["median"] = _median(noisy, strengths["median"])
    if isinstance(task.corruption, SaltPepper):
        outliers = replace(task.corruption, outlier_mask="outliers")
        suspects = outliers.suspected(task.corrupted.x, task.low, task.high)
        found["switching median"] = torch.where(suspects, median_filter(noisy), noisy)
    return found, strengths


def _strengths(task: RestoreTask, validation: RestoreTask | None) -> dict[str, float]:
    if validation is None or validation.clean is None:
        return {}
    noisy, clean = validation.noisy, validation.unit(validation.clean)
    found = {"TV": strongest(total_variation, WEIGHTS, noisy, clean)}
    if isinstance(task.corruption, SaltPepper):
        found["median"] = strongest(_median, WINDOWS, noisy, clean)
    return found


def _median(x: Tensor, size: float) -> Tensor:
    return median_filter(x, int(size))


def strongest(
    treat: Callable[[Tensor, float], Tensor], settings: Sequence[float], noisy: Tensor, clean: Tensor
) -> float:
    """Of `settings` the one whose `treat(noisy, setting)` has the best mean PSNR; images in [0, 1]."""
    return max(settings, key=lambda s: float(psnr(treat(noisy, s).clamp(0, 1), clean).clamp(max=100).mean()))


def measured(
    task: RestoreTask, done: Completed, average: bool, others: Values, judge: SmallNet | None
) -> tuple[Rows, Rows]:
    """Measures by row, and ours less the others, paired image by image. Ours is the mean over completions of
    their measures, or with `average` the measure of their mean.
    """
    clean, x, mean = CleanImages.of(task, judge), task.unit(done.x), task.unit(done.average)
    values = {OURS: clean.values(mean if average else x)}
    if len(x) > 1:
        values["ours averaged"] = clean.values(mean)
        values["ours likeliest"] = clean.values(task.unit(done.likeliest))
    theirs = {name: clean.values(one) for name, one in {CORRUPTED: task.noisy, **others}.items()}
    rows = {name: intervals(v) for name, v in (values | theirs).items()}
    rows[OURS] |= intervals(clean.diversity(x))
    return rows, {name: differences(values[OURS], v) for name, v in theirs.items()}


def drawn(task: RestoreTask, done: Completed, average: bool, others: Values) -> dict[str, Image.Image]:
    """The picture "restore", and the restored images one by one: of data sets the first 16."""
    x, mean = task.unit(done.x), task.unit(done.average)
    columns = {} if task.clean is None else {"original": task.unit(task.clean)}
    columns |= {CORRUPTED: task.noisy, **{f"ours {k}": one for k, one in enumerate(x, 1)}}
    columns |= {"average": mean} if len(x) > 1 else {}
    columns |= {name: one for name, one in others.items() if name in DRAWN}
    sheet = beside([grid(to_uint8(x[:ROWS], 0.0, 1.0), 1) for x in columns.values()], list(columns))
    names = [f"restored/{name}" for name in task.names[: FILES if task.clean is not None else None]]
    return {"restore": sheet, **_files(mean[None] if average else x, names)}


def _files(x: Tensor, names: Sequence[str]) -> dict[str, Image.Image]:
    """Completions `(M, N, C, H, W)` as pictures of their own size: NAME, or NAME-1, NAME-2, ..."""
    found = {}
    for k, one in enumerate(x, 1):
        for name, pixels in zip(names, to_uint8(one[: len(names)], 0.0, 1.0), strict=True):
            found[name if len(x) == 1 else f"{name}-{k}"] = Image.fromarray(pixels)
    return found

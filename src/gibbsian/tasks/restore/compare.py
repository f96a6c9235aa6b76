"""A restoration beside its baselines: the rows of the table, and the pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from PIL import Image
from torch import Tensor

from ...data.dataset import Dataset
from ...metrics.images import median_filter, total_variation
from ...metrics.interval import Interval
from ..features import SmallNet
from .baselines import WEIGHTS, WINDOWS, Gallery, strongest
from .complete import Completed
from .damage import Gaussian, Hidden, SaltPepper
from .job import Job
from .measures import differences, intervals
from .pictures import FILES, before_after, files

OURS, DAMAGED = "ours", "damaged"
DRAWN = ("nearest", "TV", "switching median")
"""Baselines that the picture shows."""
Rows = dict[str, dict[str, Interval]]


def baselines(
    job: Job, gallery: Gallery | None, held: tuple[Job, Dataset] | None, y: Tensor | None, times: int = 1
) -> tuple[dict[str, Tensor], dict[str, float]]:
    """Images `(N, C, H, W)` in [0, 1] by name, and the strengths of filters as `held` images choose them.

    `y` `(N,)` are the labels that chains were told: the nearest image then stands there with and without.
    Of several completions, `times`, the mean of as many nearest images stands there too.
    """
    if isinstance(job.damage, Hidden):
        if gallery is None:
            return {}, {}
        near = gallery.nearest(job.damaged, count=min(times, gallery.size))
        found = {"nearest": near[0], "mean fill": gallery.mean_fill(job.damaged)}
        if times > 1:
            found["mean of nearest"] = near.mean(0)
        if y is not None and gallery.y is not None:
            found["nearest of class"] = gallery.nearest(job.damaged, y)[0]
        return {name: job.unit(x) for name, x in found.items()}, {}
    found, strengths = {}, _strengths(job, held)
    if isinstance(job.damage, Gaussian):
        found["clamped"] = job.noisy.clamp(0, 1)
    if "TV" in strengths:
        found["TV"] = total_variation(job.noisy, strengths["TV"]).clamp(0, 1)
    if "median" in strengths:
        found["median"] = _median(job.noisy, strengths["median"])
    if isinstance(job.damage, SaltPepper):
        suspects = replace(job.damage, marks="outliers").marked(job.damaged.x, job.low, job.high)
        found["switching median"] = torch.where(suspects, median_filter(job.noisy), job.noisy)
    return found, strengths


def _strengths(job: Job, held: tuple[Job, Dataset] | None) -> dict[str, float]:
    if held is None or held[0].clean is None:
        return {}
    noisy, clean = held[0].noisy, held[0].unit(held[0].clean)
    found = {"TV": strongest(total_variation, WEIGHTS, noisy, clean)}
    if isinstance(job.damage, SaltPepper):
        found["median"] = strongest(_median, WINDOWS, noisy, clean)
    return found


def _median(x: Tensor, size: float) -> Tensor:
    return median_filter(x, int(size))


def measured(
    job: Job, done: Completed, average: bool, others: Mapping[str, Tensor], judge: SmallNet | None
) -> tuple[Rows, Rows]:
    """Measures by row, and ours less the others, paired image by image. Ours is the mean over completions of
    their measures, or with `average` the measure of their mean.
    """
    truth, x = job.truth(judge), job.unit(done.x)
    mean = job.unit(done.average)
    values = {OURS: truth.values(mean if average else x)}
    if len(x) > 1:
        values["ours averaged"] = truth.values(mean)
        values["ours likeliest"] = truth.values(job.unit(done.likeliest))
    theirs = {name: truth.values(one) for name, one in {DAMAGED: job.noisy, **others}.items()}
    rows = {name: intervals(v) for name, v in (values | theirs).items()}
    rows[OURS] |= intervals(truth.diversity(x))
    return rows, {name: differences(values[OURS], v) for name, v in theirs.items()}


def drawn(job: Job, done: Completed, average: bool, others: Mapping[str, Tensor]) -> dict[str, Image.Image]:
    """The picture "restore", and the restored images one by one: of data sets the first 16."""
    x, mean = job.unit(done.x), job.unit(done.average)
    columns = {} if job.clean is None else {"original": job.unit(job.clean)}
    columns |= {DAMAGED: job.noisy, **{f"ours {k}": one for k, one in enumerate(x, 1)}}
    columns |= {"average": mean} if len(x) > 1 else {}
    columns |= {name: one for name, one in others.items() if name in DRAWN}
    names = [f"restored/{name}" for name in job.names[: FILES if job.clean is not None else None]]
    return {"restore": before_after(columns), **files(mean[None] if average else x, names)}

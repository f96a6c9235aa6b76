"""Restoring images of a data set, or files, and measuring what came of it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from ...core.errors import UsageError
from ...core.random import derive, generator
from ...data.dataset import Dataset
from ...models.model import EnergyModel, device_of
from ..progress import Advance, silent
from .baselines import Gallery
from .compare import baselines, drawn, measured
from .complete import Completed, complete
from .damage import Damage
from .how import USUAL, How
from .job import Job, classifier, images, job_of, set_aside, told
from .legs import own_steps
from .pictures import FILMED, film
from .record import Restored, energy_lists
from .tune import Tuned, choose

VALIDATION = 64
"""Validation images by which filters and settings are chosen."""


def restore(
    model: EnergyModel,
    data: str,
    damage: Damage,
    how: How = USUAL,
    *,
    n: int = 64,
    label: str = "none",
    tune: bool = False,
    seed: int = 0,
    data_dir: str | Path | None = None,
    progress: Advance = silent,
) -> Restored:
    """Damage `n` test images of `data`, restore them, and measure against the clean ones.

    Args:
        label: what a conditional model is told: "none" (the class of least energy at every step), "true" (the
            data's), or the number of a class.
        tune: choose steps, step factor and tether by 64 validation images.

    Raises:
        UsageError: data without images of the model's shape, n below 2, labels that the model does not have.
        DataError: data that cannot be read.
    """
    test, train = (images(model, data, split, data_dir) for split in ("test", "train"))
    if not 2 <= n <= len(test):
        raise UsageError(f"n is {n}: intervals need 2 images or more, and {data} has {len(test)} test images")
    job = job_of(model, test, damage, n, seed)
    return _done(model, job, how, train, label, tune, seed, progress)


def restore_images(
    model: EnergyModel,
    x: Tensor,
    names: Sequence[str],
    damage: Damage,
    how: How = USUAL,
    *,
    clean: bool = False,
    data: str = "",
    label: str = "none",
    tune: bool = False,
    seed: int = 0,
    data_dir: str | Path | None = None,
    progress: Advance = silent,
) -> Restored:
    """Restore images `x` `(N, C, H, W)` in the model's range, `names` them for their files.

    They came damaged, unless `clean`: then they are damaged first, and the result is measured (2 images or
    more). `data` is where training and validation images come from, for starts, baselines and `tune`.
    """
    if clean and len(x) < 2:
        raise UsageError("one clean image gives no interval: take 2 or more, or leave out --clean")
    train = images(model, data, "train", data_dir) if data else None
    low, high = model.spec.low, model.spec.high
    damaged = (damage.done if clean else damage.found)(x, low, high, generator(derive(seed, "damage")))
    job = Job(damage, damaged, low, high, "files", x if clean else None, None, names)
    return _done(model, job, how, train, label, tune, seed, progress)


def _done(
    model: EnergyModel,
    job: Job,
    how: How,
    train: Dataset | None,
    label: str,
    tune: bool,
    seed: int,
    progress: Advance,
) -> Restored:
    y = told(model, label, job.y, len(job))
    held = set_aside(model, train, job.damage, VALIDATION, seed)
    tuned = _tuned(model, held, how, label, seed, progress) if tune else None
    how = tuned.how if tuned else how
    gallery = None if train is None else Gallery.of(train, job.low, job.high)
    device, began = device_of(model), time.monotonic()
    done = complete(
        model,
        job.damaged.to(device),
        how,
        rng=generator(derive(seed, "chain"), device),
        y=y,
        gallery=gallery,
        shown=FILMED,
        progress=lambda made, total: progress(made, total, "chains"),
    )
    seconds = time.monotonic() - began
    others, strengths = baselines(job, gallery, held, y, how.completions)
    judge = classifier(train, "judge") if job.clean is not None else None
    rows, versus = ({}, {}) if job.clean is None else measured(job, done, how.average, others, judge)
    return Restored(
        data=job.source,
        n=len(job),
        seed=seed,
        damage=job.damage.name,
        how=_taken(model, how, done),
        label=label,
        seconds=seconds,
        device=str(device),
        rows=rows,
        versus=versus,
        energies=energy_lists(done.energy),
        strengths=strengths,
        judge=judge.name if judge else "",
        tuned=tuned,
        pictures=drawn(job, done, how.average, others),
        films={"restore": film(done, job.low, job.high)} if done.frames else {},
    )


def _tuned(
    model: EnergyModel, held: tuple[Job, Dataset] | None, how: How, label: str, seed: int, progress: Advance
) -> Tuned:
    """Hidden pixels by the agreement of a classifier that is not the judge, the rest by PSNR."""
    if held is None:
        raise UsageError("--tune needs validation images: name a data set with --data")
    job, rest = held
    net = None if job.damaged.telling else classifier(rest, "features")
    truth, key = job.truth(net), "psnr" if net is None else "label"

    def score(x: Tensor) -> float:
        return float(truth.values(job.unit(x.mean(0) if how.average else x))[key].mean())

    return choose(
        model,
        job.damaged.to(device_of(model)),
        how,
        score,
        "PSNR" if net is None else f"classes agreed by {net.name}",
        y=told(model, label, job.y, len(job)),
        gallery=Gallery.of(rest, job.low, job.high),
        seed=seed,
        progress=progress,
    )


def _taken(model: EnergyModel, how: How, done: Completed) -> How:
    """The choices as they were made."""
    own = own_steps(model, generator(0, device_of(model)))
    steps = None if done.way == "tweedie" else how.steps or own
    return replace(how, way=done.way, steps=steps, completions=len(done.x))

"""Restoring images of a data set, or files, and what came of it: measures, choices, pictures."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from ...core.errors import UsageError
from ...core.random import derive, generator
from ...data.dataset import Dataset
from ...data.given import given_images, image_paths
from ...data.own import Given
from ...models.model import EnergyModel, device_of
from ...report.pictures import film_frames, grid, to_uint8
from ..features import SmallNet, classifier_for
from ..parts import images_of, model_of, name_of
from ..progress import Advance, silent
from .complete import Completed, Tuned, choose, complete
from .corruption import Corruption, HiddenPixels, in_words
from .measure import CleanImages, baselines, drawn, measured
from .methods import own_steps
from .record import Restored
from .task import DEFAULT, RestoreConfig, RestoreTask, labels_for, restore_task, validation_task
from .training_images import TrainingImages, in_range

TEST, VALIDATION, FILMED = 64, 64, 16
"""Test images, validation images by which filters and settings are chosen, and images on film."""


def restore(
    model: EnergyModel | str | Path,
    data: Given | None,
    corruption: Corruption | str,
    config: RestoreConfig = DEFAULT,
    *,
    image: str | Path | None = None,
    n: int | None = None,
    label: str = "none",
    tune: bool = False,
    seed: int = 0,
    data_dir: str | Path | None = None,
    progress: Advance = silent,
) -> Restored:
    """Corrupt `n` test images of `data`, 64 or all of fewer by default, restore them, and measure against the
    clean ones; or restore `image`, which came corrupted: `gibbsian.restore(model, None, "mask.png",
    image="photo.png")`.

    Args:
        data: anything that `gibbsian.dataset` takes; images of one's own come in the model's size and colour.
            With `image` it is where training images come from, for starts and baselines, and may be None.
        image: a file or a folder of images, cut and resampled to the model's size, as masks of theirs are.
        corruption: as an object, or in words: a mask such as "bottom" or "mask.png", or a noise such as
            "gaussian:0.3".
        label: what a conditional model is told: "none" (the class of least energy at every step), "true" (the
            data's), or the number of a class.
        tune: choose steps, step factor and data weight by 64 validation images.

    Raises:
        UsageError: data without images of the model's shape, n below 2, labels that the model does not have.
        DataError: data that cannot be read.
    """
    model = model_of(model)
    if image is not None:
        spec, like = model.spec, model.record.data if model.record else ""
        x, names = given_images(image, spec.event_shape, low=spec.low, high=spec.high, fit=True, like=like)
        corruption = in_words(corruption)
        if isinstance(corruption, HiddenPixels):
            corruption = replace(corruption, fit=True, photos=tuple(image_paths(image)))
        return restore_images(
            model, x, names, corruption, config, data=data, label=label, tune=tune, seed=seed,
            data_dir=data_dir, progress=progress,
        )  # fmt: skip
    if data is None:
        raise UsageError("say what to restore: a data set, or image=, a file or a folder of your own")
    test, train = (images_of(model, data, split, data_dir) for split in ("test", "train"))
    n = min(TEST, len(test)) if n is None else n
    if not 2 <= n <= len(test):
        said = f"{name_of(data)} has {len(test)} test images"
        raise UsageError(f"n is {n}: intervals need 2 images or more, and {said}")
    task = restore_task(model, test, in_words(corruption), n, seed)
    return _restored(model, task, config, train, label, tune, seed, progress)


def restore_images(
    model: EnergyModel,
    x: Tensor,
    names: Sequence[str],
    corruption: Corruption | str,
    config: RestoreConfig = DEFAULT,
    *,
    clean: bool = False,
    data: Given | None = None,
    label: str = "none",
    tune: bool = False,
    seed: int = 0,
    data_dir: str | Path | None = None,
    progress: Advance = silent,
) -> Restored:
    """Restore images `x` `(N, C, H, W)` in the model's range, `names` them for their files.

    They came corrupted, unless `clean`: then they are corrupted first, and the result is measured (2 images
    or more). `data` is where training and validation images come from, for starts, baselines and `tune`.
    """
    if clean and len(x) < 2:
        raise UsageError("one clean image gives no interval: take 2 or more, or leave out --clean")
    train = images_of(model, data, "train", data_dir) if data is not None and name_of(data) else None
    corruption = in_words(corruption)
    low, high, rng = model.spec.low, model.spec.high, generator(derive(seed, "damage"))
    corrupted = (corruption.apply if clean else corruption.observed)(x, low, high, rng)
    task = RestoreTask(corruption, corrupted, low, high, "files", x if clean else None, None, names)
    return _restored(model, task, config, train, label, tune, seed, progress)


def _restored(
    model: EnergyModel,
    task: RestoreTask,
    config: RestoreConfig,
    train: Dataset | None,
    label: str,
    tune: bool,
    seed: int,
    progress: Advance,
) -> Restored:
    classes = () if train is None else train.classes
    y, device = labels_for(model, label, task.y, len(task), classes), device_of(model)
    held = None if train is None else validation_task(model, train, task.corruption, VALIDATION, seed)
    tuned = None
    if tune:
        config, tuned = _tuned(model, held, config, label, seed, progress)
    known = None if train is None else TrainingImages.of(train, task.low, task.high)
    rng, began = generator(derive(seed, "chain"), device), time.monotonic()
    done = complete(
        model, task.corrupted.to(device), config, rng=rng, y=y, train=known, shown=FILMED,
        progress=lambda made, total: progress(made, total, "chains"),
    )  # fmt: skip
    seconds = time.monotonic() - began
    left = (task.corrupted.x - in_range(model, task.corrupted.x)).abs() > 0
    notes = () if train is None or task.source == "files" else train.notes
    if bool(left.any()) and done.method == "chain" and (config.start or "given") == "given":
        share = float(left.float().mean())
        notes += (
            f"{share:.0%} of the values lie beyond {task.low:g} to {task.high:g}, where the energy was not "
            "trained: chains begin at them clamped",
        )
    others, strengths = baselines(task, known, held[0] if held else None, y, config.completions)
    judge = None if task.clean is None else _classifier(train, "judge")
    rows, versus = ({}, {}) if task.clean is None else measured(task, done, config.average, others, judge)
    tops = [grid(to_uint8(x, task.low, task.high)) for x in done.frames]
    energies = [[float(e) for e in one] for one in done.energy.T]
    return Restored(
        task.source, len(task), seed, task.corruption.name, _taken(model, config, done), label, seconds,
        str(device), rows, versus, energies, strengths, judge.name if judge else "", task.names,
        notes, tuned,
        pictures=drawn(task, done, config.average, others),
        films={"restore": film_frames(tops, done.frame_energies)} if tops else {},
    )  # fmt: skip


def _classifier(train: Dataset | None, role: str) -> SmallNet | None:
    """The "judge", or the "features" classifier, of labelled data."""
    return None if train is None or train.y is None else classifier_for(train, role=role)


def _tuned(
    model: EnergyModel,
    held: tuple[RestoreTask, Dataset] | None,
    config: RestoreConfig,
    label: str,
    seed: int,
    progress: Advance,
) -> tuple[RestoreConfig, Tuned]:
    """Hidden pixels by the agreement of a classifier that is not the judge, the rest by PSNR."""
    if held is None:
        raise UsageError("--tune needs validation images: name a data set with --data")
    task, rest = held
    net = None if task.corrupted.informative else _classifier(rest, "features")
    clean, key = CleanImages.of(task, net), "psnr" if net is None else "label"

    def score(x: Tensor) -> float:
        return float(clean.values(task.unit(x.mean(0) if config.average else x))[key].mean())

    return choose(
        model,
        task.corrupted.to(device_of(model)),
        config,
        score,
        "PSNR" if net is None else f"classes agreed by {net.name}",
        y=labels_for(model, label, task.y, len(task), rest.classes),
        train=TrainingImages.of(rest, task.low, task.high),
        seed=seed,
        progress=progress,
    )


def _taken(model: EnergyModel, config: RestoreConfig, done: Completed) -> RestoreConfig:
    """The choices as they were made."""
    own = own_steps(model, generator(0, device_of(model)))
    steps = None if done.method == "tweedie" else config.steps or own
    return replace(config, method=done.method, steps=steps, completions=len(done.x))

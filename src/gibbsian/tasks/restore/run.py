"""Restoring images of a data set, or files, and what came of it: measures, choices, pictures."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from PIL import Image
from torch import Tensor

from ...core.errors import UsageError
from ...core.random import derive, generator
from ...core.show import tables
from ...data.dataset import Dataset
from ...models.model import EnergyModel, device_of
from ...report.pictures import film_frames, grid, to_uint8
from ...report.plots import bars, panels
from ...report.tables import cell, plain_rows, rows_table
from ..features import SmallNet, classifier_for
from ..images import images_of
from ..progress import Advance, silent
from .complete import Completed, Tuned, choose, complete
from .corruption import Corruption
from .measure import CleanImages, Rows, baselines, drawn, measured
from .methods import own_steps
from .task import DEFAULT, RestoreConfig, RestoreTask, labels_for, restore_task, validation_task
from .training_images import TrainingImages

VALIDATION, FILMED = 64, 16
"""Validation images by which filters and settings are chosen, and images on film."""


@dataclass(frozen=True)
class Restored:
    """`n` images restored.

    Attributes:
        config: as the chains were run, with the method and steps that were taken.
        rows: measures of ours and of what stands beside, empty where the clean images are unknown.
        versus: ours less every other row, paired image by image.
        energies: neg_log_prob of the completions of every image, `(M)` each.
        strengths: of the filters, by name, as chosen on validation images.
        judge: the classifier behind `label` and `original`.
    """

    data: str
    n: int
    seed: int
    corruption: str
    config: RestoreConfig
    label: str
    seconds: float
    device: str
    rows: Rows
    versus: Rows
    energies: Sequence[Sequence[float]]
    strengths: Mapping[str, float] = field(default_factory=dict)
    judge: str = ""
    tuned: Tuned | None = None
    pictures: Mapping[str, Image.Image] = field(default_factory=dict, repr=False)
    films: Mapping[str, Sequence[Image.Image]] = field(default_factory=dict, repr=False)

    __repr__ = tables

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        same = ("data", "n", "seed", "corruption", "label", "device", "judge")
        return {
            **{name: getattr(self, name) for name in same},
            "config": asdict(self.config),
            "seconds": round(self.seconds, 2),
            "strengths": dict(self.strengths),
            "tuned": self.tuned and self.tuned.to_dict(),
            "rows": plain_rows(self.rows),
            "ours_less": plain_rows(self.versus),
            "energies": [list(e) for e in self.energies],
        }

    def text(self) -> str:
        """What was done, the table, and the paired differences."""
        config = self.config
        head = (
            f"{self.corruption} of {self.n} images ({self.data}), seed {self.seed}: method {config.method}, "
            f"{config.steps or 'no'} steps x {config.step_factor:g}, data weight {config.data_weight:.3g}, "
            f"{config.completions} completions, label {self.label}, {self.seconds:.1f} s"
        )
        parts = [head] + ([self.tuned.text()] if self.tuned else [])
        if not self.rows:
            found = [", ".join(f"{e:.4g}" for e in one) for one in self.energies]
            return "\n".join([*parts, *(f"image {k}: energies {line}" for k, line in enumerate(found))])
        chosen = ", ".join(f"{name} {value:g}" for name, value in self.strengths.items())
        parts += ["", rows_table(self.rows), ""]
        parts += [f"filters as chosen on validation images: {chosen}"] if chosen else []
        for name, row in self.versus.items():
            shown = ", ".join(f"{key} {cell(v)}" for key, v in row.items() if key != "ssim")
            parts.append(f"ours less {name}: {shown}")
        return "\n".join(parts)

    def figures(self) -> dict[str, Any]:
        """A bar for every row: PSNR, and agreement with the true class where there is one."""
        if not self.rows:
            return {}
        titles = {"psnr": "PSNR, dB", "label": "judged as the true class", "original": "judged as before"}
        known = [key for key in titles if all(key in row for row in self.rows.values())]
        figure, places = panels(1, len(known))
        for key, place in zip(known, places, strict=True):
            bars(place, {name: row[key] for name, row in self.rows.items()}, titles[key], titles[key])
        return {"rows": figure}


def restore(
    model: EnergyModel,
    data: str,
    corruption: Corruption,
    config: RestoreConfig = DEFAULT,
    *,
    n: int = 64,
    label: str = "none",
    tune: bool = False,
    seed: int = 0,
    data_dir: str | Path | None = None,
    progress: Advance = silent,
) -> Restored:
    """Corrupt `n` test images of `data`, restore them, and measure against the clean ones.

    Args:
        label: what a conditional model is told: "none" (the class of least energy at every step), "true" (the
            data's), or the number of a class.
        tune: choose steps, step factor and data weight by 64 validation images.

    Raises:
        UsageError: data without images of the model's shape, n below 2, labels that the model does not have.
        DataError: data that cannot be read.
    """
    test, train = (images_of(model, data, split, data_dir) for split in ("test", "train"))
    if not 2 <= n <= len(test):
        raise UsageError(f"n is {n}: intervals need 2 images or more, and {data} has {len(test)} test images")
    task = restore_task(model, test, corruption, n, seed)
    return _restored(model, task, config, train, label, tune, seed, progress)


def restore_images(
    model: EnergyModel,
    x: Tensor,
    names: Sequence[str],
    corruption: Corruption,
    config: RestoreConfig = DEFAULT,
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

    They came corrupted, unless `clean`: then they are corrupted first, and the result is measured (2 images
    or more). `data` is where training and validation images come from, for starts, baselines and `tune`.
    """
    if clean and len(x) < 2:
        raise UsageError("one clean image gives no interval: take 2 or more, or leave out --clean")
    train = images_of(model, data, "train", data_dir) if data else None
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
    y, device = labels_for(model, label, task.y, len(task)), device_of(model)
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
    others, strengths = baselines(task, known, held[0] if held else None, y, config.completions)
    judge = None if task.clean is None else _classifier(train, "judge")
    rows, versus = ({}, {}) if task.clean is None else measured(task, done, config.average, others, judge)
    tops = [grid(to_uint8(x, task.low, task.high)) for x in done.frames]
    energies = [[float(e) for e in one] for one in done.energy.T]
    return Restored(
        task.source, len(task), seed, task.corruption.name, _taken(model, config, done), label, seconds,
        str(device), rows, versus, energies, strengths, judge.name if judge else "", tuned,
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
        y=labels_for(model, label, task.y, len(task)),
        train=TrainingImages.of(rest, task.low, task.high),
        seed=seed,
        progress=progress,
    )


def _taken(model: EnergyModel, config: RestoreConfig, done: Completed) -> RestoreConfig:
    """The choices as they were made."""
    own = own_steps(model, generator(0, device_of(model)))
    steps = None if done.method == "tweedie" else config.steps or own
    return replace(config, method=done.method, steps=steps, completions=len(done.x))

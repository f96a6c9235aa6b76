"""The images of one restoration: damaged, clean where that is known, and training images to compare with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from ...core.errors import UsageError
from ...core.random import derive, generator
from ...data.dataset import Dataset
from ...data.load import load
from ...data.names import entry
from ...models.model import EnergyModel, checked_labels
from ..features import SmallNet, classifier_for
from .damage import Damage, Damaged
from .measures import Truth


@dataclass(frozen=True, eq=False)
class Job:
    """`N` images in the range [low, high] of a model.

    `clean` `(N, C, H, W)` and classes `y` `(N,)` where they are known; `names` for files; `source` says where
    they come from.
    """

    damage: Damage
    damaged: Damaged
    low: float
    high: float
    source: str
    clean: Tensor | None = None
    y: Tensor | None = None
    names: Sequence[str] = field(default=(), repr=False)

    def __len__(self) -> int:
        return len(self.damaged)

    def unit(self, x: Tensor) -> Tensor:
        """Images of the model's range in [0, 1]."""
        return (x - self.low) / (self.high - self.low)

    @property
    def noisy(self) -> Tensor:
        """The damaged images in [0, 1], but for noise that leaves it."""
        return self.unit(self.damaged.x)

    def truth(self, judge: SmallNet | None) -> Truth:
        """What restored images are compared with; needs clean ones."""
        assert self.clean is not None
        hidden = self.damaged.known is not None and not self.damaged.telling
        unknown = ~self.damaged.known if hidden and self.damaged.known is not None else None
        return Truth(self.unit(self.clean), unknown, self.y, judge)


def job_of(model: EnergyModel, held: Dataset, damage: Damage, n: int, seed: int) -> Job:
    """`n` images of a data set, damaged; which ones and how depends on the seed alone."""
    low, high = model.spec.low, model.spec.high
    order = torch.randperm(len(held), generator=generator(derive(seed, "data")))[:n]
    batch = held.batch(order, low, high)
    damaged = damage.done(batch.x, low, high, generator(derive(seed, "damage")))
    names = [f"{int(k):05d}" for k in order]
    return Job(damage, damaged, low, high, f"{held.name} {held.split}", batch.x, batch.y, names)


def set_aside(
    model: EnergyModel, train: Dataset | None, damage: Damage, n: int, seed: int
) -> tuple[Job, Dataset] | None:
    """`n` validation images, damaged likewise, and the training rows without the validation part."""
    if train is None:
        return None
    line = entry(train.name)
    rest, held = train.split_off((line.validation if line else 0) or max(1, len(train) // 10))
    return job_of(model, held, damage, min(n, len(held)), derive(seed, "validation")), rest


def images(model: EnergyModel, data: str, split: str, data_dir: str | Path | None) -> Dataset:
    """A part of a data set; raises `UsageError` unless it holds images of the model's shape."""
    if len(model.spec.event_shape) != 3:
        raise UsageError(
            f"this model takes data of shape {model.spec.event_shape}, not images: nothing to restore"
        )
    found = load(data, split, data_dir=data_dir)
    if not found.is_image or found.event_shape != model.spec.event_shape:
        raise UsageError(
            f"{data} holds rows of shape {found.event_shape}, this model takes {model.spec.event_shape}: give "
            "images of the model's shape"
        )
    return found


def classifier(train: Dataset | None, role: str) -> SmallNet | None:
    """The "judge", or the "features" classifier, of labelled data."""
    return None if train is None or train.y is None else classifier_for(train, role=role)


def told(model: EnergyModel, label: str, truth: Tensor | None, n: int) -> Tensor | None:
    """The labels `(n,)` that chains are told: "none", "true" for those of the data, or the number of a class.

    Raises `UsageError` for ones that the model or the images do not have.
    """
    if label == "none":
        return None
    if label == "true":
        if truth is None:
            raise UsageError("--label true: these images have no labels; give a class, or leave it out")
        return checked_labels(model, n, truth)
    if not label.isdigit():
        raise UsageError(f"--label is '{label}': it must be none, true or the number of a class")
    return checked_labels(model, n, int(label))

"""Where images to translate come from, what translations are compared with, and how to tell them apart."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from ...core.errors import UsageError
from ...core.random import derive, generator
from ...core.spec import DataSpec
from ...data.dataset import Dataset, from_arrays
from ...data.images import fit_all
from ...data.load import load
from ...data.own import Given
from ...data.pairs import domains as domain_names
from ...data.pairs import two_domains
from ...models.model import EnergyModel
from ..features import SmallNet, classifier_for
from ..parts import name_of, part_of

SIDE = 32
"""Pixels a side, at most, of images that are told apart."""
UPDATES = 400
"""Of the nets that tell two domains apart."""


@dataclass(frozen=True, eq=False)
class Domains:
    """Training images of source and target, and the nets that tell them apart.

    Where the target is one class alone, `whole` is the set of all classes, which the features know apart.
    """

    source: Dataset
    target: Dataset
    whole: Dataset | None = None

    @cached_property
    def judge(self) -> SmallNet:
        """An independent net of two classes, source and target."""
        return classifier_for(self._both, "judge", updates=UPDATES)

    @cached_property
    def features(self) -> SmallNet:
        """The net whose features measure the distance."""
        whole = self.whole or self.target
        if whole.y is not None:
            return classifier_for(self._small(whole))
        return classifier_for(self._both, updates=UPDATES)

    def _small(self, data: Dataset) -> Dataset:
        if max(data.event_shape[1:]) <= SIDE:
            return data
        x = at_most(data.x, SIDE)
        return from_arrays(x, data.y, name=f"{data.name} at {SIDE}", classes=data.classes)

    @cached_property
    def _both(self) -> Dataset:
        n = min(len(self.source), len(self.target))
        x = torch.cat([at_most(part.take(n).x, SIDE) for part in (self.source, self.target)])
        y = torch.arange(2).repeat_interleave(n)
        name = f"{self.source.name} or {self.target.name}"
        return from_arrays(x, y, name=name, classes=("source", "target"))


@dataclass(frozen=True, eq=False)
class Source:
    """Test images `(n, C, H, W)` of the source, held-out ones of the target and the true pairs, if there are
    any, all in [-1, 1]; and the training images of both domains.
    """

    x: Tensor
    held: Tensor
    pairs: Tensor | None
    domains: Domains

    @property
    def name(self) -> str:
        """The source set."""
        return self.domains.source.name


def source_images(
    model: EnergyModel,
    trained_on: str,
    source: Given | None = None,
    *,
    n: int = 64,
    seed: int = 0,
    to: int | None = None,
    data_dir: str | Path | None = None,
) -> Source:
    """`n` test images to translate: of the data set `source`, or those beside the target's images in
    `trained_on` (facades, A:to:B). With the class `to`, held-out images of that class alone are the target.

    Raises `UsageError` where no source is known or no image of the class, `DataError` for missing sets.
    """
    train, test = (_beside(trained_on, source, split, model.spec, data_dir) for split in ("train", "test"))
    if train.event_shape != model.spec.event_shape:
        raise UsageError(
            f"{trained_on} holds images of {train.event_shape}: the model takes {model.spec.event_shape}"
        )
    order = torch.randperm(len(test), generator=generator(derive(seed, "data")))[:n]
    batch = test.batch(order)
    assert batch.cond is not None
    held, target = (_of_class(part, to) for part in (test, train))
    there = held.batch(torch.arange(len(held)))
    paired = source is None and domain_names(trained_on) is None
    domains = Domains(_conditions(train), _alone(target), _alone(train))
    return Source(batch.cond, there.x, batch.x if paired else None, domains)


def _beside(
    trained_on: str, source: Given | None, split: str, spec: DataSpec, data_dir: str | Path | None
) -> Dataset:
    """The target's images, with images of the source as conditions."""
    if source is None:
        both = load(trained_on, split, data_dir=data_dir)
        if both.cond is None:
            raise UsageError(
                f"{trained_on} holds no images of another domain: name a data set, a file or a folder with "
                "--images, such as --images mnist"
            )
        return both
    both_names = domain_names(trained_on)
    target = trained_on if both_names is None else both_names[1]
    here, there = (part_of(one, split, spec, data_dir=data_dir) for one in (source, target))
    return two_domains(here, there, f"{name_of(source)}:to:{target}")


def _conditions(both: Dataset) -> Dataset:
    names = domain_names(both.name)
    assert both.cond is not None
    return from_arrays(both.cond, name=names[0] if names else f"conditions of {both.name}")


def _alone(both: Dataset) -> Dataset:
    names = domain_names(both.name)
    return from_arrays(both.x, both.y, name=names[1] if names else both.name, classes=both.classes or None)


def _of_class(data: Dataset, to: int | None) -> Dataset:
    if to is None or data.y is None:
        return data
    rows = (data.y == to).nonzero().flatten()
    if not len(rows):
        raise UsageError(f"{data.name} holds no image of class {to}")
    return data.subset(rows)


def at_most(images: Tensor, side: int) -> Tensor:
    """uint8 images as a data set keeps them, resampled where they are larger."""
    if max(images.shape[1:3]) <= side:
        return images
    return torch.from_numpy(fit_all(images.numpy(), side, None))

"""Chains across classes, of all three kinds, on the test images of a data set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...core.errors import UsageError
from ...core.random import derive, generator
from ...models.model import EnergyModel, device_of
from ..features import classifier_for
from ..images import images_of
from ..progress import Advance, silent
from ..restore.methods import own_steps
from .chains import Setting, Sources, sources
from .pairs import across
from .record import CrossClass

MOST = 30
"""Classes up to which chains go from every class to every other."""


def crossclass(
    model: EnergyModel,
    data: str,
    *,
    per_class: int = 10,
    to: Sequence[int] | None = None,
    steps: int | None = None,
    seed: int = 0,
    data_dir: str | Path | None = None,
    progress: Advance = silent,
) -> CrossClass:
    """Start chains from `per_class` test images of every class.

    Args:
        to: classes under which they run; all by default.
        steps: of a chain; the model's own number by default.

    Raises:
        UsageError: a model without labels, data of another shape or number of classes, an unknown class,
            numbers too small for intervals.
        DataError: data that cannot be read.
    """
    return crossed(*prepared(model, data, per_class, steps, seed, data_dir, progress), to)


def prepared(
    model: EnergyModel,
    data: str,
    per_class: int,
    steps: int | None,
    seed: int,
    data_dir: str | Path | None,
    progress: Advance,
) -> tuple[Setting, Sources]:
    """The model with its judges, and `per_class` images of every class; raises as `crossclass` does."""
    classes = require_conditional(model)
    if per_class < 2 or (steps is not None and steps < 1):
        raise UsageError(f"n is {per_class}, steps {steps}: take 2 images a class, 1 step")
    test, train = (images_of(model, data, split, data_dir) for split in ("test", "train"))
    if train.y is None or len(train.classes) != classes:
        raise UsageError(
            f"{data} has {len(train.classes)} classes, this model {classes}: they must be the same"
        )
    own = own_steps(model, generator(derive(seed, "steps"), device_of(model)))
    judge, features = (classifier_for(train, role=role) for role in ("judge", "features"))
    setting = Setting(model, data, test, judge, features, steps or own, seed, progress)
    return setting, sources(setting, per_class)


def crossed(setting: Setting, begun: Sources, to: Sequence[int] | None) -> CrossClass:
    """Run every source image under the classes `to`, all by default, and measure where the chains end."""
    pairs, per_class = across(setting, begun, _targets(to, setting.classes)), begun.per_class
    return CrossClass(
        setting.data, per_class, setting.seed, setting.steps, setting.judge.name, setting.features.name,
        setting.test.classes, pairs, setting.unit(begun.x[::per_class]),
    )  # fmt: skip


def require_conditional(model: EnergyModel) -> int:
    """How many classes the model knows; raises `UsageError` where it knows none."""
    classes = int(model.spec.num_classes)
    if classes < 2:
        raise UsageError(
            f"this {type(model).__name__} has no labels, so no chain under a class: take jem, or igebm with "
            "net.classes > 0"
        )
    return classes


def _targets(to: Sequence[int] | None, classes: int) -> list[int]:
    if to is None and classes > MOST:
        raise UsageError(f"{classes} classes make {classes**2:,} pairs: name some classes with --to")
    wrong = [t for t in to or () if not 0 <= t < classes]
    if wrong:
        raise UsageError(f"class {wrong[0]} is unknown: this model has classes 0 to {classes - 1}")
    return list(range(classes)) if to is None else list(dict.fromkeys(to))

"""What a conditional energy does to images of another class: chains from test images of one under another.

    reached          share judged as the class asked for
    pixels           root mean square distance to the source image, on [0, 1]
    pixels, other    the same to another test image of the class asked for: how far chance would lead
    features         distance to the source in the features of a classifier, and to the other image likewise

Content is kept as far as the first distance is below the second. Means over the classes asked for, then over
source images, whose interval is of 95 % (Student's t; of `reached` Wilson's).

The protocol is that of Y. Du and I. Mordatch, Implicit generation and modeling with energy-based models
(NeurIPS 2019, arXiv 1903.08689), section 4.3; the judge is a classifier that no model has seen.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ...core.errors import UsageError
from ...core.random import derive, generator
from ...data.dataset import Dataset
from ...data.own import Given
from ...metrics.interval import Interval, mean_share_interval
from ...models.model import EnergyModel, device_of
from ...models.samples import run_stages
from ...nets.frozen import frozen
from ...report.tables import over
from ..features import SmallNet, classifier_for
from ..parts import images_of, model_of, name_of
from ..progress import Advance, silent
from ..restore.methods import own_steps
from .chain import class_targets, stages_from
from .class_record import CrossClass, Pairs

CHUNK = 512


@dataclass(frozen=True, eq=False)
class Setting:
    """A conditional model with what its chains are measured by.

    `test` are images of `data`, of its shape; `steps` of a chain; `judge` names classes, `features` measures
    distances.
    """

    model: EnergyModel
    data: str
    test: Dataset
    judge: SmallNet
    features: SmallNet
    steps: int
    seed: int
    progress: Advance

    @property
    def classes(self) -> int:
        """How many the model knows."""
        return int(self.model.spec.num_classes)

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return device_of(self.model)

    def rng(self, name: str) -> torch.Generator:
        """A stream of its own for each part, on the model's device."""
        return generator(derive(self.seed, name), self.device)

    def unit(self, x: Tensor) -> Tensor:
        """Images of the model's range in [0, 1], on the CPU."""
        pixels = self.model.spec
        return (x.cpu() - pixels.low) / (pixels.high - pixels.low)

    def judged(self, x: Tensor) -> Tensor:
        """Probabilities `(N, classes)` that the judge gives to images in [0, 1]."""
        return self.judge.probabilities(x, low=0.0, high=1.0)

    def seen(self, x: Tensor) -> Tensor:
        """Features `(N, F)` of images in [0, 1]."""
        return self.features.features(x, low=0.0, high=1.0)

    def refined(self, x: Tensor, y: Tensor, name: str) -> Tensor:
        """Where chains from `x` `(N, C, H, W)` under the labels `y` `(N,)` end, in the range of the model."""
        rng, ends, pixels = self.rng(name), [], self.model.spec
        with frozen(self.model):
            for first in range(0, len(x), CHUNK):
                begun, labels = (part[first : first + CHUNK].to(self.device) for part in (x, y))
                made = run_stages(
                    stages_from(self.model, begun, labels, rng, self.steps), rng,
                    progress=self._progress(first, len(begun), len(x), name),
                )  # fmt: skip
                with torch.no_grad():
                    ended = self.model.sampler().decode(made[-1].position)
                ends.append(ended.clamp(pixels.low, pixels.high))
        return torch.cat(ends)

    def _progress(self, first: int, n: int, total: int, name: str) -> Callable[[int, int], None]:
        return lambda made, steps: self.progress(first * steps + made * n, total * steps, name)


@dataclass(frozen=True, eq=False)
class Sources:
    """Test images `x` `(N, C, H, W)` in the model's range, as many of each class, with their labels `y`."""

    x: Tensor
    y: Tensor
    per_class: int


def sources(setting: Setting, per_class: int) -> Sources:
    """`per_class` test images of every class, class by class; raises `UsageError` where there are fewer."""
    test, pixels = setting.test, setting.model.spec
    assert test.y is not None
    rng, rows = generator(derive(setting.seed, "data")), []
    for c in range(setting.classes):
        own = (test.y == c).nonzero()[:, 0]
        if len(own) < per_class:
            raise UsageError(f"{test.name} has {len(own)} test images of class {c}: ask for no more with -n")
        rows.append(own[torch.randperm(len(own), generator=rng)[:per_class]])
    batch = test.batch(torch.cat(rows), pixels.low, pixels.high)
    return Sources(batch.x, test.y[torch.cat(rows)], per_class)


def crossclass(
    model: EnergyModel | str | Path,
    data: Given,
    *,
    per_class: int = 10,
    to: Sequence[int | str] | None = None,
    steps: int | None = None,
    seed: int = 0,
    data_dir: str | Path | None = None,
    progress: Advance = silent,
) -> CrossClass:
    """Start chains from `per_class` test images of every class.

    Args:
        data: anything that `gibbsian.dataset` takes, with labels.
        to: classes, as numbers or by the names of the data, under which they run; all by default.
        steps: of a chain; the model's own number by default.

    Raises:
        UsageError: a model without labels, data of another shape or number of classes, an unknown class,
            numbers too small for intervals.
        DataError: data that cannot be read.
    """
    return crossed(*prepared(model, data, per_class, steps, seed, data_dir, progress), to)


def prepared(
    model: EnergyModel | str | Path,
    data: Given,
    per_class: int,
    steps: int | None,
    seed: int,
    data_dir: str | Path | None,
    progress: Advance,
) -> tuple[Setting, Sources]:
    """The model with its judges, and `per_class` images of every class; raises as `crossclass` does."""
    model = model_of(model)
    classes = require_conditional(model)
    if per_class < 2 or (steps is not None and steps < 1):
        raise UsageError(f"n is {per_class}, steps {steps}: take 2 images a class, 1 step")
    test, train = (images_of(model, data, split, data_dir) for split in ("test", "train"))
    if train.y is None or len(train.classes) != classes:
        raise UsageError(
            f"{name_of(data)} has {len(train.classes)} classes, this model {classes}: they must be the same"
        )
    own = own_steps(model, generator(derive(seed, "steps"), device_of(model)))
    judge, features = (classifier_for(train, role=role) for role in ("judge", "features"))
    setting = Setting(model, name_of(data), test, judge, features, steps or own, seed, progress)
    return setting, sources(setting, per_class)


def crossed(setting: Setting, begun: Sources, to: Sequence[int | str] | None) -> CrossClass:
    """Run every source image under the classes `to`, all by default, and measure where the chains end."""
    pairs, per_class = (
        across(setting, begun, class_targets(to, setting.classes, setting.test.classes)),
        begun.per_class,
    )
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


def across(setting: Setting, begun: Sources, targets: Sequence[int]) -> Pairs:
    """Run every source image under every target class."""
    n, count = len(begun.x), len(targets)
    y = torch.tensor(targets).repeat_interleave(n)
    ends = setting.unit(setting.refined(begun.x.repeat(count, 1, 1, 1), y, "across"))
    start = setting.unit(begun.x).repeat(count, 1, 1, 1)
    other = _others(setting, y)
    of_start, of_ends, of_other = (setting.seen(x) for x in (start, ends, other))
    values = {
        "reached": (setting.judged(ends).argmax(1) == y).double(),
        "pixels": _pixels(ends, start),
        "pixels, other": _pixels(other, start),
        "features": (of_ends - of_start).double().norm(dim=1),
        "features, other": (of_other - of_start).double().norm(dim=1),
    }
    crossed = (y != begun.y.repeat(count)).view(count, n)
    means = {key: _over_sources(key, v.view(count, n), crossed) for key, v in values.items()}
    reached = values["reached"].view(count, setting.classes, -1).mean(2).T
    return Pairs(targets, n, means, reached, ends.view(count, n, *ends.shape[1:]))


def _over_sources(key: str, values: Tensor, crossed: Tensor) -> Interval:
    """The mean of each source image over the targets of another class, then over images."""
    used = crossed.any(0)
    each = (values * crossed).sum(0)[used] / crossed.sum(0)[used]
    return mean_share_interval(each) if key == "reached" else over(each.tolist())


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

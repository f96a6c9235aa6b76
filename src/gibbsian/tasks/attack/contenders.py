"""Who is attacked: baselines with the run's own network, and models, plain and refined, by name.

plain, trained by PGD     the network of the first model, trained to classify (see `baselines`)
NAME                      a model's logits
NAME + K steps            its answer after K steps of its own chain from the image
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ...core.errors import UsageError, unknown
from ...core.random import derive, generator
from ...data.dataset import Dataset
from ...models.capabilities import classifier
from ...models.model import EnergyModel, device_of
from ...nets.frozen import frozen
from .baselines import Kind, Training, baseline
from .offsets import ROWS, fit_offsets
from .refinement import DUPLICATES, REACH, Classifier, Plain, Refined
from .sweep import Threat, Watch

TITLES: dict[Kind, str] = {"plain": "plain", "pgd": "trained by PGD"}


@dataclass(frozen=True, eq=False)
class Contender:
    """A classifier with the module to freeze, the range of its pixels, and whether its model is joint."""

    name: str
    module: nn.Module
    classifier: Classifier
    box: tuple[float, float]
    joint: bool = False


@dataclass(frozen=True)
class Refinement:
    """How models move an image before they answer: the numbers of `steps` to try, 0 for not at all.

    `duplicates` chains are averaged, by default 5 for joint models and 1 for conditional ones; `noiseless`
    chains draw no noise; `offsets` fits one number a class where the model is not joint.
    """

    steps: tuple[int, ...] = (0, 10)
    duplicates: int | None = None
    noiseless: bool = False
    offsets: bool = True

    def __post_init__(self) -> None:
        if not self.steps or min(self.steps) < 0:
            raise UsageError(f"refine is {list(self.steps)}: give numbers of steps, 0 for none, such as 0,10")
        if self.duplicates is not None and self.duplicates < 1:
            raise UsageError(f"duplicates is {self.duplicates}: it must be at least 1")


@dataclass(frozen=True)
class Baselines:
    """Which baselines are trained, for how many `minutes` each (or `updates`); "pgd" on images attacked at
    `eps` in pixels of range 1. They are kept in `folder`."""

    kinds: tuple[Kind, ...] = ("plain", "pgd")
    minutes: float = 3.0
    eps: float = 0.1
    updates: int | None = None
    folder: Path | None = None


@dataclass(frozen=True, eq=False)
class Field:
    """What all contenders share: the data, the threat, and `about`, where it is noted how they came about."""

    train: Dataset
    test: Dataset
    threat: Threat
    about: dict[str, Any] = field(default_factory=lambda: {"baselines": {}, "offsets": {}})

    def images(self, contender: Contender) -> tuple[Tensor, Tensor]:
        """The images to attack `(n, *event)` in the contender's range, and their labels `(n,)`."""
        batch = self.test.batch(torch.arange(len(self.test)), *contender.box)
        batch = batch.to(next(contender.module.parameters()).device)
        assert batch.y is not None
        return batch.x, batch.y


def trained(
    model: EnergyModel, asked: Baselines, ground: Field, piece: Callable[[str], Watch]
) -> Iterator[Contender]:
    """The baselines one after another, with the network of `model`; `piece` begins a piece of progress."""
    if not asked.kinds:
        return
    threat, record = ground.threat, model.record
    net = None if record is None else dict(vars(record.config)).get("net")
    if net is None:
        raise UsageError(
            f"{type(model).__name__} has no energy network to train as a baseline: leave baselines out"
        )
    made = Training(net, box(model), asked.minutes, threat.norm, asked.eps, asked.updates, threat.seed)
    device = device_of(model)
    for kind in asked.kinds:
        watch = partial(_tell, piece(f"training: {TITLES[kind]}"))
        found = baseline(kind, ground.train, made, asked.folder, device=device, watch=watch)
        ground.about["baselines"][TITLES[kind]] = found.record
        yield Contender(TITLES[kind], found.net, Plain(found.net), made.box)


def entered(name: str, model: EnergyModel, asked: Refinement, ground: Field) -> Iterator[Contender]:
    """A model with every number of steps."""
    classes, (low, high) = len(ground.test.classes), box(model)
    offsets: Tensor | float = 0.0
    if asked.offsets and not model.joint:
        offsets = _fitted(name, model, ground)
    for steps in dict.fromkeys(asked.steps):
        if not steps:
            yield Contender(name, model, Plain(classifier(model).logits, offsets), (low, high), model.joint)
            continue
        duplicates = asked.duplicates or (DUPLICATES if model.joint else 1)
        reach = REACH * (high - low)
        refined = Refined(model, steps, classes, duplicates, reach, asked.noiseless, offsets)
        yield Contender(f"{name} + {steps} steps", model, refined, (low, high), model.joint)


def require_fitting(name: str, model: EnergyModel, data: Dataset) -> None:
    """Raise `UsageError` unless the model classifies images of this kind."""
    if not data.is_image or data.y is None:
        lacks = "has no labels" if data.is_image else "holds points, not images"
        raise UsageError(f"{data.name} {lacks}: attacks need labelled images, such as mnist")
    if tuple(model.spec.event_shape) != data.event_shape:
        raise UsageError(
            f"{name} was trained on data of shape {tuple(model.spec.event_shape)}, {data.name} has "
            f"{data.event_shape}: name its own data set with --data"
        )
    x = data.batch(torch.arange(1), *box(model)).x.to(device_of(model))
    with frozen(model), torch.no_grad():
        found = classifier(model).logits(x).shape[1]
    if found != len(data.classes):
        raise UsageError(
            f"{name} knows {found} classes, {data.name} has {len(data.classes)}: take its own data"
        )


def box(model: EnergyModel) -> tuple[float, float]:
    """The range of the model's pixels."""
    return model.spec.low, model.spec.high


def _fitted(name: str, model: EnergyModel, ground: Field) -> Tensor:
    """Offsets from some training images, noted."""
    rng = generator(derive(ground.threat.seed, "attack/offsets"))
    order = torch.randperm(len(ground.train), generator=rng)[:ROWS]
    batch = ground.train.batch(order, *box(model))
    assert batch.y is not None
    device = device_of(model)
    with frozen(model):
        found = fit_offsets(classifier(model).logits, batch.x.to(device), batch.y.to(device))
    ground.about["offsets"][name] = found.to_dict()
    return found.b


def _tell(watch: Watch, share: float) -> None:
    watch(share, "")


def picked(data: Dataset, n: int, classes: Sequence[str], seed: int) -> Dataset:
    """`n` rows of the named classes (of all, if none is named), drawn by the seed, or as many as there are.

    Raises `UsageError` for an unknown class, naming the nearest, and for n below 1.
    """
    if n < 1:
        raise UsageError(f"n is {n}: attack at least 1 image")
    for name in classes:
        if name not in data.classes:
            raise unknown(f"class of {data.name}", name, data.classes)
    order = torch.randperm(len(data), generator=generator(derive(seed, "attack/rows")))
    if classes and data.y is not None:
        wanted = torch.tensor([data.classes.index(name) for name in classes])
        order = order[torch.isin(data.y[order], wanted)]
    return data.subset(order[:n])

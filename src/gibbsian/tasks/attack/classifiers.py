"""What is attacked: the answers of a model, plain and refined, by name.

NAME                      the model's logits
NAME + K steps            its answer after K steps of its own chain from the image
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ...core.errors import UsageError, unknown
from ...core.random import derive, generator
from ...data.dataset import Dataset
from ...models.capabilities import classifier
from ...models.model import EnergyModel, device_of
from ...nets.frozen import frozen
from .refinement import DUPLICATES, REACH, Classifier, Plain, Refined


@dataclass(frozen=True, eq=False)
class Attacked:
    """A classifier with the module to freeze, the range of its pixels, and whether its model is joint."""

    name: str
    module: nn.Module
    classifier: Classifier
    box: tuple[float, float]
    joint: bool = False

    def images(self, data: Dataset) -> tuple[Tensor, Tensor]:
        """The images of `data` `(n, *event)` in the classifier's range, and their labels `(n,)`."""
        batch = data.batch(torch.arange(len(data)), *self.box)
        batch = batch.to(next(self.module.parameters()).device)
        assert batch.y is not None
        return batch.x, batch.y


@dataclass(frozen=True)
class Refinement:
    """How models move an image before they answer: the numbers of `steps` to try, 0 for not at all.

    `duplicates` chains are averaged, by default 5 for joint models and 1 for conditional ones; `noiseless`
    chains draw no noise.
    """

    steps: tuple[int, ...] = (0, 10)
    duplicates: int | None = None
    noiseless: bool = False

    def __post_init__(self) -> None:
        if not self.steps or min(self.steps) < 0:
            raise UsageError(f"refine is {list(self.steps)}: give numbers of steps, 0 for none, such as 0,10")
        if self.duplicates is not None and self.duplicates < 1:
            raise UsageError(f"duplicates is {self.duplicates}: it must be at least 1")


def classifiers_of(
    name: str, model: EnergyModel, classes: int, asked: Refinement, class_biases: Tensor | float = 0.0
) -> Iterator[Attacked]:
    """A model with every number of steps; `class_biases`, one a class, are added to its logits."""
    low, high = box(model)
    for steps in dict.fromkeys(asked.steps):
        if not steps:
            yield Attacked(
                name, model, Plain(classifier(model).logits, class_biases), (low, high), model.joint
            )
            continue
        duplicates = asked.duplicates or (DUPLICATES if model.joint else 1)
        reach = REACH * (high - low)
        refined = Refined(model, steps, classes, duplicates, reach, asked.noiseless, class_biases)
        yield Attacked(f"{name} + {steps} steps", model, refined, (low, high), model.joint)


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

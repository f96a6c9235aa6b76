"""What is to be restored and how: images with what is known of them, the choices, the labels of chains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

import torch
from torch import Tensor

from ...core.errors import UsageError, require_not_negative, require_positive, unknown
from ...core.random import derive, generator
from ...data.dataset import Dataset
from ...data.names import entry
from ...models.labels import checked_labels
from ...models.model import EnergyModel
from ..parts import class_number
from .corruption import Corrupted, Corruption

Method = Literal["chain", "anneal", "latent", "tweedie"]
Start = Literal["noise", "mean", "nearest", "samples", "median", "given"]


@dataclass(frozen=True)
class RestoreConfig:
    """The choices of a restoration.

    Attributes:
        method: see `methods`; None for the one that fits the model and the corruption.
        steps: of each chain (each level, with anneal on drl); None for the model's own number.
        step_factor: multiplies the step size, and the move of tweedie.
        data_weight: multiplies |x - x~|^2 / 2 sigma^2; 1 is the likelihood of the noise.
        start: what unknown pixels begin as: uniform noise, the mean training image, the nearest one (for
            the k-th completion the k-th nearest), of `candidates` samples of the model itself the nearest, a
            3 x 3 median, or what is given there. None: noise where pixels are hidden, the median where they
            are suspected, else given.
        completions: chains an image.
        average: take the mean of the completions as the result (the posterior mean has the best PSNR).
        anchor: s of latent chains, on pixels in [0, 1].
        candidates: samples for start "samples", other ones for each completion.

    Raises `UsageError` for numbers out of range and unknown names.
    """

    method: Method | None = None
    steps: int | None = None
    step_factor: float = 1.0
    data_weight: float = 1.0
    start: Start | None = None
    completions: int = 3
    average: bool = False
    anchor: float = 0.1
    candidates: int = 1024

    def __post_init__(self) -> None:
        require_positive(step_factor=self.step_factor, anchor=self.anchor)
        require_positive(completions=self.completions, candidates=self.candidates)
        require_not_negative(data_weight=self.data_weight)
        if self.steps is not None and self.steps < 1:
            raise UsageError(f"steps are {self.steps}: a chain makes at least 1; leave it out for the usual")
        for value, names in ((self.method, get_args(Method)), (self.start, get_args(Start))):
            if value is not None and value not in names:
                raise unknown("choice", value, names)


DEFAULT = RestoreConfig()


@dataclass(frozen=True, eq=False)
class RestoreTask:
    """`N` images in the range [low, high] of a model.

    `clean` `(N, C, H, W)` and classes `y` `(N,)` where they are known; `names` for files; `source` says where
    they come from.
    """

    corruption: Corruption
    corrupted: Corrupted
    low: float
    high: float
    source: str
    clean: Tensor | None = None
    y: Tensor | None = None
    names: Sequence[str] = field(default=(), repr=False)

    def __len__(self) -> int:
        return len(self.corrupted)

    def unit(self, x: Tensor) -> Tensor:
        """Images of the model's range in [0, 1]."""
        return (x - self.low) / (self.high - self.low)

    @property
    def noisy(self) -> Tensor:
        """The corrupted images in [0, 1], but for noise that leaves it."""
        return self.unit(self.corrupted.x)


def restore_task(model: EnergyModel, held: Dataset, corruption: Corruption, n: int, seed: int) -> RestoreTask:
    """`n` images of a data set, corrupted; which ones and how depends on the seed alone."""
    low, high = model.spec.low, model.spec.high
    order = torch.randperm(len(held), generator=generator(derive(seed, "data")))[:n]
    batch = held.batch(order, low, high)
    corrupted = corruption.apply(batch.x, low, high, generator(derive(seed, "damage")))
    names = [f"{int(k):05d}" for k in order]
    source = f"{held.name} {held.split}"
    return RestoreTask(corruption, corrupted, low, high, source, batch.x, batch.y, names)


def validation_task(
    model: EnergyModel, train: Dataset, corruption: Corruption, n: int, seed: int
) -> tuple[RestoreTask, Dataset]:
    """`n` validation images, corrupted likewise, and the training rows without the validation part."""
    line = entry(train.name)
    rest, held = train.split_off((line.validation if line else 0) or max(1, len(train) // 10))
    return restore_task(model, held, corruption, min(n, len(held)), derive(seed, "validation")), rest


def labels_for(
    model: EnergyModel, label: str, known: Tensor | None, n: int, classes: Sequence[str] = ()
) -> Tensor | None:
    """The labels `(n,)` of chains: "none", "true" for the `known` ones of the data, or the number of a class
    or its name among `classes`.

    Raises `UsageError` for ones that the model or the images do not have.
    """
    if label == "none":
        return None
    if label == "true":
        if known is None:
            raise UsageError("--label true: these images have no labels; give a class, or leave it out")
        return checked_labels(model, n, known)
    if not label.isdigit() and label not in classes:
        raise UsageError(f"--label is '{label}': it must be none, true, or the name or number of a class")
    return checked_labels(model, n, class_number(label, classes))

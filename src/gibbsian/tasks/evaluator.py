"""What samples are measured against: a held-out part of the data, and baselines that are stronger than
they look. One evaluator a kind of data; each turns samples into named numbers.

    feature_distance   Frechet distance in the features of a small named classifier (never to be called FID)
    normalised         (distance - floor) / (noise - floor), floor: training data, noise: uniform pixels
    confidence, class_entropy (nats), classes    of the same classifier's answers
    precision, recall  k-nearest-neighbour estimates in feature space
    nn_ratio           distance to the nearest training image, over the same of held-out images
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from ..core.errors import UsageError
from ..data.dataset import Dataset
from ..data.load import load
from ..data.toy import toy
from ..metrics.baselines import class_gaussians, one_gaussian
from ..metrics.classes import accuracy, class_entropy, class_histogram, confidence
from ..metrics.coverage import coverage, nearest_neighbour_ratio
from ..metrics.frechet import frechet_distance
from ..metrics.toy import grid_divergence, mode_recall
from ..metrics.two_sample import sliced_wasserstein
from ..report.pictures import pictured
from .features import SmallNet, classifier_for

Draw = Callable[[int, torch.Generator], Tensor]
NEIGHBOURS = 10_000


class SampleEvaluator(Protocol):
    """Measures of samples, and the draws that stand beside a model's."""

    @property
    def record(self) -> dict[str, str | int]:
        """What the measures were taken with."""

    @property
    def event_shape(self) -> tuple[int, ...]:
        """Shape of what it measures."""

    def measure(self, x: Tensor, y: Tensor | None = None) -> dict[str, float]:
        """Named numbers of samples `x` `(n, *event)`, drawn for the classes `y` `(n,)` if given."""

    def baselines(self) -> dict[str, Draw]:
        """Draws to set beside the model's, by name; "training data" gives the floor, "noise" the ceiling."""


def require_same_kind(evaluator: SampleEvaluator, data: str, event_shape: tuple[int, ...]) -> None:
    """Raises `UsageError` for a model whose samples `data` cannot measure."""
    if evaluator.event_shape != tuple(event_shape):
        raise UsageError(
            f"{data} holds data of shape {evaluator.event_shape}, and this model makes {tuple(event_shape)}: "
            "measure it against the data that it was trained on"
        )


def evaluator_for(
    name: str,
    n: int,
    rng: torch.Generator,
    *,
    low: float = -1.0,
    high: float = 1.0,
    against: str = "test",
    validation: int | None = None,
    data_dir: str | Path | None = None,
) -> SampleEvaluator:
    """The evaluator of a data set: `against` its "test" or "validation" split, at most `n` rows of it.

    Raises `UsageError` for data without labels or a plane, of which nothing is measured yet.
    """
    if name.startswith("toy:"):
        return PointEvaluator(name, n)
    train = load(name, "train", validation=validation, data_dir=data_dir)
    held = load(name, against, validation=validation, data_dir=data_dir)
    if train.is_image and train.y is not None:
        return ImageEvaluator(train, held, n, rng, low, high)
    lacks = "has no labels" if train.is_image else "holds points without an exact density"
    raise UsageError(f"{name} {lacks}: evaluate needs labelled images or a toy density")


class ImageEvaluator:
    """Labelled images, measured by a small classifier's features and answers.

    Samples come in [low, high] and are clamped and rounded to 8 bits, as a picture file would hold them.
    """

    def __init__(
        self, train: Dataset, held: Dataset, n: int, rng: torch.Generator, low: float, high: float
    ) -> None:
        self.train, self.low, self.high = train, low, high
        self.classifier: SmallNet = classifier_for(train)
        order = torch.randperm(len(held), generator=rng, device=rng.device).cpu()
        self.held = held.subset(order[: min(n, len(held))])
        self.held_x = self._all(self.held)
        self.held_features = self.classifier.features(self.held_x)

    @property
    def record(self) -> dict[str, str | int]:
        """Feature space, and how many held-out images of which split."""
        return {
            "features": self.classifier.name,
            "weights": self.classifier.sha256[:16],
            "against": self.held.split,
            "held_out": len(self.held),
        }

    @property
    def event_shape(self) -> tuple[int, ...]:
        """Of the images."""
        return tuple(self.train.event_shape)

    def measure(self, x: Tensor, y: Tensor | None = None) -> dict[str, float]:
        """All measures of the module's list but `normalised`, which needs floor and ceiling.

        With `y` also `asked_class`: the share that an independent classifier puts in the class asked for.
        """
        x = self.as_picture(x)
        features, answers = self.classifier.features(x), self.classifier.probabilities(x)
        near = coverage(self.held_features, features)
        return {
            "feature_distance": frechet_distance(features, self.held_features),
            "confidence": confidence(answers),
            "class_entropy": class_entropy(answers),
            "classes": float((class_histogram(answers) > 0).sum()),
            "precision": near.precision,
            "recall": near.recall,
            "nn_ratio": nearest_neighbour_ratio(x.flatten(1), self._neighbours, self.held_x.flatten(1)),
        } | ({} if y is None else {"asked_class": accuracy(self._judge.probabilities(x), y.cpu())})

    def as_picture(self, x: Tensor) -> Tensor:
        """Samples in [low, high] as a picture file would hold them, `(n, C, H, W)` in [-1, 1], on the CPU."""
        return pictured(x, self.low, self.high)

    def baselines(self) -> dict[str, Draw]:
        """Training images, one Gaussian a class, one Gaussian, uniform noise, all in [low, high]."""
        return {
            "training data": self._training_rows,
            "class Gaussians": self._class_gaussians,
            "one Gaussian": lambda n, rng: one_gaussian(self._pixels, n, rng, low=self.low, high=self.high),
            "noise": self._noise,
        }

    def _class_gaussians(self, n: int, rng: torch.Generator) -> Tensor:
        return class_gaussians(self._pixels, self._labels, n, rng, low=self.low, high=self.high)[0]

    def _noise(self, n: int, rng: torch.Generator) -> Tensor:
        return self.low + (self.high - self.low) * torch.rand(n, *self.train.event_shape, generator=rng)

    @cached_property
    def _judge(self) -> SmallNet:
        return classifier_for(self.train, role="judge")

    @property
    def _labels(self) -> Tensor:
        assert self.train.y is not None
        return self.train.y

    @cached_property
    def _pixels(self) -> Tensor:
        """Training images in [low, high]."""
        return self.train.batch(torch.arange(len(self.train)), self.low, self.high).x

    @cached_property
    def _neighbours(self) -> Tensor:
        """Training images to look for copies among; at most the first 10,000."""
        return self._all(self.train.take(min(NEIGHBOURS, len(self.train)))).flatten(1)

    def _all(self, data: Dataset) -> Tensor:
        return data.batch(torch.arange(len(data)), -1.0, 1.0).x

    def _training_rows(self, n: int, rng: torch.Generator) -> Tensor:
        rows = torch.randperm(len(self.train), generator=rng)[: min(n, len(self.train))]
        return self.train.batch(rows, self.low, self.high).x


@dataclass
class PointEvaluator:
    """Points of the plane against an exact density: grid divergence both ways, sliced W2, modes found."""

    name: str
    n: int

    def __post_init__(self) -> None:
        self.density = toy(self.name.removeprefix("toy:"))
        rng = torch.Generator().manual_seed(0)
        self.exact = self.density.draw(self.n, rng)

    @property
    def record(self) -> dict[str, str | int]:
        """Against how many exact draws."""
        return {"against": "exact draws", "held_out": self.n}

    @property
    def event_shape(self) -> tuple[int, ...]:
        """Points of the plane."""
        return (2,)

    def measure(self, x: Tensor, y: Tensor | None = None) -> dict[str, float]:
        """KL(density || samples), KL(samples || density) on a grid, sliced Wasserstein, mode recall."""
        x = x.detach().double().cpu()
        divergence = grid_divergence(x, self.density.log_density, self.density.box)
        out = {
            "kl_forward": divergence.forward,
            "kl_reverse": divergence.reverse,
            "sliced_w2": sliced_wasserstein(x, self.exact, torch.Generator().manual_seed(0)),
        }
        if len(self.density.modes):
            modes = mode_recall(x, self.density.modes, 3 * self.density.spread)
            out |= {"mode_recall": modes.recall, "mode_quality": modes.quality}
        return out

    def baselines(self) -> dict[str, Draw]:
        """Exact draws, one Gaussian, uniform noise on the box."""
        box = self.density.box
        return {
            "training data": lambda n, rng: self.density.draw(n, rng),
            "one Gaussian": lambda n, rng: one_gaussian(self.exact, n, rng, low=-box, high=box),
            "noise": lambda n, rng: (torch.rand(n, 2, generator=rng) * 2 - 1) * box,
        }

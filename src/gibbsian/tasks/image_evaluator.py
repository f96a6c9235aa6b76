"""Images as samples are measured: distances in named features, and a classifier's answers with labels."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from ..data.dataset import Dataset
from ..metrics.baselines import class_gaussians, one_gaussian
from ..metrics.classes import accuracy, class_entropy, class_histogram, confidence
from ..metrics.coverage import TYPICAL, coverage
from ..metrics.frechet import frechet_distance
from ..report.pictures import pictured
from .feature_names import FeatureNet, labelled
from .features import SmallNet, classifier_for
from .point_evaluator import Draw, HeldOutEvaluator
from .random_features import NAME, PixelFeatures

MANY = 50
"""Held-out images below which their number is told as few."""


class ImageEvaluator(HeldOutEvaluator):
    """Images, measured in the space `features`.

    Samples come in [low, high] and are clamped and rounded to 8 bits, as a picture file would hold them.
    """

    features: FeatureNet

    def __init__(
        self,
        train: Dataset,
        held: Dataset,
        n: int,
        rng: torch.Generator,
        low: float,
        high: float,
        features: FeatureNet,
    ) -> None:
        super().__init__(train, held, n, rng)
        self.low, self.high, self.features = low, high, features
        self.record = {"features": features.name, "weights": features.sha256[:16], **self.record}
        self.held_x = self._all(self.held)
        self.held_features = features.features(self.held_x)
        if features.name == NAME and not labelled(train):
            said = "no labels: distances are between responses of fixed random filters (--features)"
            self.notes += (said,)
        if len(self.held) < MANY:
            self.notes += (f"{len(self.held)} held-out images are few: distances of so few are rough",)

    def measure(self, x: Tensor, y: Tensor | None = None) -> dict[str, float]:
        """All measures of the module's list but `normalised`, which needs floor and ceiling."""
        x = self.as_picture(x)
        features = self.features.features(x)
        near = coverage(self.held_features, features, widest=TYPICAL)
        return {
            "feature_distance": frechet_distance(features, self.held_features),
            **self.of_classes(x),
            **self.of_pixels(x),
            "precision": near.precision,
            "recall": near.recall,
            **self.novelty.measure(x),
        }

    def distance(self, x: Tensor) -> float:
        """The feature distance."""
        return frechet_distance(self.features.features(self.as_picture(x)), self.held_features)

    def of_classes(self, x: Tensor) -> dict[str, float]:
        """Measures of a classifier's answers to pictures `x` in [-1, 1]; none without labels."""
        return {}

    def of_pixels(self, x: Tensor) -> dict[str, float]:
        """The distance in another space, where the first one knows no classes."""
        if self.features.name != NAME:
            return {}
        space = self._pixel_space
        return {"pixel_distance": frechet_distance(space.features(x), space.features(self.held_x))}

    @cached_property
    def _pixel_space(self) -> PixelFeatures:
        return PixelFeatures(self.train)

    def identity(self) -> dict[str, Any]:
        """With the range of samples, and all of the weights."""
        return {**super().identity(), "range": [self.low, self.high], "weights": self.features.sha256}

    def as_picture(self, x: Tensor) -> Tensor:
        """Samples in [low, high] as a picture file would hold them, `(n, C, H, W)` in [-1, 1], on the CPU."""
        return pictured(x, self.low, self.high)

    def baselines(self) -> dict[str, Draw]:
        """Training images, one Gaussian, uniform noise, all in [low, high]."""
        return {
            "training data": self._training_rows,
            "one Gaussian": lambda n, rng: one_gaussian(self._pixels, n, rng, low=self.low, high=self.high),
            "noise": self._noise,
        }

    def _noise(self, n: int, rng: torch.Generator) -> Tensor:
        return self.low + (self.high - self.low) * torch.rand(n, *self.event_shape, generator=rng)

    @cached_property
    def _pixels(self) -> Tensor:
        """Training images in [low, high]."""
        return self.train.batch(torch.arange(len(self.train)), self.low, self.high).x

    def _rows(self) -> tuple[Tensor, Tensor]:
        return self._all(self.train), self.held_x

    def _all(self, data: Dataset) -> Tensor:
        return data.batch(torch.arange(len(data)), -1.0, 1.0).x

    def _training_rows(self, n: int, rng: torch.Generator) -> Tensor:
        rows = torch.randperm(len(self.train), generator=rng)[: min(n, len(self.train))]
        return self.train.batch(rows, self.low, self.high).x


class LabelledImages(ImageEvaluator):
    """Labelled images, measured by the features and answers of a small classifier of their classes."""

    features: SmallNet

    @property
    def classifier(self) -> SmallNet:
        """Whose features and answers they are."""
        return self.features

    def measure(self, x: Tensor, y: Tensor | None = None) -> dict[str, float]:
        """The measures of images; with `y` also `asked_class`: the share that an independent classifier puts
        in the class asked for."""
        found = super().measure(x, y)
        return found if y is None else found | {"asked_class": accuracy(self._judged(x), y.cpu())}

    def of_classes(self, x: Tensor) -> dict[str, float]:
        """Confidence, class entropy, and how many classes are found."""
        answers = self.classifier.probabilities(x)
        return {
            "confidence": confidence(answers),
            "class_entropy": class_entropy(answers),
            "classes": float((class_histogram(answers) > 0).sum()),
        }

    def modes(self, x: Tensor) -> Tensor | None:
        """The class that the classifier takes each for."""
        return self.classifier.answers(self.as_picture(x))

    def by_class(self, x: Tensor, y: Tensor | None = None) -> dict[str, dict[str, float]]:
        """By the name of each class: the share of samples that are judged as it, and with `y` of those drawn
        for it."""
        answers = self.classifier.answers(self.as_picture(x))
        judged = None if y is None else self._judged(x).argmax(1)
        found = {}
        for c, name in enumerate(self.train.classes):
            found[name] = {"samples": float((answers == c).double().mean())}
            if judged is not None and y is not None and bool((own := y.cpu() == c).any()):
                found[name]["drawn for it"] = float((judged[own] == c).double().mean())
        return found

    def baselines(self) -> dict[str, Draw]:
        """Those of images, with one Gaussian a class."""
        first, *rest = super().baselines().items()
        return dict([first, ("class Gaussians", self._class_gaussians), *rest])

    def _class_gaussians(self, n: int, rng: torch.Generator) -> Tensor:
        assert self.train.y is not None
        return class_gaussians(self._pixels, self.train.y, n, rng, low=self.low, high=self.high)[0]

    def _judged(self, x: Tensor) -> Tensor:
        return self._judge.probabilities(self.as_picture(x))

    @cached_property
    def _judge(self) -> SmallNet:
        return classifier_for(self.train, role="judge")

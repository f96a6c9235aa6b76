"""Images as samples are measured: distances in named features, and a classifier's answers with labels."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from ..data.dataset import Dataset
from ..metrics.baselines import class_gaussians, one_gaussian
from ..metrics.classes import accuracy, class_entropy, class_histogram, confidence
from ..metrics.frechet import frechet_distance, frechet_trend
from ..metrics.two_sample import kid, mmd2, sliced_wasserstein
from ..report.pictures import pictured
from .feature_names import FeatureNet, labelled
from .features import SmallNet, classifier_for
from .point_evaluator import Draw, HeldOutEvaluator, Seen, told_apart
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
        self.held_features = features.features(self.held_x).double()
        if features.name == NAME and not labelled(train):
            said = "no labels: distances are between responses of fixed random filters (--features)"
            self.notes += (said,)
        if len(self.held) < MANY:
            self.notes += (f"{len(self.held)} held-out images are few: distances of so few are rough",)

    def look(self, x: Tensor, y: Tensor | None = None) -> Seen:
        """Pictures, their features in one space or two, and their distance to the nearest training image."""
        x = self.as_picture(x)
        seen = {"pictures": x, "features": self.features.features(x).double()}
        if self.features.name == NAME:
            seen["pixels"] = self._pixel_space.features(x)
        return {**seen, "distance": self.novelty.nearest(x)}

    def measures(self, seen: Seen) -> dict[str, float]:
        """All measures of the module's list but `normalised`, which needs floor and ceiling."""
        features, held = seen["features"], self.held_features
        return {
            **_falls(features, held),
            "kid": kid(features / self._unit, held / self._unit),
            "mmd2": mmd2(features, held),
            "sliced_w2": sliced_wasserstein(features, held, torch.Generator().manual_seed(0)),
            **self.of_pixels(seen),
            **told_apart(features, held),
            **self.of_classes(seen),
            **self.novelty.measure(seen["pictures"], seen["distance"]),
        }

    def distance(self, x: Tensor) -> float:
        """The feature distance."""
        return frechet_distance(self.features.features(self.as_picture(x)), self.held_features)

    @property
    def _unit(self) -> Tensor:
        """What makes the mean square of held-out features 1: the kernel of `kid` is made for such."""
        return self.held_features.square().mean().sqrt()

    def of_classes(self, seen: Seen) -> dict[str, float]:
        """Measures of a classifier's answers; none without labels."""
        return {}

    def of_pixels(self, seen: Seen) -> dict[str, float]:
        """The distance in another space, where the first one knows no classes."""
        if "pixels" not in seen:
            return {}
        return {"pixel_distance": frechet_distance(seen["pixels"], self._held_pixels)}

    @cached_property
    def _pixel_space(self) -> PixelFeatures:
        return PixelFeatures(self.train)

    @cached_property
    def _held_pixels(self) -> Tensor:
        return self._pixel_space.features(self.held_x)

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

    def _samples(self, seen: Seen) -> tuple[Tensor, Tensor]:
        return seen["pictures"], seen["pictures"]

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

    def look(self, x: Tensor, y: Tensor | None = None) -> Seen:
        """As of images, with the answers of the classifier; with `y` also those of another, and whether it
        puts a sample in the class asked for."""
        seen = super().look(x, y)
        x = seen["pictures"]
        seen["answers"] = self.classifier.probabilities(x)
        return seen if y is None else seen | {"judged": self._judge.probabilities(x), "y": y.cpu()}

    def of_classes(self, seen: Seen) -> dict[str, float]:
        """Confidence, class entropy, how many classes are found, and where samples were drawn for classes
        `asked_class`: the share that an independent classifier puts in the class asked for."""
        answers = seen["answers"]
        found = {
            "confidence": confidence(answers),
            "class_entropy": class_entropy(answers),
            "classes": float((class_histogram(answers) > 0).sum()),
        }
        return found | ({"asked_class": accuracy(seen["judged"], seen["y"])} if "y" in seen else {})

    def modes(self, x: Tensor) -> Tensor | None:
        """The class that the classifier takes each for."""
        return self.classifier.answers(self.as_picture(x))

    def by_class(self, seen: Seen) -> dict[str, dict[str, float]]:
        """By the name of each class: the share of samples that are judged as it, and of those drawn for it,
        if any were."""
        answers, found = seen["answers"].argmax(1), {}
        for c, name in enumerate(self.train.classes):
            found[name] = {"samples": float((answers == c).double().mean())}
            if "y" in seen and bool((own := seen["y"] == c).any()):
                found[name]["drawn for it"] = float((seen["judged"].argmax(1)[own] == c).double().mean())
        return found

    def baselines(self) -> dict[str, Draw]:
        """Those of images, with one Gaussian a class."""
        first, *rest = super().baselines().items()
        return dict([first, ("class Gaussians", self._class_gaussians), *rest])

    def _class_gaussians(self, n: int, rng: torch.Generator) -> Tensor:
        assert self.train.y is not None
        return class_gaussians(self._pixels, self.train.y, n, rng, low=self.low, high=self.high)[0]

    @cached_property
    def _judge(self) -> SmallNet:
        return classifier_for(self.train, role="judge")


def _falls(x: Tensor, held: Tensor) -> dict[str, float]:
    """The feature distance, those of quarters and halves, and its limit; the first alone of few rows."""
    if min(len(x), len(held)) < 8:
        return {"feature_distance": frechet_distance(x, held)}
    trend = frechet_trend(x, held)
    limit = {} if trend.limit is None else {"feature_distance_limit": trend.limit}
    parts = {"feature_distance_quarter": trend.quarter, "feature_distance_half": trend.half}
    return {"feature_distance": trend.whole, **parts, **limit}

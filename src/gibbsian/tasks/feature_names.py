"""Spaces in which images are compared, by name.

classes                a small classifier of the set's own classes (`features`): the default with labels
random                 responses of fixed random filters (`random_features`): the default without
pixels                 main directions of pixels (`random_features`): shown beside random
digits, mnist, ...     the classifier of a public set that is in the package, images brought to its shape
FILE.pth               the Inception network of the FID with your weights: see `inception_evaluator`
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from ..core.errors import UsageError, unknown
from ..data.dataset import Dataset, as_floats
from .classifier import Classifier
from .features import SHIPPED, classifier_for, load_classifier
from .random_features import PixelFeatures, RandomFeatures

FEATURES = ("classes", "random", "pixels", *SHIPPED)


class FeatureNet(Protocol):
    """A named space of features."""

    @property
    def name(self) -> str:
        """What it is called in tables."""

    @property
    def sha256(self) -> str:
        """64 hexadecimal digits of what it consists of."""

    def features(self, x: Tensor, *, low: float = -1.0, high: float = 1.0) -> Tensor:
        """`(N, F)` of images `(N, C, H, W)` in [low, high]."""


def is_weight_file(name: str | None) -> bool:
    """Whether features are named by a file of weights."""
    return name is not None and name not in FEATURES and Path(name).suffix in (".pth", ".pt")


def labelled(data: Dataset) -> bool:
    """Whether there are classes to tell apart."""
    return data.y is not None and len(data.classes) > 1


def features_named(name: str | None, train: Dataset) -> FeatureNet:
    """The space of that name for images like `train`; by default "classes" with labels, else "random".

    Raises `UsageError` for an unknown name, and for classes where there are no labels.
    """
    if name is not None and name not in FEATURES:
        raise unknown("features", name, FEATURES)
    name = name or ("classes" if labelled(train) else "random")
    if name in ("random", "pixels"):
        return (RandomFeatures if name == "random" else PixelFeatures)(train)
    if name == "classes" and not labelled(train):
        raise UsageError(
            f"{train.name} has no labels, so no features of its classes: take random, or those of "
            f"{', '.join(SHIPPED)}"
        )
    if name in ("classes", train.name):
        return classifier_for(train)
    found = load_classifier(name)
    assert isinstance(found, Classifier)
    return Resized(found)


class Resized:
    """A classifier of a public set that looks at images of any shape, resampled and coloured as its own."""

    def __init__(self, classifier: Classifier) -> None:
        self.classifier = classifier
        self.sha256 = classifier.sha256

    @property
    def name(self) -> str:
        """That of the classifier, with the size."""
        _, height, width = self.classifier.event_shape
        return f"{self.classifier.name} at {height}x{width}"

    def features(self, x: Tensor, *, low: float = -1.0, high: float = 1.0) -> Tensor:
        """The 64 features of each image."""
        x = as_floats(x, -1.0, 1.0) if x.dtype == torch.uint8 else (x.cpu() - low) * (2 / (high - low)) - 1
        channels, *size = self.classifier.event_shape
        if x.shape[1] != channels:
            luma = (x * torch.tensor([0.299, 0.587, 0.114])[:, None, None]).sum(1, keepdim=True)
            x = luma if channels == 1 else x.expand(-1, 3, -1, -1)
        if list(x.shape[2:]) != size:
            x = F.interpolate(x, size=size, mode="bilinear", antialias=True)
        return self.classifier.features(x)

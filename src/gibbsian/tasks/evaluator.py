"""What samples are measured against: a held-out part of the data, and baselines that are stronger than
they look. One evaluator a kind of data; each turns samples into named numbers.

    feature_distance   Frechet distance in named features (see `feature_names`), with those of a quarter and
                       half of the rows, and what the three say of infinitely many (`metrics.frechet`)
    normalised         (distance - floor) / (noise - floor), floor: training data, noise: uniform pixels
    kid, mmd2, sliced_w2    other distances in those features, see `metrics.two_sample`
    c2st               accuracy of a classifier between samples and held-out images (`classifier_test`)
    confidence, class_entropy (nats), classes    of a small classifier's answers, for labelled images
    precision, recall, density, coverage    k-nearest-neighbour estimates in feature space
    nn_ratio, near_copies, diversity    distances in pixels to the nearest image, see `metrics.novelty`
    pixel_distance     without labels, the distance in other features

Points are measured by `point_evaluator`, tables by `rows_evaluator`.
"""

from __future__ import annotations

from pathlib import Path

import torch

from ..core.errors import UsageError
from ..core.files import own_path
from ..core.spec import DataSpec
from ..data.own import Given
from .classifier import Classifier
from .feature_names import features_named, is_weight_file, labelled
from .image_evaluator import ImageEvaluator, LabelledImages
from .parts import name_of, train_and_held
from .point_evaluator import PointEvaluator, SampleEvaluator
from .rows_evaluator import RowsEvaluator
from .stacked import StackedClassifier

FEWEST = 5
"""Held-out rows."""


def require_same_kind(evaluator: SampleEvaluator, data: str, event_shape: tuple[int, ...]) -> None:
    """Raises `UsageError` for a model whose samples `data` cannot measure."""
    if evaluator.event_shape != tuple(event_shape):
        raise UsageError(
            f"{data} holds data of shape {evaluator.event_shape}, and this model makes {tuple(event_shape)}: "
            "measure it against the data that it was trained on"
        )


def evaluator_for(
    data: Given,
    n: int,
    rng: torch.Generator,
    *,
    spec: DataSpec | None = None,
    low: float = -1.0,
    high: float = 1.0,
    against: str = "test",
    validation: int | None = None,
    features: str | None = None,
    statistics: str | Path | None = None,
    device: torch.device | str = "cpu",
    held: Given | None = None,
    data_dir: str | Path | None = None,
) -> SampleEvaluator:
    """The evaluator of anything that `gibbsian.dataset` takes: `against` its "test" or "validation" split, or
    against `held`; at most `n` rows of it.

    Images of one's own are brought to the shape of `spec`, by which `low` and `high` are set too. `features`
    names the space of distances between images: their own "classes" where they have labels, else "random";
    of a file of Inception weights, used on `device`, `statistics` are those of a set to be met, in a file.
    Raises `UsageError` for too few rows, and for features that these data have not.
    """
    low, high = (low, high) if spec is None else (spec.low, spec.high)
    if name_of(data).startswith("toy:"):
        return PointEvaluator(name_of(data), n)
    train, rest = train_and_held(data, held, spec, against=against, validation=validation, data_dir=data_dir)
    if len(rest) < FEWEST:
        raise UsageError(f"{name_of(data)} has {len(rest)} held-out rows: at least {FEWEST} are needed")
    if not train.is_image:
        if features:
            raise UsageError(f"features {features} are for images, and {name_of(data)} holds numbers")
        return RowsEvaluator(train, rest, n, rng)
    if features is not None and is_weight_file(features):
        from .inception import read_inception  # for those who ask
        from .inception_evaluator import InceptionImages, read_statistics, verify

        known = None if statistics is None else read_statistics(own_path(statistics))
        net = read_inception(own_path(features), device)
        found = verify(net, train, known)
        return InceptionImages(train, rest, n, rng, low, high, net).against(*found)
    if statistics is not None:
        raise UsageError(f"statistics {statistics} are of Inception features: name its weights as features")
    space = features_named(features, train)
    if labelled(train) and isinstance(space, (Classifier, StackedClassifier)):
        return LabelledImages(train, rest, n, rng, low, high, space)
    return ImageEvaluator(train, rest, n, rng, low, high, space)

"""The small classifiers whose features and labels the measures use: `gibbsian-small-v2`.

They are trained on clean images and on spoiled ones (see `spoiled`) to say the class, how far an image is
spoiled and in what way: a classifier that has only seen clean images puts noise among them. The 64 numbers
before the last layer are the features. It is not Inception: distances in this space are named after it and
compare only with one another.

Two nets of different architectures and seeds exist for a set: "features" measures distances, and an
independent "judge" says whether a sample drawn for a class is of that class.

Weights for digits, mnist, fashion_mnist and cifar10 (10,000 training images) are in the package, made by
`python -m experiments.features train NAME [--role judge]`; `classifier_for` trains and caches others.
Stacked digits are seen channel by channel, with mnist's.
"""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

import torch
from tqdm import tqdm

from ..core.errors import DataError, UsageError, unknown
from ..core.files import cache_folder
from ..core.pace import Pace, to_stderr
from ..core.random import derive, generator, seeded_init
from ..data.batches import Batches
from ..data.dataset import Dataset
from ..data.names import ALIASES
from ..metrics.classes import accuracy
from .classifier import NAME, Classifier, Net, checksum, pack, read_classifier, save_classifier
from .spoiled import spoiled
from .stacked import StackedClassifier

SmallNet: TypeAlias = Classifier | StackedClassifier
"""A small named network: of features, or a judge."""

ROLES = ("features", "judge")
ASSETS = Path(__file__).with_name("assets")
SHIPPED = {
    "digits": ("features", "judge"),
    "mnist": ("features", "judge"),
    "fashion_mnist": ("features", "judge"),
    "cifar10": ("features",),
}
STACKED = {"stacked_mnist": "mnist"}
"""Sets of which every channel is an image of another set."""

BATCH_SIZE = 64
UPDATES = 1500
MOST = 100
"""Passes over a set, at most: after so many a small one has no more to teach."""
LEARNING_RATE = 1e-3


def load_classifier(dataset_name: str, role: str = "features") -> SmallNet:
    """The classifier in the package for `dataset_name` (see `SHIPPED`), `role` "features" or "judge".

    Raises `UsageError` if there is none: `classifier_for` trains one.
    """
    _check_role(role)
    name = ALIASES.get(dataset_name, dataset_name)
    if name in STACKED:
        return StackedClassifier(_shipped(STACKED[name], role))
    return _shipped(name, role)


def _shipped(name: str, role: str) -> Classifier:
    """The classifier whose weights are in the package."""
    if role not in SHIPPED.get(name, ()):
        have = ", ".join(n for n, roles in SHIPPED.items() if role in roles)
        raise UsageError(f"no {role} classifier for '{name}' in the package: there is one for {have}")
    return read_classifier(asset(name, role))


def classifier_for(
    dataset: Dataset,
    role: str = "features",
    *,
    updates: int = UPDATES,
    cache: Path | None = None,
    progress: bool = True,
) -> SmallNet:
    """The classifier for a data set: from the package if it has one of this shape, else trained once.

    Trained ones are kept in `cache` (default: the cache folder) under the fingerprint of `dataset`, which
    should be the training part. Raises `UsageError` for unlabelled data and for data that are no images.
    """
    _check_role(role)
    _check_labelled(dataset)
    if dataset.name in STACKED or role in SHIPPED.get(dataset.name, ()):
        shipped = load_classifier(dataset.name, role)
        if shipped.event_shape == dataset.event_shape and shipped.classes == dataset.classes:
            return shipped
    path = (cache or cache_folder() / "classifiers") / f"{NAME}-{dataset.fingerprint[:16]}-{role}.safetensors"
    if path.is_file():
        try:
            return read_classifier(path)
        except DataError as error:
            to_stderr(f"{error}: trained again")
    rng = classifier_rng(dataset.name, role)
    trained = train_classifier(dataset, rng, updates=updates, role=role, progress=progress)
    save_classifier(trained, path)
    return trained


def train_classifier(
    dataset: Dataset,
    rng: torch.Generator,
    *,
    updates: int = UPDATES,
    role: str = "features",
    test: Dataset | None = None,
    progress: bool = False,
) -> Classifier:
    """Train the net on labelled images, clean and spoiled: Adam, its rate falling to 0 along a cosine.

    `rng` (CPU) gives weights, order and what is spoiled: the same seed gives the same net. It takes
    `updates`, at most `MOST` passes. With `test` its accuracy is recorded.
    Raises `UsageError` for unlabelled data and for data that are no images.
    """
    _check_labelled(dataset)
    with seeded_init(rng):
        net = Net(dataset.event_shape, len(dataset.classes), role)
    updates = min(MOST * -(-len(dataset) // BATCH_SIZE), updates)
    _fit(net, Batches(dataset, BATCH_SIZE, rng), updates, rng, progress)
    weights = pack(net)
    record = {
        "name": NAME, "role": role, "data": dataset.name, "train_n": len(dataset), "updates": updates,
        "fingerprint": dataset.fingerprint, "sha256": checksum(weights),
    }  # fmt: skip
    classifier = Classifier(weights, dataset.event_shape, dataset.classes, record)
    if test is not None and test.y is not None:
        right = accuracy(classifier.probabilities(test.x), test.y)
        record |= {"test_n": len(test), "test_accuracy": round(right, 4)}
    return classifier


def _check_role(role: str) -> None:
    if role not in ROLES:
        raise unknown("role", role, ROLES)


def _check_labelled(dataset: Dataset) -> None:
    if dataset.y is None or len(dataset.classes) < 2:
        raise UsageError(f"{dataset.name} has no labels: a classifier needs labelled images, such as digits")
    if not dataset.is_image:
        raise UsageError(
            f"{dataset.name} holds points of shape {dataset.event_shape}: a classifier needs images"
        )


def classifier_rng(name: str, role: str) -> torch.Generator:
    """The generator from which the named classifier is trained."""
    return generator(derive(0, f"{NAME}/{name}/{role}"))


def _fit(net: Net, batches: Batches, steps: int, rng: torch.Generator, progress: bool) -> None:
    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser = torch.optim.Adam(net.parameters(), LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    pace = Pace("classifier")
    for made in (bar := tqdm(range(steps), "classifier", unit="step", disable=None if progress else True)):
        if progress and bar.disable:
            pace(made, steps)
        batch = batches.next()
        x, severity = spoiled(batch.x, rng)
        assert batch.y is not None
        loss = net.loss(x.contiguous(memory_format=torch.channels_last), batch.y, severity)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    net.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]


def asset(name: str, role: str) -> Path:
    """The file in the package with the weights of a named classifier."""
    return ASSETS / (f"{name}.safetensors" if role == "features" else f"{name}-{role}.safetensors")

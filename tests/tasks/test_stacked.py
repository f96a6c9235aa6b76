"""Stacked digits: the channels of one classifier, side by side."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from gibbsian.core.errors import UsageError
from gibbsian.data.dataset import Dataset, from_arrays
from gibbsian.data.load import load
from gibbsian.data.sources import STACKS
from gibbsian.tasks.evaluator import evaluator_for
from gibbsian.tasks.features import classifier_for, load_classifier
from gibbsian.tasks.image_evaluator import LabelledImages
from gibbsian.tasks.stacked import StackedClassifier

REAL = Path(os.environ.get("GIBBSIAN_DATA") or Path(__file__).parents[3] / "shared" / "data")


def stacks(n: int = 40, *, split: str = "train", seed: int = 0) -> Dataset:
    """Stacks of noise, as large as Stacked MNIST's."""
    x = np.random.default_rng(seed).integers(0, 256, (n, 28, 28, 3), dtype=np.uint8)
    y = np.random.default_rng(seed).integers(0, 1000, n)
    return from_arrays(x, y, name="stacked_mnist", split=split, classes=STACKS)


def digits_stacked(n: int = 60) -> tuple[torch.Tensor, torch.Tensor]:
    """Three of the package's 8 x 8 digits a stack, uint8 (n, 8, 8, 3), and the labels (n, 3)."""
    data = load("digits", "test")
    rows = torch.from_numpy(np.random.RandomState(0).randint(0, len(data), (n, 3)))
    return torch.stack([data.x[column] for column in rows.T], -1), data.y[rows]


def test_probabilities_are_products_and_answers_their_maximum():
    found = StackedClassifier(load_classifier("digits"))
    x, _ = digits_stacked()
    p, parts = found.probabilities(x), [found.digit.probabilities(c) for c in x.unbind(3)]
    assert p.shape == (60, 1000) and bool((p.sum(1) <= 1 + 1e-5).all())
    for number in (0, 7, 123, 999):
        a, b, c = number // 100, number // 10 % 10, number % 10
        torch.testing.assert_close(p[:, number], parts[0][:, a] * parts[1][:, b] * parts[2][:, c])
    assert torch.equal(found.answers(x), p.argmax(1))
    assert found.classes == STACKS and found.event_shape == (3, 8, 8)


def test_stacks_of_digits_are_read():
    """The digits classifier is right on 97 % or more, so on 0.91 of the stacks; 0.75 is beyond z = 4."""
    found = StackedClassifier(load_classifier("digits"))
    x, y = digits_stacked()
    assert float((found.answers(x) == y @ torch.tensor([100, 10, 1])).double().mean()) > 0.75


def test_features_lie_side_by_side_for_every_way_of_giving_an_image():
    found = StackedClassifier(load_classifier("digits"))
    x, _ = digits_stacked(20)
    want = torch.cat([found.digit.features(c) for c in x.unbind(3)], 1)
    data = from_arrays(x)
    floats = data.batch(torch.arange(20), 0.0, 1.0).x
    assert want.shape == (20, 192)
    torch.testing.assert_close(found.features(x), want)
    torch.testing.assert_close(found.features(floats, low=0.0, high=1.0, chunk=7), want)


def test_stacked_mnist_takes_the_packages_mnist(tmp_path):
    for role in ("features", "judge"):
        found = classifier_for(stacks(), role, cache=tmp_path)
        assert isinstance(found, StackedClassifier)
        assert (
            found.sha256
            == load_classifier("mnist", role).sha256
            == load_classifier("stacked_mnist", role).sha256
        )
    assert not list(tmp_path.iterdir())
    assert classifier_for(stacks()).name == "gibbsian-small-v2/mnist x 3"


def test_grey_images_are_refused():
    found = load_classifier("stacked_mnist")
    for x in (torch.zeros(2, 1, 28, 28), torch.zeros(2, 28, 28, dtype=torch.uint8)):
        with pytest.raises(UsageError, match="3 channels"):
            found.features(x)
    with pytest.raises(UsageError, match="takes images of shape"):
        found.features(torch.zeros(2, 3, 8, 8))


def test_the_evaluator_takes_stacks():
    rng = torch.Generator().manual_seed(0)
    train, held = stacks(60), stacks(40, split="test", seed=1)
    evaluator = LabelledImages(train, held, 40, rng, -1.0, 1.0, classifier_for(train))
    x = evaluator.baselines()["noise"](30, rng)
    found = evaluator.measure(x, torch.zeros(30, dtype=torch.long))
    assert x.shape == (30, 3, 28, 28) and evaluator.record["features"] == "gibbsian-small-v2/mnist x 3"
    assert 1 <= found["classes"] <= 30 and 0 <= found["asked_class"] <= 1


@pytest.mark.data
def test_real_stacks_are_read_and_measured():
    """mnist's classifier is right on 98 % or more, so on 0.94 of the stacks."""
    if not REAL.is_dir():
        pytest.skip(f"no data sets in {REAL}: set GIBBSIAN_DATA")
    evaluator = evaluator_for("stacked_mnist", 500, torch.Generator().manual_seed(0), data_dir=REAL)
    x = evaluator.baselines()["training data"](500, torch.Generator().manual_seed(1))
    found = evaluator.measure(x)
    assert found["classes"] > 300 and found["confidence"] > 0.9
    data = load("stacked_mnist", "test", data_dir=REAL).take(2000)
    for role in ("features", "judge"):
        answers = load_classifier("stacked_mnist", role).answers(data.x)
        assert float((answers == data.y).double().mean()) > 0.94

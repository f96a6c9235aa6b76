"""SampleEvaluators: baselines in the range of the system, subsets, measures of exact draws."""

from __future__ import annotations

import pytest
import torch

from gibbsian.core.errors import UsageError
from gibbsian.tasks.evaluator import evaluator_for

BASELINES = ("training data", "class Gaussians", "one Gaussian", "noise")


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def digits(low: float, high: float, n: int = 200):
    return evaluator_for("digits", n, rng(), low=low, high=high)


@pytest.mark.parametrize("name", BASELINES)
def test_baselines_do_not_depend_on_the_range(name):
    wide, unit = digits(-1.0, 1.0), digits(0.0, 1.0)
    a, b = wide.baselines()[name](300, rng(1)), unit.baselines()[name](300, rng(1))
    assert a.shape == b.shape == (300, 1, 8, 8)
    assert b.min() >= 0 and b.max() <= 1 and a.min() < -0.9
    want, got = wide.measure(a), unit.measure(b)
    # Gaussians may draw along an eigenvector or against it; in the wrong range they are 3 to 10 times as far
    close = 0.3 if "Gaussian" in name else 0.02
    assert got["feature_distance"] == pytest.approx(want["feature_distance"], rel=close)
    assert got["confidence"] == pytest.approx(want["confidence"], abs=close / 5)


def test_baselines_stand_in_order():
    evaluator = digits(0.0, 1.0, 400)
    draws = evaluator.baselines()
    sets = [draws[name](400, rng(1)) for name in BASELINES]
    floor, classes, one, noise = (evaluator.measure(x)["feature_distance"] for x in sets)
    assert floor < classes < one < noise


def test_copies_and_classes_are_told():
    evaluator = digits(-1.0, 1.0)
    copies = evaluator.train.take(100)
    x = copies.batch(torch.arange(100), -1.0, 1.0).x
    found = evaluator.measure(x, copies.y)
    assert found["nn_ratio"] < 1e-6 and found["asked_class"] > 0.95 and found["classes"] == 10
    assert evaluator.measure(x, (copies.y + 1) % 10)["asked_class"] < 0.05


def test_held_out_images_are_drawn_once_and_named():
    evaluator = digits(-1.0, 1.0, 50)
    assert evaluator.record["held_out"] == 50 and evaluator.record["against"] == "test"
    assert digits(-1.0, 1.0, 9999).record["held_out"] == 400


def test_exact_draws_of_a_toy_score_well():
    evaluator = evaluator_for("toy:ring", 1000, rng())
    draws = evaluator.baselines()
    exact = evaluator.measure(draws["training data"](1000, rng(1)))
    noise = evaluator.measure(draws["noise"](1000, rng(1)))
    assert exact["mode_recall"] == 1 and exact["mode_quality"] > 0.95
    assert all(exact[k] < noise[k] / 2 for k in ("kl_forward", "kl_reverse", "sliced_w2"))


def test_data_without_labels_are_refused(tmp_path):
    import numpy as np

    np.savez(tmp_path / "x.npz", x=np.zeros((40, 8, 8), np.uint8))
    with pytest.raises(UsageError, match="no labels"):
        evaluator_for(f"{tmp_path}/x.npz", 20, rng())

"""SampleEvaluators: baselines in the range of the system, subsets, measures of exact draws."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

import gibbsian as gb
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
    assert (
        found["nn_ratio"] == 0
        and found["near_copies"] == 1
        and found["asked_class"] > 0.95
        and found["classes"] == 10
    )
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


def test_too_few_rows_are_refused():
    with pytest.raises(UsageError, match="4 held-out rows: at least 5"):
        evaluator_for(gb.dataset("digits").x[:40], 20, rng())


OWN = {
    "array": lambda x, folder: x,
    "labelled": lambda x, folder: (x, np.arange(len(x)) % 2),
    "Dataset": lambda x, folder: gb.from_arrays(x),
    "TensorDataset": lambda x, folder: torch.utils.data.TensorDataset(torch.from_numpy(x)),
    "npz": lambda x, folder: np.savez(folder / "x.npz", x=x) or f"{folder}/x.npz",
    "folder": lambda x, folder: (
        [Image.fromarray(a).save(folder / f"{i:03}.png") for i, a in enumerate(x)] and folder
    ),
}


@pytest.mark.parametrize("kind", OWN)
def test_images_of_ones_own_are_measured(kind, tmp_path):
    x = gb.dataset("digits").x[:120].numpy()
    found = evaluator_for(OWN[kind](x, tmp_path), 100, rng(), features="random")
    assert found.record["features"] == "gibbsian-random-v1" and found.record["held_out"] == 12
    assert any("few" in note for note in found.notes) and found.event_shape == (1, 8, 8)
    measured = {name: found.measure(draw(60, rng())) for name, draw in found.baselines().items()}
    assert list(measured) == ["training data", "one Gaussian", "noise"]
    distances = [one["feature_distance"] for one in measured.values()]
    assert distances == sorted(distances)
    parts = {f"feature_distance{end}" for end in ("", "_quarter", "_half")}
    distances = {*parts, "pixel_distance", "kid", "mmd2", "sliced_w2", "nn_ratio", "diversity"}
    shares = {"c2st", "near_copies", "precision", "recall", "density", "coverage"}
    assert set(measured["noise"]) == {*distances, *shares}
    assert measured["training data"]["near_copies"] == 1 and set(found.of_held()) <= set(measured["noise"])


def test_held_out_rows_of_ones_own_are_taken_whole():
    x = gb.dataset("digits").x
    found = evaluator_for(x[:100], 500, rng(), held=x[100:160])
    assert len(found.train) == 100 and len(found.held) == 60


@pytest.mark.parametrize("shape", [(3,), (1,), (2, 5), (1, 16)])
def test_rows_of_numbers_are_measured_in_units_of_their_columns(shape, tmp_path):
    scale = torch.linspace(1, 1000, int(np.prod(shape))).reshape(shape)
    x = torch.randn(300, *shape, generator=rng()) * scale
    found = evaluator_for(x, 200, rng(), held=torch.randn(200, *shape, generator=rng(1)) * scale)
    draws = found.baselines()
    good, noise = (found.measure(draws[name](200, rng(2))) for name in ("training data", "noise"))
    assert good["near_copies"] == 1 and good["nn_ratio"] < 1e-3 and 0.3 < good["diversity"] < 3
    assert good["sliced_w2"] < noise["sliced_w2"] and good["mmd2"] < noise["mmd2"]
    shifted = torch.randn(200, *shape, generator=rng(3)) * scale
    shifted.flatten(1)[:, 0] += 2  # two deviations of the first column, a five-hundredth of the last
    assert found.measure(shifted)["sliced_w2"] > 1.3 * good["sliced_w2"]
    with pytest.raises(UsageError, match="features random are for images"):
        evaluator_for(x, 200, rng(), features="random")

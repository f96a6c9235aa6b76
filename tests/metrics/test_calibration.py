"""Calibration: by hand, against scikit-learn, and on classifiers whose calibration is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss
from sklearn.metrics import log_loss as sklearn_log_loss

from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator
from gibbsian.metrics.calibration import brier_score, calibration_error, log_loss, reliability


def two(*first: float) -> torch.Tensor:
    """Probabilities of two classes from those of class 0."""
    p = torch.tensor(first, dtype=torch.float64)
    return torch.stack([p, 1 - p], 1)


def drawn(n: int, c: int = 4, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Probabilities and labels drawn from them: calibrated in the mean."""
    rng = generator(seed)
    p = (2 * torch.randn(n, c, generator=rng, dtype=torch.float64)).softmax(1)
    return p, torch.multinomial(p, 1, generator=rng)[:, 0]


def test_four_rows_by_hand() -> None:
    p, y = two(0.55, 0.65, 0.65, 0.95), torch.tensor([0, 0, 1, 0])
    found = reliability(p, y, bins=5)
    assert found.low.tolist() == [0.0, 0.2, 0.4, 0.6, 0.8] and found.high.tolist() == [
        0.2,
        0.4,
        0.6,
        0.8,
        1.0,
    ]
    assert found.count.tolist() == [0, 0, 1, 2, 1]
    torch.testing.assert_close(found.confidence[2:], torch.tensor([0.55, 0.65, 0.95]).double())
    assert found.accuracy[2:].tolist() == [1.0, 0.5, 1.0] and found.accuracy[:2].isnan().all()
    assert found.gap[:2].tolist() == [0, 0]
    assert found.error == pytest.approx((0.45 + 2 * 0.15 + 0.05) / 4)
    assert calibration_error(p, y, bins=5) == found.error
    # by mass: {.55, .65} with both right, {.65, .95} with one
    halves = reliability(p, y, bins=2, by="mass")
    assert halves.count.tolist() == [2, 2] and halves.accuracy.tolist() == [1.0, 0.5]
    assert halves.low.tolist() == [0.55, 0.65] and halves.high.tolist() == [0.65, 0.95]
    assert halves.error == pytest.approx((0.4 + 0.3) / 2)


def test_bins_are_open_below_and_closed_above() -> None:
    p = torch.tensor([[0.6, 0.4], [0.8, 0.2], [1.0, 0.0], [0.6 + 1e-9, 0.4 - 1e-9]], dtype=torch.float64)
    assert reliability(p, torch.zeros(4, dtype=torch.long), bins=5).count.tolist() == [0, 0, 1, 2, 1]


def test_the_diagram_is_scikit_learns() -> None:
    p, y = drawn(3000)
    confidence, answer = p.max(1)
    right = (answer == y).numpy()
    for by, strategy in [("width", "uniform"), ("mass", "quantile")]:
        found = reliability(p, y, bins=10, by=by)
        accuracy, mean = calibration_curve(right, confidence.numpy(), n_bins=10, strategy=strategy)
        some = found.count > 0
        np.testing.assert_allclose(found.accuracy[some], accuracy, atol=1e-12)
        np.testing.assert_allclose(found.confidence[some], mean, atol=1e-12)


def test_scores_are_scikit_learns() -> None:
    p, y = drawn(500)
    assert log_loss(p.log() + 7, y) == pytest.approx(sklearn_log_loss(y, p), rel=1e-12)
    assert brier_score(p[:, :2] / p[:, :2].sum(1, keepdim=True), y % 2) == pytest.approx(
        2 * brier_score_loss(y % 2, p[:, 1] / p[:, :2].sum(1)), rel=1e-12
    )
    wanted = ((p.numpy() - np.eye(4)[y]) ** 2).sum(1).mean()
    assert brier_score(p, y) == pytest.approx(wanted, rel=1e-12)


def test_the_ends_of_the_scales() -> None:
    sure, y = torch.eye(3)[[0, 1, 2, 0]], torch.tensor([0, 1, 2, 0])
    assert (calibration_error(sure, y), brier_score(sure, y)) == (0.0, 0.0)
    assert (calibration_error(sure, (y + 1) % 3), brier_score(sure, (y + 1) % 3)) == (1.0, 2.0)
    even = torch.full((6, 3), 1 / 3)
    assert log_loss(even, torch.arange(6) % 3) == pytest.approx(np.log(3))
    assert calibration_error(even, torch.arange(6) % 3, by="mass", bins=1) == pytest.approx(0, abs=1e-7)


def test_a_calibrated_classifier_has_little_error_and_an_overconfident_one_much() -> None:
    """Of drawn labels the error is that of chance: each bin's gap has deviation below .5 / sqrt(n_b)."""
    p, y = drawn(20_000)
    for by in ("width", "mass"):
        found = reliability(p, y, by=by)
        chance = float((found.count / 20_000 * 0.5 / found.count.clamp(min=1).sqrt()).sum())
        assert found.error < 2 * chance < 0.03
        cold = (3 * p.log()).softmax(1)
        assert calibration_error(cold, y, by=by) > 0.1
        assert (reliability(cold, y, by=by).gap[-3:] < 0).all(), "too sure of itself"
    assert log_loss(p.log(), y) < log_loss(3 * p.log(), y)
    assert brier_score(p, y) < brier_score(cold, y)


def test_the_order_of_rows_and_classes_does_not_matter() -> None:
    p, y = drawn(200)
    order, classes = torch.randperm(200, generator=generator(1)), torch.tensor([2, 0, 3, 1])
    shuffled, renamed = p[order][:, classes], classes.argsort()[y[order]]
    for by in ("width", "mass"):
        assert calibration_error(shuffled, renamed, by=by) == pytest.approx(calibration_error(p, y, by=by))
    assert brier_score(shuffled, renamed) == pytest.approx(brier_score(p, y))


@pytest.mark.parametrize(
    ("p", "y", "more", "words"),
    [
        (torch.ones(3, 2), torch.zeros(3).long(), {}, "sum to 1"),
        (torch.tensor([[1.5, -0.5]]), torch.zeros(1).long(), {}, "sum to 1"),
        (torch.full((2, 2), torch.nan), torch.zeros(2).long(), {}, "not finite"),
        (two(0.5, 0.5), torch.tensor([0, 2]), {}, "labels run from 0 to 2"),
        (two(0.5, 0.5), torch.tensor([-1, 0]), {}, "labels run from -1"),
        (two(0.5, 0.5), torch.zeros(3).long(), {}, "one class number a row"),
        (two(0.5, 0.5), torch.zeros(2), {}, "one class number a row"),
        (two(0.5, 0.5), torch.zeros(2).long(), {"bins": 0}, "bins is 0"),
        (two(0.5, 0.5), torch.zeros(2).long(), {"bins": 3, "by": "mass"}, "bins is 3 for 2 rows"),
        (two(0.5, 0.5), torch.zeros(2).long(), {"by": "weight"}, "unknown way to cut bins 'weight'"),
    ],
)
def test_what_is_no_classifier_is_one_line(p, y, more, words) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        reliability(p, y, **more)
    assert "\n" not in str(caught.value)

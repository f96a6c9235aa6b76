"""The classifier two-sample test against scikit-learn's ridge regression, and what it tells apart."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.linear_model import RidgeCV
from sklearn.preprocessing import StandardScaler

from gibbsian.core.errors import UsageError
from gibbsian.metrics.classifier_test import PENALTIES, UNITS, _ridge, classifier_test


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def points(n: int, d: int = 6, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, d, generator=rng(seed), dtype=torch.float64)


def oracle(x: torch.Tensor, y: torch.Tensor, seed: int) -> float:
    """The same draws, with scikit-learn's scaling, ridge regression and leave-one-out choice of penalty."""
    draws, n = rng(seed), min(len(x), len(y))
    x, y = (rows[torch.randperm(len(rows), generator=draws)[:n]] for rows in (x, y))
    half, d = n // 2, x.shape[1]
    shown, rest = (np.concatenate([x[part], y[part]]) for part in (slice(half), slice(half, n)))
    scaler = StandardScaler().fit(shown)
    weights = torch.randn(d, UNITS, generator=draws, dtype=torch.float64).numpy() * math.sqrt(2 / d)
    shift = torch.randn(UNITS, generator=draws, dtype=torch.float64).numpy()
    made = [scaler.transform(rows) for rows in (shown, rest)]
    made = [np.concatenate([rows, (rows @ weights + shift).clip(0)], 1) for rows in made]
    outer = StandardScaler().fit(made[0])
    ridge = RidgeCV([p * half for p in PENALTIES])
    ridge.fit(outer.transform(made[0]), np.repeat([-1.0, 1.0], half))
    return float(((ridge.predict(outer.transform(made[1])) > 0) == np.repeat([False, True], n - half)).mean())


@pytest.mark.parametrize(("n", "m", "scale"), [(60, 71, 1.0), (301, 280, 1.3), (40, 40, 3.0)])
def test_it_is_scikit_learns_classifier(n, m, scale):
    x, y = points(n), scale * points(m, seed=1) + 0.2
    found = classifier_test(x, y, rng(5))
    assert found.estimate == pytest.approx(oracle(x, y, 5), abs=1e-12)
    trials = 2 * (min(n, m) - min(n, m) // 2)
    want = stats.binomtest(round(found.estimate * trials), trials).proportion_ci(0.95, method="wilson")
    assert (found.low, found.high) == pytest.approx((want.low, want.high), abs=1e-12)


def test_the_penalty_is_chosen_as_by_scikit_learn():
    """In 200 problems of 8 rows, where leaving one out moves the mean too."""
    for seed in range(200):
        x, target = points(8, 5, seed), torch.tensor([-1.0, 1.0]).repeat_interleave(4)
        rest = points(3, 5, 1000 + seed)
        scaler = StandardScaler().fit(x)
        ridge = RidgeCV([4 * p for p in PENALTIES]).fit(scaler.transform(x), target)
        want = ridge.predict(scaler.transform(rest))
        np.testing.assert_allclose(_ridge(x, target, rest, 4).numpy(), want, rtol=1e-6, atol=1e-9)


def test_samples_of_one_distribution_are_not_told_apart():
    """20 tests of 100 trials: a mean within 4.5 deviations, .5 / sqrt(2000), of 1/2; 1 in 20 is outside."""
    found = [classifier_test(points(100, seed=2 * k), points(100, seed=2 * k + 1), rng(k)) for k in range(20)]
    assert abs(sum(one.estimate for one in found) / 20 - 0.5) < 4.5 * 0.5 / 2000**0.5
    assert sum(not one.low <= 0.5 <= one.high for one in found) <= 5


@pytest.mark.parametrize(
    "change",
    [lambda x: x + 0.5, lambda x: 1.5 * x, lambda x: x.abs(), lambda x: torch.cat([x[:200], x[:200] + 4])],
    ids=["shifted", "wider", "folded", "half far away"],
)
def test_others_are(change):
    found = classifier_test(points(400), change(points(400, seed=1)), rng())
    assert found.low > 0.55


def test_constant_columns_and_too_few_rows():
    x = torch.cat([points(50), torch.ones(50, 1)], 1)
    assert classifier_test(x, torch.cat([points(50, seed=1), torch.ones(50, 1)], 1), rng()).estimate < 0.75
    with pytest.raises(UsageError, match="3 rows"):
        classifier_test(points(3), points(50), rng())

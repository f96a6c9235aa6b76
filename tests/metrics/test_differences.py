"""Contrasts of means against SciPy, and how often intervals miss."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from gibbsian.metrics.differences import Mean, apart, contrast
from gibbsian.metrics.interval import Interval, mean_interval


@pytest.mark.parametrize(("n", "m", "wide"), [(5, 5, 1.0), (3, 9, 4.0), (12, 4, 0.2)])
def test_two_means_are_welchs_test(n, m, wide) -> None:
    rng = np.random.default_rng(n)
    a, b = rng.standard_normal(n) + 2, wide * rng.standard_normal(m)
    found = contrast([(1, Mean.of(a.tolist())), (-1, Mean.of(b.tolist()))])
    test = stats.ttest_ind(a, b, equal_var=False)
    error = math.sqrt(a.var(ddof=1) / n + b.var(ddof=1) / m)
    reach = stats.t.ppf(0.975, math.floor(test.df)) * error
    assert found.estimate == pytest.approx(a.mean() - b.mean(), abs=1e-12)
    assert found.half_width == pytest.approx(reach, rel=1e-9)
    exact = test.confidence_interval()
    assert found.low <= exact.low and found.high >= exact.high


def test_weights_of_more_means() -> None:
    """Means of two groups of two: the error and degrees by hand."""
    means = [Mean(1.0, 0.5, 4), Mean(2.0, 1.0, 2), Mean(5.0, 0.25, 9), Mean(7.0, 2.0, 3)]
    found = contrast(list(zip((-0.5, -0.5, 0.5, 0.5), means, strict=True)))
    parts = [(0.25 * m.error**2, m.degrees) for m in means]
    variance = sum(p for p, _ in parts)
    nu = math.floor(variance**2 / sum(p**2 / d for p, d in parts))
    assert found.estimate == pytest.approx(4.5)
    assert found.half_width == pytest.approx(stats.t.ppf(0.975, nu) * math.sqrt(variance), rel=1e-9)


def test_an_interval_gives_its_error_back() -> None:
    import torch

    values = torch.tensor([1.0, 2.0, 4.0, 4.5])
    assert Mean.from_interval(mean_interval(values), 4).error == pytest.approx(
        Mean.of(values.tolist()).error, rel=1e-9
    )


def test_an_interval_that_is_cut_has_the_error_of_its_longer_side() -> None:
    whole, cut = Interval(0.97, 0.87, 1.07), Interval(0.97, 0.87, 1.0)
    assert Mean.from_interval(cut, 5).error == pytest.approx(Mean.from_interval(whole, 5).error)


def test_equal_means_are_told_apart_one_time_in_twenty() -> None:
    rng, missed = np.random.default_rng(0), 0
    for _ in range(400):
        a, b = rng.standard_normal(4).tolist(), (3 * rng.standard_normal(4)).tolist()
        missed += apart(contrast([(1, Mean.of(a)), (-1, Mean.of(b))]))
    assert 5 <= missed <= 36  # of 20; beyond with a chance of 3e-4 on either side


def test_no_spread() -> None:
    assert contrast([(1, Mean(3.0, 0.0, 2)), (-1, Mean(3.0, 0.0, 2))]) == Interval(0.0, 0.0, 0.0)
    assert not apart(Interval(0.0, 0.0, 0.0)) and apart(Interval(1.0, 0.5, 1.5))

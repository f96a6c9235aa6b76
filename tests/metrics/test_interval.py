"""Intervals against SciPy, and their coverage."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from gibbsian.core.errors import UsageError
from gibbsian.metrics.interval import (
    bootstrap_interval,
    half_intervals,
    mean_interval,
    mean_share_interval,
    quantile,
    share_interval,
    t_quantile,
)


def test_quantile_is_scipys():
    for level in (0.5, 0.9, 0.95, 0.999):
        assert quantile(level) == pytest.approx(stats.norm.ppf(0.5 + level / 2), rel=1e-12)


def test_t_quantile_is_scipys():
    for degrees in (1, 2, 3, 4, 5, 9, 10, 49, 199, 200, 201, 1000, 100_000):
        for level in (0.1, 0.5, 0.9, 0.95, 0.99, 0.999):
            want = stats.t.ppf(0.5 + level / 2, degrees)
            assert t_quantile(level, degrees) == pytest.approx(want, rel=1e-7), (level, degrees)


@pytest.mark.parametrize("n", [2, 3, 5, 50, 400])
def test_mean_interval_is_scipys(n):
    x = np.random.default_rng(0).exponential(size=n)
    got = mean_interval(torch.tensor(x), 0.9)
    want = stats.t.interval(0.9, n - 1, loc=x.mean(), scale=stats.sem(x))
    assert (got.estimate, got.low, got.high) == pytest.approx((x.mean(), *want), rel=1e-12)
    assert got.half_width == pytest.approx((want[1] - want[0]) / 2)


@pytest.mark.parametrize(("successes", "n"), [(0, 10), (3, 10), (10, 10), (123, 1000)])
def test_share_interval_is_scipys_wilson(successes, n):
    got = share_interval(successes, n)
    want = stats.binomtest(successes, n).proportion_ci(0.95, method="wilson")
    assert (got.low, got.high) == pytest.approx((want.low, want.high), abs=1e-12)


def test_bootstrap_of_a_mean_has_the_spread_of_a_mean():
    # the spread from 2,000 draws is known to 1.6 %; bound at 6 deviations
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(400, generator=rng, dtype=torch.float64)
    got = bootstrap_interval(lambda s: float(s.mean()), x, rng=rng, repeats=2000)
    assert got.estimate == float(x.mean())
    assert got.half_width == pytest.approx(1.96 * float(x.std(correction=0)) / 20, rel=0.1)


def test_bootstrap_of_two_samples_draws_each():
    rng = torch.Generator().manual_seed(0)
    x, y = torch.randn(300, generator=rng), torch.randn(100, generator=rng)
    got = bootstrap_interval(lambda a, b: float(a.mean() - b.mean()), x, y, rng=rng, repeats=1000)
    assert got.half_width == pytest.approx(1.96 * float((x.var() / 300 + y.var() / 100).sqrt()), rel=0.15)


def test_halves_of_rows_have_the_spread_of_a_mean():
    """Of 500 halves, t is z to .3 %; the spread is known to 3.2 %: bound at 5 deviations."""
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(401, generator=rng, dtype=torch.float64) + 3
    found = half_intervals(lambda rows: {"mean": float(x[rows].mean())}, 401, rng=rng, repeats=500)["mean"]
    assert found.estimate == float(x.mean())
    assert found.half_width == pytest.approx(1.96 * float(x.std()) / 401**0.5, rel=0.17)
    told = []
    few = half_intervals(
        lambda rows: told.append(float(x[rows].mean())) or {"mean": told[-1]}, 401, rng=rng, repeats=3
    )["mean"]
    assert few.half_width == pytest.approx(stats.t.ppf(0.975, 2) * np.std(told[1:], ddof=1))


def test_halves_are_without_replacement_and_lack_what_one_lacks():
    seen = []

    def look(rows):
        seen.append(rows)
        return {"n": len(set(rows.tolist()))} | ({"rare": 1.0} if len(seen) % 2 else {})

    found = half_intervals(look, 20, rng=torch.Generator().manual_seed(0), repeats=5)
    assert set(found) == {"n"} and [len(r) for r in seen] == [20] + 5 * [10]
    assert all(len(set(r.tolist())) == len(r) for r in seen) and not torch.equal(seen[1], seen[2])
    assert found["n"].estimate == 20
    for n, repeats in ((3, 5), (20, 1)):
        with pytest.raises(UsageError, match="halves of"):
            half_intervals(look, n, rng=torch.Generator(), repeats=repeats)


def test_mean_interval_covers():
    # 1,000 intervals of 95 % over n = 200: between 92 % and 98 %, false alarm below 1e-4
    rng = np.random.default_rng(1)
    hits = sum(
        got.low <= 2.0 <= got.high
        for got in (mean_interval(torch.tensor(rng.normal(2, 3, 200))) for _ in range(1000))
    )
    assert 920 <= hits <= 980


def test_mean_interval_of_few_values_covers():
    # 4,000 intervals of 95 % over n = 5: 93 % to 97 %, false alarm below 1e-7; with z for t it is 88 %
    rng = np.random.default_rng(2)
    hits = sum(
        got.low <= 2.0 <= got.high
        for got in (mean_interval(torch.tensor(rng.normal(2, 3, 5))) for _ in range(4000))
    )
    assert 3720 <= hits <= 3880


def test_bad_arguments_are_refused():
    with pytest.raises(UsageError, match="degrees"):
        t_quantile(0.95, 0)
    with pytest.raises(UsageError, match="between 0 and 1"):
        quantile(95)
    with pytest.raises(UsageError, match="at least 2 rows"):
        mean_interval(torch.tensor([1.0]))
    with pytest.raises(UsageError, match="successes"):
        share_interval(3, 2)
    with pytest.raises(UsageError, match="repeats"):
        bootstrap_interval(lambda s: 0.0, torch.ones(3), rng=torch.Generator(), repeats=1)


@pytest.mark.parametrize(
    ("shares", "low", "high"),
    [
        ([1.0] * 20, 0.8389, 1.0),
        ([0.0] * 20, 0.0, 0.1611),
        ([1.0] * 19 + [0.0], 0.7639, 0.9911),
        ([0.5] * 20, 0.2993, 0.7007),
    ],
)
def test_shares_have_room_at_0_and_1(shares, low, high):
    """Whole shares by Wilson's interval of as many rows; never narrower where nothing was seen to vary."""
    found = mean_share_interval(torch.tensor(shares))
    assert found.low == pytest.approx(low, abs=5e-3) and found.high == pytest.approx(high, abs=5e-3)


def test_shares_that_vary_less_than_coins_are_known_better():
    spread = mean_share_interval(torch.linspace(0.4, 0.6, 50))
    assert spread.half_width < share_interval(25, 50).half_width / 2
    assert spread.low < 0.5 < spread.high

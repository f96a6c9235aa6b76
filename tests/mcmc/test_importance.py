"""Importance resampling. Bounds are |z| < 4.5: false alarms 6.8e-6 each, below 1e-4 in all; fixed seeds."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gibbsian.core.errors import GibbsianError, UsageError
from gibbsian.core.random import generator
from gibbsian.mcmc.importance import effective_sample_size, resample

F64 = torch.float64


def counts(log_weights: torch.Tensor, n: int, seed: int) -> torch.Tensor:
    return torch.bincount(resample(log_weights, n, generator(seed)), minlength=len(log_weights)).double()


@given(
    st.lists(st.floats(-30, 30) | st.just(-math.inf), min_size=1, max_size=40).filter(lambda w: max(w) > -40),
    st.integers(1, 200),
    st.integers(0, 2**30),
)
def test_counts_are_within_one_of_their_expectation(log_weights, n, seed):
    log_w = torch.tensor(log_weights, dtype=F64)
    found = counts(log_w, n, seed)
    assert found.sum() == n
    assert ((found - n * log_w.softmax(0)).abs() < 1 + 1e-9).all()
    assert (found[log_w == -math.inf] == 0).all()


def test_counts_have_the_right_mean():
    """Over many shifts of the comb; each count is one of two neighbours, so its variance is at most 1/4."""
    log_w = torch.tensor([0.0, -0.4, 0.7, -2.0, 0.1], dtype=F64)
    repeats, n = 3000, 7
    total = sum(counts(log_w, n, seed) for seed in range(repeats))
    z = (total / repeats - n * log_w.softmax(0)) / (0.25 / repeats) ** 0.5
    assert z.abs().max() < 4.5


def test_weighted_draws_of_a_base_follow_the_tilted_law():
    """N(0, 1) with weights exp(z): N(1, 1). Standard errors by the effective sample size."""
    z = torch.randn(40_000, generator=generator(0), dtype=F64)
    kept = z[resample(z, 20_000, generator(1))]
    size = min(float(effective_sample_size(z)), 20_000.0)
    assert abs(float(kept.mean()) - 1) < 4.5 * (2 / size) ** 0.5
    assert abs(float(kept.var()) - 1) < 4.5 * (4 / size) ** 0.5


def test_the_shift_is_the_only_randomness():
    log_w = torch.zeros(10)
    assert torch.equal(resample(log_w, 10, generator(3)), torch.arange(10))
    assert torch.equal(resample(log_w, 25, generator(3)), resample(log_w + 7, 25, generator(3)))
    assert resample(log_w, 0, generator(0)).shape == (0,)
    assert resample(log_w, 3, generator(0)).dtype == torch.int64


def test_effective_sample_size_in_closed_form():
    assert effective_sample_size(torch.full((8,), -900.0)).item() == pytest.approx(8)
    assert effective_sample_size(torch.tensor([0.0, -math.inf, -math.inf])).item() == pytest.approx(1)
    weights = torch.tensor([1.0, 2.0, 5.0], dtype=F64)
    truth = float(weights.sum() ** 2 / weights.square().sum())
    assert effective_sample_size(weights.log() + 300).item() == pytest.approx(truth)


@pytest.mark.parametrize("use", [lambda w: resample(w, 3, generator(0)), effective_sample_size])
def test_what_is_no_weight_is_refused(use):
    for bad in (torch.zeros(2, 2), torch.zeros(0), torch.tensor([0.0, math.nan]), torch.tensor([math.inf])):
        with pytest.raises(UsageError, match="log_weights"):
            use(bad)
    with pytest.raises(GibbsianError, match="all weights are 0"):
        use(torch.full((3,), -math.inf))


def test_a_negative_number_is_refused():
    with pytest.raises(UsageError, match="n is -1"):
        resample(torch.zeros(3), -1, generator(0))

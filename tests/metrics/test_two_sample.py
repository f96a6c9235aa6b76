"""MMD, KID and sliced Wasserstein against scikit-learn and SciPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment
from scipy.stats import wasserstein_distance
from sklearn.metrics.pairwise import polynomial_kernel, rbf_kernel

from gibbsian.core.errors import UsageError
from gibbsian.metrics.two_sample import kid, median_distance, mmd2, sliced_wasserstein


def points(n: int, d: int = 4, seed: int = 0, shift: float = 0.0) -> torch.Tensor:
    rng = torch.Generator().manual_seed(seed)
    return torch.randn(n, d, generator=rng, dtype=torch.float64) + shift


def unbiased(kernel, x: np.ndarray, y: np.ndarray) -> float:
    """The U-statistic from full kernel tables."""
    n, m = len(x), len(y)
    kx, ky = kernel(x, x), kernel(y, y)
    within = (kx.sum() - np.trace(kx)) / (n * (n - 1)) + (ky.sum() - np.trace(ky)) / (m * (m - 1))
    return within - 2 * kernel(x, y).mean()


def test_mmd_is_scikit_learns_kernel():
    x, y = points(70), points(45, seed=1, shift=0.5)
    want = unbiased(lambda u, v: rbf_kernel(u, v, gamma=1 / (2 * 1.7**2)), x.numpy(), y.numpy())
    assert mmd2(x, y, bandwidth=1.7, chunk=16) == pytest.approx(want, rel=1e-9)


def test_kid_is_scikit_learns_kernel():
    x, y = points(70, 9), points(45, 9, seed=1, shift=0.5)
    want = unbiased(
        lambda u, v: polynomial_kernel(u, v, degree=3, gamma=1 / 9, coef0=1), x.numpy(), y.numpy()
    )
    assert kid(x, y, chunk=16) == pytest.approx(want, rel=1e-9)
    assert kid(y, x) == pytest.approx(want, rel=1e-9)


@pytest.mark.parametrize("measure", [mmd2, kid])
def test_they_are_unbiased(measure):
    # mean over 200 pairs of equal distributions: |z| < 4.5, false alarm 1e-5; the biased form fails by far
    values = torch.tensor([measure(points(20, seed=2 * s), points(20, seed=2 * s + 1)) for s in range(200)])
    assert abs(float(values.mean())) < 4.5 * float(values.std()) / 200**0.5


def test_default_bandwidth_is_the_median_distance():
    x, y = points(50), points(60, seed=1)
    assert mmd2(x, y) == mmd2(x, y, bandwidth=median_distance(x, y))


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 30), st.integers(2, 30))
def test_in_one_dimension_it_is_scipys(n, m):
    x, y = points(n, 1, seed=n), points(m, 1, seed=m + 50, shift=0.3)
    got = sliced_wasserstein(x, y, torch.Generator().manual_seed(0), projections=3, p=1)
    assert got == pytest.approx(wasserstein_distance(x[:, 0].numpy(), y[:, 0].numpy()), rel=1e-9)


def test_of_order_two_is_the_assignment():
    x, y = points(40, 1), points(40, 1, seed=1, shift=1.0)
    cost = torch.cdist(x, y).square().numpy()
    want = cost[linear_sum_assignment(cost)].mean() ** 0.5
    assert sliced_wasserstein(x, y, torch.Generator().manual_seed(0), projections=2) == pytest.approx(want)


def test_a_shift_has_a_closed_form():
    # E over directions of <theta, shift>^2 = |shift|^2 / D; relative error below 1 / sqrt(4000) a deviation
    x = points(30, 3)
    got = sliced_wasserstein(x, x + 2, torch.Generator().manual_seed(0), projections=4000)
    assert got == pytest.approx(2.0, rel=0.05)


def test_directions_come_from_the_given_generator():
    state = torch.random.get_rng_state()
    one, two = (
        sliced_wasserstein(points(30), points(30, seed=1), torch.Generator().manual_seed(5)) for _ in range(2)
    )
    assert one == two and torch.equal(state, torch.random.get_rng_state())


def test_bad_arguments_are_refused():
    with pytest.raises(UsageError, match="bandwidth is 0"):
        mmd2(torch.zeros(5, 2), torch.zeros(5, 2))
    with pytest.raises(UsageError, match="must agree"):
        mmd2(points(5, 2), points(5, 3))

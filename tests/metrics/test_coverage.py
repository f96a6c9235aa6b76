"""Nearest-neighbour measures against scikit-learn and plain loops."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import NearestNeighbors

from gibbsian.core.errors import UsageError
from gibbsian.metrics.coverage import coverage, neighbour_radii


def points(n: int, d: int = 5, seed: int = 0, shift: float = 0.0) -> torch.Tensor:
    rng = torch.Generator().manual_seed(seed)
    return torch.randn(n, d, generator=rng, dtype=torch.float64) + shift


def oracle(x: np.ndarray, y: np.ndarray, k: int) -> tuple[float, float, float, float]:
    """The four definitions, with scikit-learn's neighbours and a full distance table."""
    radius_x = NearestNeighbors(n_neighbors=k + 1).fit(x).kneighbors(x)[0][:, -1]
    radius_y = NearestNeighbors(n_neighbors=k + 1).fit(y).kneighbors(y)[0][:, -1]
    table = np.linalg.norm(x[:, None] - y[None], axis=2)
    inside = table <= radius_x[:, None]
    recall = (table <= radius_y[None]).any(1).mean()
    return inside.any(0).mean(), recall, inside.sum(0).mean() / k, inside.any(1).mean()


@settings(max_examples=20, deadline=None)
@given(st.integers(5, 40), st.integers(5, 40), st.integers(1, 4), st.floats(0, 3), st.integers(1, 50))
def test_the_four_numbers_are_their_definitions(n, m, k, shift, chunk):
    x, y = points(n, seed=n), points(m, seed=m + 100, shift=shift)
    got = coverage(x, y, k=k, chunk=chunk)
    want = oracle(x.numpy(), y.numpy(), k)
    assert (got.precision, got.recall, got.density, got.coverage) == pytest.approx(want)


def test_radii_are_scikit_learns():
    x = points(200)
    want = NearestNeighbors(n_neighbors=4).fit(x.numpy()).kneighbors(x.numpy())[0][:, -1]
    np.testing.assert_allclose(neighbour_radii(x, 3, chunk=64).numpy(), want, rtol=1e-9)


def test_two_samples_of_one_distribution_have_the_known_density_and_coverage():
    # coverage: mean 1 - 2^-3, deviation of the mean below 0.02; density: mean 1; 5 deviations
    got = coverage(points(1500, seed=1), points(1500, seed=2))
    assert got.coverage == pytest.approx(1 - 2**-3, abs=0.06)
    assert got.density == pytest.approx(1, abs=0.12)


def test_one_mode_of_two_has_precision_but_not_recall():
    both = torch.cat([points(300, seed=1), points(300, seed=2, shift=20)])
    got = coverage(both, points(600, seed=3))
    assert got.precision > 0.8 and got.recall < 0.55 and got.coverage < 0.55


def test_one_outlier_does_not_swell_density():
    # the reason for density (Naeem et al. 2020): an outlying reference point covers much for precision
    rng = torch.Generator().manual_seed(0)
    reference = torch.cat([points(300, 2), torch.full((1, 2), 30.0, dtype=torch.float64)])
    far = 30 + 5 * torch.randn(300, 2, generator=rng, dtype=torch.float64)
    got = coverage(reference, far)
    assert got.precision > 0.9 and got.density < 0.5 and got.coverage < 0.01


def test_wide_balls_of_outliers_are_cut():
    reference = torch.cat([points(300, 2), torch.full((1, 2), 30.0, dtype=torch.float64)])
    far = points(50, 2, seed=1) + 25
    assert coverage(reference, far).precision == 1
    assert coverage(reference, far, widest=0.9).precision == 0
    assert coverage(reference, points(300, 2, seed=1), widest=0.9).precision > 0.8


def test_bad_arguments_are_refused():
    with pytest.raises(UsageError, match="choose from 1 to 2"):
        coverage(points(3), points(30), k=3)

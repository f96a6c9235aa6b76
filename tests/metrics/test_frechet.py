"""Frechet distance against SciPy's matrix root and the closed form for Gaussians."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm

from gibbsian.core.errors import UsageError
from gibbsian.metrics.frechet import frechet_distance, frechet_interval


def oracle(a: np.ndarray, b: np.ndarray) -> float:
    """The formula with SciPy's matrix square root of the product of covariances."""
    ca, cb = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = sqrtm(ca @ cb).real
    return float(((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(ca + cb - 2 * root))


def sample(n: int, d: int, seed: int, scale: float = 1.0, shift: float = 0.0) -> torch.Tensor:
    rng = torch.Generator().manual_seed(seed)
    mix = torch.randn(d, d, generator=rng, dtype=torch.float64)
    return scale * torch.randn(n, d, generator=rng, dtype=torch.float64) @ mix + shift


def test_it_is_the_formula_with_scipys_root():
    a, b = sample(300, 12, 0), sample(500, 12, 1, 1.5, 0.3)
    assert frechet_distance(a, b) == pytest.approx(oracle(a.numpy(), b.numpy()), rel=1e-8)


def test_it_is_zero_on_itself_and_symmetric():
    a, b = sample(100, 8, 0), sample(100, 8, 1)
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-6)
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a), rel=1e-9)


def test_fewer_rows_than_columns_is_well_defined():
    a = sample(10, 40, 0)
    assert frechet_distance(a, a + 1) == pytest.approx(40, rel=1e-6)


def test_scaled_copies_have_a_closed_form():
    # N(m, C) against N(m, s^2 C): (1 - s)^2 tr C
    a = sample(200, 6, 0)
    a = a - a.mean(0)
    trace = float(a.T.cov().trace())
    assert frechet_distance(a, 3 * a) == pytest.approx(4 * trace, rel=1e-9)


def test_images_are_flattened_and_float32_is_taken_in_float64():
    a = sample(60, 12, 0).float()
    assert frechet_distance(a.reshape(60, 3, 2, 2), a + 100) == pytest.approx(12e4, rel=1e-6)


def test_interval_holds_the_estimate_and_narrows_with_rows():
    rng = torch.Generator().manual_seed(0)
    few = frechet_interval(sample(100, 4, 0), sample(100, 4, 0, 1.3), rng, repeats=50)
    many = frechet_interval(sample(3000, 4, 0), sample(3000, 4, 0, 1.3), rng, repeats=50)
    assert few.low < few.estimate < few.high
    assert many.half_width < few.half_width / 2


def test_bad_features_are_refused():
    with pytest.raises(UsageError, match="must agree"):
        frechet_distance(torch.zeros(5, 3), torch.zeros(5, 4))
    with pytest.raises(UsageError, match="1 rows of 5"):
        frechet_distance(torch.zeros(5, 3), torch.tensor([[0.0] * 3] * 4 + [[torch.inf] * 3]))
    with pytest.raises(UsageError, match="at least 2 rows"):
        frechet_distance(torch.zeros(1, 3), torch.zeros(5, 3))

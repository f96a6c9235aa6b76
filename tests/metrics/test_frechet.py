"""Frechet distance against SciPy's matrix root and the closed form for Gaussians."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm

from gibbsian.core.errors import UsageError
from gibbsian.metrics.frechet import frechet_distance, frechet_interval, frechet_trend, gaussian_distance


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


@pytest.mark.parametrize(("n", "m", "d"), [(9, 7, 20), (15, 300, 12), (30, 12, 25), (40, 40, 12)])
def test_few_rows_and_many_give_the_same(n, m, d):
    """Of n m < D^2 the singular values are those of another matrix; the root is regularised by 1e-12."""
    a, b = sample(n, d, 0), sample(m, d, 1, 1.5, 0.3)
    ca, cb = (np.cov(x.numpy(), rowvar=False) for x in (a, b))
    cross = np.sqrt(np.linalg.eigvals(ca @ cb).real.clip(0)).sum()
    want = float((a.mean(0) - b.mean(0)).square().sum()) + np.trace(ca) + np.trace(cb) - 2 * cross
    assert frechet_distance(a, b) == pytest.approx(want, rel=1e-5)


def test_of_given_moments():
    a, b = sample(300, 12, 0), sample(500, 12, 1, 1.5, 0.3)
    moments = [(x.mean(0), x.T.cov()) for x in (a, b)]
    assert gaussian_distance(*moments[0], *moments[1]) == pytest.approx(
        oracle(a.numpy(), b.numpy()), rel=1e-8
    )


def test_the_trend_is_numpys_line_through_means_of_parts():
    a, b = sample(61, 4, 0), sample(50, 4, 1, 1.2)
    means = [
        np.mean([frechet_distance(*p) for p in zip(a.tensor_split(k), b.tensor_split(k), strict=True)])
        for k in (4, 2, 1)
    ]
    found = frechet_trend(a, b)
    assert (found.quarter, found.half, found.whole) == pytest.approx(means)
    assert found.limit == pytest.approx(np.polyfit([4, 2, 1], means, 1)[1])
    assert frechet_trend(a, b[:19]).limit is None and frechet_trend(a, b[:20]).limit is not None


def test_the_limit_has_little_bias():
    """N(0, I) and N(.5, I) in 10 dimensions: 2.5. The mean of 20 limits of 200 rows; 4 deviations and .1 of
    second order, where the distances themselves are off by .3."""
    rng = torch.Generator().manual_seed(0)
    draws = (torch.randn(2, 200, 10, generator=rng, dtype=torch.float64) for _ in range(20))
    found = [frechet_trend(x, y + 0.5) for x, y in draws]
    limits = torch.tensor([one.limit for one in found])
    assert abs(float(limits.mean()) - 2.5) < 4 * float(limits.std()) / 20**0.5 + 0.1
    assert sum(one.whole for one in found) / 20 > 2.7


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

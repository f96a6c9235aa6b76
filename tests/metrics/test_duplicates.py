"""Duplicates: what a perfect sampler has, what copies have."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gibbsian.core.errors import UsageError
from gibbsian.metrics.duplicates import duplicate_share, repeated_rows


def points(n, seed):
    return torch.randn(n, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_the_reference_itself_has_exactly_the_share():
    x = points(101, 0)  # 5,050 pairs
    assert duplicate_share(x, x, share=0.01) == pytest.approx(50 / 5050, abs=1 / 5050)


def test_draws_of_the_same_law_have_it_about():
    # 20 samples of 4,950 pairs at 1 %: the mean of such shares has a deviation below .001; z < 5
    found = [duplicate_share(points(100, k), points(100, 100 + k), share=0.01) for k in range(20)]
    assert abs(sum(found) / 20 - 0.01) < 0.005


def test_copies_show():
    x = points(60, 1)
    half = torch.cat([x[:30], x[:1].expand(30, -1) + 1e-9])
    assert duplicate_share(x, half) > 0.2


def test_rows_that_equal_an_earlier_one_are_numpys():
    x = torch.randint(0, 3, (200, 4), generator=torch.Generator().manual_seed(0)).float() - 1
    x[3] = -0.0
    x[4] = 0.0
    assert repeated_rows(x) == 200 - len(np.unique(x.numpy() + 0.0, axis=0)) > 50
    assert repeated_rows(points(50, 1)) == 0 and repeated_rows(torch.zeros(5, 2, 2)) == 4


def test_shares_that_mean_nothing():
    for share in (0.0, 1.0, 1e-9):
        with pytest.raises(UsageError, match="share is"):
            duplicate_share(points(20, 2), points(20, 3), share=share)

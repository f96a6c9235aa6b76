"""The Gaussian baselines have the mean and covariance of the data."""

from __future__ import annotations

import pytest
import torch

from gibbsian.core.errors import UsageError
from gibbsian.metrics.baselines import class_gaussians, one_gaussian

WIDE = {"low": -100.0, "high": 100.0}


def data(n: int, d: int = 4, seed: int = 0) -> torch.Tensor:
    rng = torch.Generator().manual_seed(seed)
    mix = torch.randn(d, d, generator=rng, dtype=torch.float64)
    return torch.randn(n, d, generator=rng, dtype=torch.float64) @ mix + torch.arange(d)


@pytest.mark.parametrize("rows", [200, 3])
def test_moments_are_those_of_the_data(rows):
    # 40,000 draws: an entry of the covariance has a relative deviation of about 1 %; bound at 5
    x = data(rows)
    draws = one_gaussian(x, 40_000, torch.Generator().manual_seed(1), **WIDE).double()
    scale = float(x.T.cov().diagonal().max())
    torch.testing.assert_close(draws.T.cov(), x.T.cov(), atol=0.05 * scale, rtol=0)
    torch.testing.assert_close(draws.mean(0), x.mean(0), atol=5 * (scale / 40_000) ** 0.5, rtol=0)


def test_draws_stay_in_the_span_of_few_rows():
    x = data(3)
    draws = one_gaussian(x, 50, torch.Generator().manual_seed(1), **WIDE).double()
    assert int(torch.linalg.matrix_rank(draws - x.mean(0), tol=1e-4)) == 2


def test_each_class_has_its_own_gaussian():
    x = torch.cat([data(100), data(300, seed=1) + 30])
    y = torch.tensor([0] * 100 + [2] * 300)
    draws, labels = class_gaussians(x, y, 20_000, torch.Generator().manual_seed(1), **WIDE)
    # shares 1/4 and 3/4, deviation 0.003
    assert float((labels == 2).double().mean()) == pytest.approx(0.75, abs=0.015)
    assert set(labels.tolist()) == {0, 2}
    for label, part in ((0, x[:100]), (2, x[100:])):
        mine = draws[labels == label].double()
        torch.testing.assert_close(mine.mean(0), part.mean(0), atol=0.25, rtol=0)
        torch.testing.assert_close(mine.T.cov(), part.T.cov(), atol=0.8, rtol=0.1)


def test_images_keep_their_shape_and_are_clipped():
    x = data(50, 12).reshape(50, 3, 2, 2)
    draws, labels = class_gaussians(x, torch.arange(50) % 5, 64, torch.Generator().manual_seed(0))
    assert draws.shape == (64, 3, 2, 2) and draws.dtype == torch.float32 and labels.shape == (64,)
    assert float(draws.min()) == -1 and float(draws.max()) == 1


def test_a_class_of_one_row_gives_that_row():
    x = torch.tensor([[0.1, 0.2], [0.5, 0.6]])
    draws, labels = class_gaussians(x, torch.tensor([0, 1]), 20, torch.Generator().manual_seed(0))
    torch.testing.assert_close(draws, x[labels])


def test_bad_labels_are_refused():
    with pytest.raises(UsageError, match="labels"):
        class_gaussians(torch.zeros(4, 2), torch.zeros(3), 5, torch.Generator())

"""Grid divergences and mode recall."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from gibbsian.core.errors import UsageError
from gibbsian.data.names import TOYS
from gibbsian.data.toy import toy
from gibbsian.metrics.toy import cell_probabilities, grid_divergence, histogram, mode_recall


def draws(name: str, n: int = 20_000, seed: int = 0) -> torch.Tensor:
    return toy(name).draw(n, torch.Generator().manual_seed(seed))


def test_histogram_is_numpys():
    x = draws("pinwheel")
    edges = np.linspace(-2, 2, 11)
    want = np.histogram2d(x[:, 0].numpy(), x[:, 1].numpy(), bins=[edges, edges])[0].ravel() / len(x)
    got = histogram(x, 2.0, 10)
    np.testing.assert_allclose(got[:-1].numpy(), want, atol=1e-12)
    assert float(got.sum()) == pytest.approx(1) and float(got[-1]) > 0


def test_cells_of_a_gaussian_are_exact():
    def log_density(x):
        return -0.5 * x.square().sum(1) - math.log(2 * math.pi)

    cdf = torch.special.ndtr(torch.linspace(-2, 2, 9, dtype=torch.float64))
    want = torch.outer(cdf.diff(), cdf.diff()).flatten()
    got = cell_probabilities(log_density, 2.0, 8, points=16)
    torch.testing.assert_close(got[:-1], want, atol=1e-5, rtol=0)
    assert float(got[-1]) == pytest.approx(1 - float(want.sum()), abs=1e-3)


@pytest.mark.parametrize("name", TOYS)
def test_exact_draws_score_their_noise_only(name):
    # KL of n draws is about cells / 2n = 0.04 at most; a fault in draws or density costs far more
    density = toy(name)
    got = grid_divergence(draws(name), density.log_density, density.box)
    assert 0 < got.forward < 0.1 and 0 < got.reverse < 0.1


def test_forward_punishes_missed_modes_and_reverse_made_up_mass():
    density = toy("ring")
    x = draws("ring")
    half = x[x[:, 0] > 0]
    spread = torch.cat([x, 4 * torch.rand(20_000, 2, generator=torch.Generator().manual_seed(1)) - 2])
    missed = grid_divergence(half, density.log_density, density.box)
    made_up = grid_divergence(spread, density.log_density, density.box)
    assert missed.forward > 2 and missed.reverse == pytest.approx(math.log(2), abs=0.15)
    assert made_up.reverse > made_up.forward > 0.3


def test_points_that_fly_away_are_seen():
    density = toy("ring")
    far = torch.cat([draws("ring"), torch.full((20_000, 2), 1e6, dtype=torch.float64)])
    assert grid_divergence(far, density.log_density, density.box).reverse > 1


def test_mode_recall_counts():
    modes = toy("grid3").modes
    x = torch.cat([modes[:6].repeat(3, 1), modes[6:7], torch.tensor([[9.0, 9.0]]).double()])
    got = mode_recall(x, modes, 0.3)
    assert got.recall == pytest.approx(7 / 9) and got.quality == pytest.approx(19 / 20)
    assert got.counts == (3, 3, 3, 3, 3, 3, 1, 0, 0)
    assert mode_recall(x, modes, 0.3, minimum=2).recall == pytest.approx(6 / 9)


def test_exact_draws_find_every_mode():
    # P(|N(0, s^2 I)| <= 3 s) = 1 - exp(-4.5); deviation 7e-4
    density = toy("grid5")
    got = mode_recall(draws("grid5"), density.modes, 3 * density.spread)
    assert got.recall == 1 and got.quality == pytest.approx(1 - math.exp(-4.5), abs=0.004)


def test_bad_arguments_are_refused():
    with pytest.raises(UsageError, match="points of the plane"):
        histogram(torch.zeros(5, 3), 1.0, 4)
    with pytest.raises(UsageError, match="modes have shape"):
        mode_recall(torch.zeros(5, 2), torch.empty(0, 2), 1.0)

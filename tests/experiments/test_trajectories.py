"""The baselines of the trajectory tables, and the divergence that they are judged by."""

from __future__ import annotations

import pytest
import torch

import gibbsian as gb
from experiments.trajectories.baselines import Fitting, Mixture, Regression, fitted
from experiments.trajectories.masses import GRIDS, HORIZON, divergence
from gibbsian.core.random import generator
from gibbsian.data.pointmass import MASSES

TWO = torch.tensor([[1.0], [-1.0]]).repeat(200, 1)
LINE = gb.from_arrays(TWO, cond=torch.randn(400, 2, generator=generator(0)))


@pytest.mark.parametrize("name", GRIDS)
def test_the_divergence_of_exact_draws_is_the_floor(name) -> None:
    mass, (box, bins) = MASSES[name], GRIDS[name]
    x = mass.paths(torch.zeros(5000, mass.dim).double(), HORIZON, generator(0))[:, -1]
    assert divergence(x, mass, HORIZON, box, bins) < bins**mass.dim / 5000
    assert divergence(x + 1, mass, HORIZON, box, bins) > 0.1
    assert divergence(0 * x, mass, HORIZON, box, bins) > 3


@pytest.mark.parametrize("parts", [1, 2, 5])
def test_the_density_of_a_mixture_sums_to_one_and_its_draws_follow(parts) -> None:
    with gb.seeded_init(0):
        model = Mixture(1, 2, (8,), parts)
    c, x = torch.tensor([[0.3, -1.0]]), torch.linspace(-12, 12, 4801)[:, None]
    p = model.log_prob(x, c.expand(len(x), 2)).exp().detach()
    assert float(p.sum()) * 0.005 == pytest.approx(1, abs=1e-3)
    drawn = model.draw(c.expand(20_000, 2), generator(0))
    assert float(drawn.mean()) == pytest.approx(float((p * x[:, 0]).sum()) * 0.005, abs=0.05)


def test_regression_finds_the_mean_and_two_gaussians_the_two_ways() -> None:
    how = Fitting(150, batch=64, lr=0.02, noise=0.1, hidden=(8,))
    c = torch.randn(100, 2, generator=generator(1))
    with gb.seeded_init(0):
        mean = fitted(Regression(1, 2, (8,)), LINE, how, 0)
        both = fitted(Mixture(1, 2, (8,), 2), LINE, how, 0)
    assert float(mean.draw(c, generator(0)).abs().mean()) < 0.4
    assert float(both.draw(c, generator(0)).abs().mean()) == pytest.approx(1, abs=0.2)
    assert isinstance(both, Mixture)

"""Point masses: densities that sum to 1, the binomial mixture in closed form, cells against draws."""

from __future__ import annotations

import math

import pytest
import torch

from gibbsian.core.random import generator
from gibbsian.data.pointmass import EPISODES, LENGTH, MASSES, PointMass, episodes_of

ALL = [*MASSES.values(), PointMass(2, 0.7, 0.3), PointMass(1, 2.0, 0.4, 0.3)]


@pytest.mark.parametrize("mass", ALL)
def test_the_density_of_a_step_sums_to_one_and_is_that_of_cells(mass) -> None:
    n = 401 if mass.dim == 1 else 161
    width = 8 / (n - 1)
    axis = torch.linspace(-4, 4, n, dtype=torch.float64)
    s = torch.full((1, mass.dim), 0.5, dtype=torch.float64)
    x = torch.cartesian_prod(*mass.dim * [axis]).reshape(-1, mass.dim)
    p = mass.log_prob(s.expand(len(x), -1), x).exp()
    assert float(p.sum()) * width**mass.dim == pytest.approx(1, abs=1e-3)
    cells = mass.cells(s[0], 1, 4 + width / 2, n)
    assert float((cells.flatten() - p * width**mass.dim).abs().sum()) < 0.03


@pytest.mark.parametrize("steps", [1, 3, 10])
def test_two_ways_are_a_binomial_mixture(steps) -> None:
    mass, s = PointMass(1), torch.tensor([0.3])
    edges = torch.linspace(-16, 16, 161, dtype=torch.float64)
    k = range(steps + 1)
    weights = torch.tensor([math.comb(steps, i) / 2**steps for i in k], dtype=torch.float64)
    means = torch.tensor([0.3 + 2 * i - steps for i in k], dtype=torch.float64)
    below = torch.special.ndtr((edges[:, None] - means) / (0.2 * math.sqrt(steps))) @ weights
    assert torch.allclose(mass.cells(s, steps, 16, 160), below.diff(), atol=2e-4)


@pytest.mark.parametrize("mass", ALL)
def test_cells_are_those_of_draws(mass) -> None:
    n, s = 40_000, torch.full((mass.dim,), 0.4)
    end = mass.paths(s.double().expand(n, -1), 3, generator(0))[:, -1]
    box = 12.0 if mass.dim == 1 else 5.0
    cells = mass.cells(s, 3, box, 10)
    hist = torch.histogramdd(end, mass.dim * [10], range=mass.dim * [-box, box]).hist / n
    assert float((hist - cells).abs().max()) < 4 * math.sqrt(0.25 / n)


@pytest.mark.parametrize("name", MASSES)
def test_named_parts_are_always_the_same_and_differ(name) -> None:
    train, again, test = (episodes_of(name, part) for part in ("train", "train", "test"))
    assert torch.equal(train[3], again[3]) and not torch.equal(train[3], test[3])
    assert (len(train), len(test)) == (EPISODES["train"], EPISODES["test"])
    assert train[0].shape == (LENGTH + 1, MASSES[name].dim)

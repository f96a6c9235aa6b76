"""The probability flow of a Gaussian is a stretch, up to an error of third order a step."""

from __future__ import annotations

import math

import pytest
import torch

from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator
from gibbsian.mcmc.probability_flow import ProbabilityFlow

WIDTH = 0.7


def energy_at(sigma):
    return lambda x: x.square().sum(1) / (2 * (WIDTH**2 + sigma**2))


def carried(levels, x):
    for sigma, to in zip(levels, levels[1:], strict=False):
        kernel = ProbabilityFlow(sigma, to, energy_at(to))
        here = energy_at(sigma)
        x = kernel.step(here, kernel.init(here, x), generator(0))[0].position
    return x


def error(steps):
    levels = [2.0 * (0.1 / 2.0) ** (k / steps) for k in range(steps + 1)]
    x = torch.randn(5, 2, generator=generator(1), dtype=torch.float64)
    want = x * math.sqrt((WIDTH**2 + 0.01) / (WIDTH**2 + 4.0))
    return float((carried(levels, x) - want).abs().max())


def test_draws_of_one_level_become_draws_of_the_next():
    assert error(40) < 2e-3


def test_the_error_falls_with_the_square_of_the_steps():
    assert 3.5 < error(20) / error(40) < 4.6


def test_one_step_by_hand():
    kernel = ProbabilityFlow(2.0, 1.0, lambda x: x.sum(1))
    state = kernel.init(lambda x: 3 * x.sum(1), torch.zeros(1, 2))
    new, info = kernel.step(lambda x: 3 * x.sum(1), state, generator(0))
    # slopes 2 * 3 and 1 * 1, half of each, over a gap of -1
    torch.testing.assert_close(new.position, torch.full((1, 2), -3.5))
    assert info.acceptance is None
    assert not info.divergent.any()


@pytest.mark.parametrize("levels", [(0.0, 1.0), (1.0, -1.0)])
def test_levels_are_positive(levels):
    with pytest.raises(UsageError):
        ProbabilityFlow(*levels, energy_at(1.0))

"""Sequential Monte Carlo between noise levels: a sum that is not that of noised data comes out right."""

from __future__ import annotations

import pytest
import torch

from gibbsian.core.errors import GibbsianError, UsageError
from gibbsian.core.random import generator
from gibbsian.mcmc.base import run
from gibbsian.mcmc.mala import MALA
from gibbsian.mcmc.weighted_descent import WeightedDescent


def mixture(places, shares, width):
    """-log of a mixture of normal densities on the line, `width` with its noise."""
    places, logs = torch.tensor(places), torch.tensor(shares).log()

    def energy(x):
        return -(logs - (x - places).square() / (2 * width**2)).logsumexp(1)

    return energy


def lowered(steps, n, weighted_by=lambda x: 0.0, moves=0):
    """Draws of modes at -2 and 2, .5 each, with noise .1, every level's energy with a term on top."""

    def at(sigma):
        plain = mixture([-2.0, 2.0], [0.5, 0.5], (0.09 + sigma**2) ** 0.5)
        return lambda x: plain(x) + weighted_by(x)

    levels = [4.0 * (0.1 / 4.0) ** (k / steps) for k in range(steps + 1)]
    x = (4 + 0.09 + 16.0) ** 0.5 * torch.randn(n, 1, generator=generator(0))
    x = run(MALA(8.0), at(4.0), x, steps=50, rng=1).position
    for sigma, to in zip(levels, levels[1:], strict=False):
        kernel = WeightedDescent(sigma, to, at(to))
        state, _ = kernel.step(at(sigma), kernel.init(at(sigma), x), generator(int(1e6 * to)))
        x = state.position
        if moves:
            x = run(MALA(0.3 * to**2), at(to), x, steps=moves, rng=int(1e5 * to)).position
    return x


def test_draws_have_the_weights_and_widths_of_the_last_energy():
    x = lowered(60, 20_000)
    assert float((x > 0).float().mean()) == pytest.approx(0.5, abs=0.02)
    assert float(x[x > 0].std()) == pytest.approx(0.1**0.5, rel=0.04)


@pytest.mark.parametrize("moves", [0, 1])
def test_a_term_on_every_level_changes_the_weights_as_it_should(moves):
    """With log 3 less for x > 0 three quarters lie there, which no slope tells."""
    x = lowered(60, 20_000, lambda x: -1.0986 * (x[:, 0] > 0), moves)
    assert float((x > 0).float().mean()) == pytest.approx(0.75, abs=0.02)


def test_rows_of_infinite_energy_are_left():
    def wall(x):
        return torch.where(x[:, 0] > 0, torch.nan, 0.0) + x.square().sum(1) / 2

    kernel = WeightedDescent(1.0, 0.9, wall)
    x = torch.randn(500, 1, generator=generator(2))
    state, info = kernel.step(lambda x: x.square().sum(1) / 2, kernel.init(wall, x), generator(3))
    assert bool((state.position < 0).all()) and state.position.shape == x.shape
    assert state.count == 1 and not info.divergent.any()
    with pytest.raises(GibbsianError, match="all weights are 0"):
        none = WeightedDescent(1.0, 0.9, lambda x: x.sum(1) + torch.nan)
        none.step(lambda x: x.square().sum(1) / 2, kernel.init(wall, x), generator(3))


@pytest.mark.parametrize("levels", [(1.0, 1.0), (0.5, 1.0), (1.0, 0.0)])
def test_noise_must_fall(levels):
    with pytest.raises(UsageError, match="must fall"):
        WeightedDescent(*levels, lambda x: x.sum(1))

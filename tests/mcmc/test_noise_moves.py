"""Moves between noise levels: their densities, and weights that must be 1."""

from __future__ import annotations

import math
from functools import partial

import pytest
import torch
from torch.distributions import Normal

from gibbsian.core.random import generator
from gibbsian.mcmc.annealed import PathStep, annealed
from gibbsian.mcmc.mala import MALA
from gibbsian.mcmc.noise_moves import denoised, noised

SPREAD = torch.tensor([1.0, 0.3])


def level(sigma):
    """-log N(0, SPREAD^2 + sigma^2), normalised."""
    scale = (SPREAD**2 + sigma**2).sqrt()
    return lambda x: -Normal(0, scale).log_prob(x).sum(1)


class Iid:
    """N(0, v I), as a spread."""

    def __init__(self, v):
        self.density = Normal(torch.zeros(()), v**0.5)

    def draw(self, n, rng):
        return self.density.scale * torch.randn(n, 2, generator=rng)

    def neg_log_density(self, z):
        return -self.density.log_prob(z).flatten(1).sum(1)


def known(sigma, to):
    """Of noise `to` given noise `sigma` and the clean data."""
    return {"spread": Iid(to**2 * (sigma**2 - to**2) / sigma**2)}


def ratio(x, moved, sigma, to):
    """log q - log r by torch's densities: `moved` has the less noise."""
    added = sigma**2 - to**2
    mean = x - added * x / (SPREAD**2 + sigma**2)
    back = Normal(moved, added**0.5).log_prob(x)
    there = Normal(mean, to * added**0.5 / sigma).log_prob(moved)
    return (back - there).sum(1)


@pytest.mark.parametrize(("sigma", "to"), [(2.0, 1.5), (0.5, 0.1)])
def test_either_way_has_the_densities_that_it_draws_from(sigma, to):
    x = torch.randn(50_000, 2, generator=generator(0))
    moved, found = denoised(x, generator(1), energy=level(sigma), sigma=sigma, to=to, **known(sigma, to))
    torch.testing.assert_close(found, ratio(x, moved, sigma, to), rtol=1e-4, atol=1e-3)
    error = moved - x * (1 - (sigma**2 - to**2) / (SPREAD**2 + sigma**2))
    assert float(error.std()) == pytest.approx(to * (sigma**2 - to**2) ** 0.5 / sigma, rel=0.02)
    more, found = noised(x, generator(2), ahead=level(sigma), sigma=to, to=sigma, **known(sigma, to))
    torch.testing.assert_close(found, -ratio(more, x, sigma, to), rtol=1e-4, atol=1e-3)
    assert float((more - x).std()) == pytest.approx((sigma**2 - to**2) ** 0.5, rel=0.02)


def path(levels, move, shift=0.0):
    steps = []
    for a, b in zip(levels, levels[1:], strict=False):
        here, to = level(a), level(b)
        lower = partial(lambda e, x: e(x) + shift, to)
        begin = here if a == levels[0] else partial(lambda e, x: e(x) + shift, here)
        steps.append(PathStep(begin, lower, move(a, b), MALA(0.2 * b**2), 1))
    return steps


@pytest.mark.parametrize("shift", [0.0, 0.7])
@pytest.mark.parametrize("down", [True, False])
def test_the_mean_weight_is_the_ratio_of_constants_both_ways(down, shift):
    levels = [3.0 * 0.85**k for k in range(20)][:: 1 if down else -1]
    move = (
        (lambda a, b: partial(denoised, energy=level(a), sigma=a, to=b, **known(a, b)))
        if down
        else (lambda a, b: partial(noised, ahead=level(b), sigma=a, to=b, **known(b, a)))
    )
    x = torch.randn(20_000, 2, generator=generator(3)) * (SPREAD**2 + levels[0] ** 2).sqrt()
    found = annealed(path(levels, move, shift), x, generator(4))
    error = float(found.log_weights.exp().std()) * math.exp(shift) / 20_000**0.5
    assert error < 0.02
    assert found.log_z == pytest.approx(-shift, abs=4 * error)
    weights = found.log_weights.softmax(0).float()
    variance = (weights[:, None] * found.x.square()).sum(0)
    torch.testing.assert_close(variance, SPREAD**2 + levels[-1] ** 2, rtol=0.06, atol=0)


def test_closer_levels_lose_less():
    def loss(count):
        levels = [3.0 * 0.02 ** (k / count) for k in range(count + 1)]
        x = torch.randn(2000, 2, generator=generator(5)) * (SPREAD**2 + 9).sqrt()
        move = lambda a, b: partial(denoised, energy=level(a), sigma=a, to=b, **known(a, b))  # noqa: E731
        return -float(annealed(path(levels, move), x, generator(6)).log_weights.mean())

    assert 0 < loss(40) < 0.6 * loss(10)

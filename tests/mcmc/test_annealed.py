"""Annealing with maps: weights that must be 1, and one whose mean is known."""

from __future__ import annotations

import math

import pytest
import torch

from gibbsian.core.random import generator
from gibbsian.mcmc.annealed import PathStep, annealed, bridged
from gibbsian.mcmc.mala import MALA


def gaussian(scale, shift=0.0):
    def energy(x):
        return (
            x.square().sum(1) / (2 * scale**2) + x.shape[1] * math.log(scale * math.sqrt(2 * math.pi)) + shift
        )

    return energy


def stretch(scale, to, d):
    return lambda x, rng: (x * (to / scale), torch.tensor(d * math.log(to / scale)))


def path(scales, d, *, maps=True, shift=0.0, moves=1):
    pairs = list(zip(scales, scales[1:], strict=False))
    still = lambda x, rng: (x, torch.tensor(0.0))  # noqa: E731
    return [
        PathStep(
            gaussian(a, 0.0 if k == 0 else shift),
            gaussian(b, shift),
            stretch(a, b, d) if maps else still,
            MALA(0.3 * b**2),
            moves,
        )
        for k, (a, b) in enumerate(pairs)
    ]


def test_the_right_map_leaves_every_weight_at_one():
    x = 2 * torch.randn(64, 3, generator=generator(0))
    found = annealed(path([2.0, 1.0, 0.2], 3), x, generator(1))
    torch.testing.assert_close(found.log_weights, torch.zeros(64).double(), atol=1e-5, rtol=0)
    assert found.ess == pytest.approx(64)
    assert 0.5 < found.acceptance <= 1
    assert float(found.x.std()) == pytest.approx(0.2, rel=0.15)


@pytest.mark.parametrize("shift", [0.0, 0.7])
def test_without_maps_the_mean_weight_is_the_ratio_of_constants(shift):
    scales = [2.0 * 0.9**k for k in range(12)]
    x = 2 * torch.randn(20_000, 2, generator=generator(2))
    found = annealed(path(scales, 2, maps=False, shift=shift), x, generator(3))
    error = float(found.log_weights.exp().std()) * math.exp(shift) / 20_000**0.5
    assert found.log_z == pytest.approx(-shift, abs=4 * error)
    assert error < 0.01


def test_a_shorter_path_is_worth_fewer_draws():
    x = 2 * torch.randn(500, 2, generator=generator(4))
    fine = annealed(path([2.0 * 0.9**k for k in range(12)], 2, maps=False), x, generator(5))
    coarse = annealed(path([2.0, 2.0 * 0.9**11], 2, maps=False), x, generator(5))
    assert coarse.ess < fine.ess


@pytest.mark.parametrize("log_z", [-1.3, 0.0, 4.0])
def test_both_ways_together_are_nearer_than_either(log_z):
    """Gaussian works: log w ~ N(log Z - v / 2, v) down and N(-log Z - v / 2, v) up."""
    v, n = 9.0, 4000
    down = log_z - v / 2 + 3 * torch.randn(n, generator=generator(0))
    up = -log_z - v / 2 + 3 * torch.randn(n, generator=generator(1))
    assert bridged(down, up) == pytest.approx(log_z, abs=0.15)
    assert float(down.mean()) < log_z - 4 < log_z + 4 < -float(up.mean())


def test_resampling_keeps_the_mean_weight_and_more_draws():
    """Constants differ by .7; the start is off, so that rows without resampling are worth few."""
    scales = [2.0 * 0.8**k for k in range(12)]
    steps = path(scales, 2, maps=False, shift=0.7)
    x = 2 * torch.randn(4000, 2, generator=generator(7))
    alone = annealed(steps, x, generator(8))
    found = annealed(steps, x, generator(8), resampling=0.5)
    assert found.log_z == pytest.approx(-0.7, abs=0.1)
    assert found.ess >= 0.4 * 4000 > alone.ess
    variance = (found.log_weights.softmax(0).float()[:, None] * found.x.square()).sum(0)
    torch.testing.assert_close(variance, torch.full((2,), scales[-1] ** 2), rtol=0.15, atol=0)

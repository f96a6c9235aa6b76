"""Losses over noise levels: closed forms, and that the true energy is a stationary point of each."""

from __future__ import annotations

import math

import pytest
import torch

from gibbsian.core.random import generator
from gibbsian.objectives.noise_levels import (
    classification_error,
    denoising_error,
    neighbours,
    slopes,
    time_score_error,
)

N, D = 400_000, 2
WEIGHTS, MEANS, WIDTH = torch.tensor([0.8, 0.2]), torch.tensor([[-1.0, 0.0], [1.0, 0.5]]), 0.3


def true_energy(x, sigma):
    """-log of two Gaussians with noise."""
    total = (WIDTH**2 + sigma.square())[:, None]
    square = (x[:, None] - MEANS.to(x)).square().sum(2) / total
    logs = WEIGHTS.to(x).log() - 0.5 * square - D / 2 * (2 * math.pi * total).log()
    return -logs.logsumexp(1)


def drawn(n=N):
    rng = generator(0)
    mode = (torch.rand(n, generator=rng, dtype=torch.float64) > WEIGHTS[0]).long()
    noise = torch.randn(n, D, generator=rng, dtype=torch.float64)
    x = MEANS.double()[mode] + WIDTH * noise
    sigma = (torch.randn(n, generator=rng, dtype=torch.float64) * 0.7 - 0.5).exp()
    eps = torch.randn(n, D, generator=rng, dtype=torch.float64)
    return x, sigma, eps


BENDS = {
    "weights": lambda x, sigma: torch.tanh(3 * x[:, 0]),
    "levels": lambda x, sigma: sigma.log(),
    "both": lambda x, sigma: torch.sin(2 * x[:, 1]) / (1 + sigma),
}


def errors(scale, bend, kind):
    """The loss of every row with `scale` times `bend` added to the true energy."""
    x, sigma, eps = drawn()

    def energy(at, level):
        return true_energy(at, level) + scale * bend(at, level)

    noised = x + sigma[:, None] * eps
    if kind == "classification":
        there = neighbours(sigma, 1.5, D, generator(5))
        moved = x + there[:, None] * torch.randn(x.shape, generator=generator(6), dtype=torch.float64)
        own, other = energy(noised, sigma), energy(noised, there)
        return classification_error(own, other) + classification_error(
            energy(moved, there), energy(moved, sigma)
        )
    _, by_x, by_sigma = slopes(energy, noised, sigma)
    if kind == "denoising":
        return denoising_error(by_x, eps, sigma, 0.5)
    return time_score_error(by_sigma, eps, sigma)


@pytest.mark.parametrize("kind", ["denoising", "time_score", "classification"])
@pytest.mark.parametrize("bend", BENDS)
def test_the_true_energy_is_a_stationary_point(kind, bend):
    h = 0.05
    slope = (errors(h, BENDS[bend], kind) - errors(-h, BENDS[bend], kind)).detach() / (2 * h)
    z = float(slope.mean() / (slope.std() / N**0.5 + 1e-12))
    assert abs(z) < 4


@pytest.mark.parametrize(
    ("kind", "blind"), [("denoising", "levels"), ("time_score", "weights"), ("classification", "weights")]
)
def test_each_sees_a_wrong_energy_but_for_what_it_is_blind_to(kind, blind):
    right = errors(0.0, BENDS["levels"], kind).detach()
    for name, bend in BENDS.items():
        excess = errors(0.5, bend, kind).detach() - right
        if name == blind:  # a function of sigma alone, or of x alone
            assert abs(float(excess.mean())) < 1e-6
        else:
            assert float(excess.mean() / (excess.std() / N**0.5)) > 5, name


def test_the_noise_alone_has_no_error():
    """U = |x|^2 / (2 sigma^2) + d log sigma, of data at 0."""
    sigma, eps = torch.tensor([0.3, 2.0]), torch.randn(2, 3, generator=generator(0))
    x = sigma[:, None] * eps
    _, by_x, by_sigma = slopes(lambda at, s: at.square().sum(1) / (2 * s.square()) + 3 * s.log(), x, sigma)
    torch.testing.assert_close(denoising_error(by_x, eps, sigma, 1.0), torch.zeros(2), atol=1e-10, rtol=0)
    torch.testing.assert_close(time_score_error(by_sigma, eps, sigma), torch.zeros(2), atol=1e-9, rtol=0)


def test_values_by_hand():
    eps, sigma = torch.tensor([[1.0, 2.0]]), torch.tensor([0.5])
    by_x = torch.tensor([[2.0, 0.0]])  # errors 1 - 1, 2 - 0: mean 2, times 1 + (.5 / .25)^2
    assert denoising_error(by_x, eps, sigma, 0.25).tolist() == [10.0]
    assert time_score_error(torch.tensor([4.0]), eps, sigma).tolist() == [pytest.approx(25 / 8)]
    assert classification_error(torch.zeros(1), torch.zeros(1)).tolist() == [pytest.approx(math.log(2))]
    assert float(classification_error(torch.tensor(3.0), torch.tensor(1.0))) == pytest.approx(
        math.log(1 + math.exp(2)), rel=1e-6
    )


def test_levels_apart_are_told_in_units_of_their_number_of_coordinates():
    sigma = torch.full((20_000,), 0.7)
    ratio = (neighbours(sigma, 1.2, 16, generator(0)) / sigma).log()
    assert float(ratio.std()) == pytest.approx(0.3, rel=0.03)
    assert float(ratio.mean()) == pytest.approx(0.0, abs=0.01)

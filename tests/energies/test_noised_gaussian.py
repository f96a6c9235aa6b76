"""The Gaussian of data with noise: against torch's own density, in all axes and in a few."""

from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import MultivariateNormal

from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator
from gibbsian.energies.noised_gaussian import NoisedGaussian

D, SIGMA = 5, 0.4


def data(n=400):
    mix = torch.randn(D, D, generator=generator(0))
    return 1.5 + torch.randn(n, D, generator=generator(1)) @ mix


def fitted(axes=None):
    found = NoisedGaussian(D, axes)
    found.fit(data())
    return found


def covariance(base):
    """C as the module's words have it."""
    rest = base.rest * torch.eye(D)
    return rest + base.axes @ torch.diag(base.variances - base.rest) @ base.axes.T


@pytest.mark.parametrize("axes", [None, 2, 1])
def test_the_density_is_that_of_a_gaussian_with_noise(axes):
    base, x = fitted(axes), data(7)
    want = MultivariateNormal(base.mean, covariance(base) + SIGMA**2 * torch.eye(D))
    got = base.neg_log_density(x, torch.tensor([SIGMA]))
    torch.testing.assert_close(got, -want.log_prob(x), rtol=1e-4, atol=1e-4)


def test_with_all_axes_mean_and_covariance_are_those_of_the_data():
    base, x = fitted(), data()
    torch.testing.assert_close(base.mean, x.mean(0))
    torch.testing.assert_close(covariance(base), x.T.cov(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("axes", [2, 4])
def test_with_few_axes_the_rest_has_the_variance_that_is_left(axes):
    base = fitted(axes)
    torch.testing.assert_close(covariance(base).trace(), data().T.cov().trace(), rtol=1e-4, atol=1e-4)
    every = fitted().variances
    torch.testing.assert_close(base.rest, every[axes:].mean(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("axes", [None, 2])
def test_draws_have_the_covariance_with_noise(axes):
    base = fitted(axes)
    x = base.draw(200_000, SIGMA, generator(2))
    torch.testing.assert_close(x.mean(0), base.mean, atol=0.03, rtol=0)
    want = covariance(base) + SIGMA**2 * torch.eye(D)
    assert float((x.T.cov() - want).abs().max() / want.abs().max()) < 0.015


@pytest.mark.parametrize("axes", [None, 2])
def test_the_signal_has_the_covariance_of_clean_data_at_every_level(axes):
    base = fitted(axes)
    for sigma in (0.1, 3.0):
        x = base.draw(200_000, sigma, generator(3))
        v = base.signal(x, torch.full((len(x),), sigma))
        assert float((v.T.cov() - covariance(base)).abs().max() / covariance(base).abs().max()) < 0.015


@pytest.mark.parametrize("axes", [None, 2])
def test_the_reverse_of_added_noise_is_a_part_of_the_joint_density(axes):
    """p(x, to) q(x' | x) = p(x', sigma) r(x | x'), r of the mean x' - added grad U and `reverse`."""
    base, x, sigma, to = fitted(axes), data(9), 2.0, 0.3
    more = x + (sigma**2 - to**2) ** 0.5 * torch.randn(x.shape, generator=generator(6))
    at = more.clone().requires_grad_()
    u = base.neg_log_density(at, torch.tensor([sigma]))
    slope = torch.autograd.grad(u.sum(), at)[0]
    spread = base.reverse(sigma, to)
    back = spread.neg_log_density(x - more + (sigma**2 - to**2) * slope)
    var = sigma**2 - to**2
    there = ((more - x).square() / var + math.log(2 * math.pi * var)).flatten(1).sum(1) / 2
    joint = base.neg_log_density(x, torch.tensor([to])) + there
    torch.testing.assert_close(u.detach() + back, joint, atol=2e-3, rtol=1e-4)


def test_less_doubt_is_a_smaller_reverse():
    base = fitted(2)
    known = base.reverse(2.0, 0.3, 0.0)
    variance = 0.3**2 * (2.0**2 - 0.3**2) / 2.0**2  # of noise in between, both ends known
    torch.testing.assert_close(known.variances, torch.full((2,), variance))
    half, whole = base.reverse(2.0, 0.3, 0.5), base.reverse(2.0, 0.3)
    torch.testing.assert_close(2 * half.variances, known.variances + whole.variances)
    torch.testing.assert_close(2 * half.rest, known.rest + whole.rest)
    kept = torch.cat([base.variances, base.rest.expand(base.size - 2)])
    assert base.doubt(0.7) == pytest.approx(float((kept / (kept + 0.49)).mean()), rel=1e-5)


def test_axes_along_which_data_do_not_vary_keep_it_proper():
    base = NoisedGaussian(3)
    base.fit(torch.cat([torch.randn(50, 2, generator=generator(0)), torch.ones(50, 1)], 1))
    assert bool(base.neg_log_density(torch.ones(1, 3), torch.tensor([0.1])).isfinite())
    assert float(base.variances.min()) > 0


def test_images_of_many_pixels_take_the_leading_axes(monkeypatch):
    monkeypatch.setattr("gibbsian.energies.noised_gaussian.EXACT", 2)
    base, state = fitted(2), torch.random.get_rng_state()
    assert torch.equal(fitted(2).axes, base.axes)  # whatever torch's own generator has drawn
    assert torch.equal(torch.random.get_rng_state(), state)
    torch.testing.assert_close(base.variances, fitted_exactly(2), rtol=0.02, atol=0)


def fitted_exactly(count):
    values = torch.linalg.eigvalsh(data().T.cov())
    return values.flip(0)[:count]


@pytest.mark.parametrize("axes", [0, 6, -1])
def test_an_impossible_number_of_axes_is_refused(axes):
    with pytest.raises(UsageError, match=f"{axes} principal axes for data of 5"):
        NoisedGaussian(D, axes)


def test_one_row_has_no_covariance():
    with pytest.raises(UsageError, match="of 1 rows"):
        NoisedGaussian(D).fit(torch.zeros(1, D))


def test_before_a_fit_it_is_standard():
    base = NoisedGaussian(2)
    at = torch.tensor([[1.0, 2.0]])
    want = 0.5 * (5 / 1.25 + 2 * math.log(2 * math.pi * 1.25))
    assert float(base.neg_log_density(at, torch.tensor([0.5]))) == pytest.approx(want, rel=1e-6)
    few = NoisedGaussian(2, 1)
    assert float(few.neg_log_density(at, torch.tensor([0.5]))) == pytest.approx(want, rel=1e-6)


def test_coordinates_are_from_the_mean():
    base = fitted()
    torch.testing.assert_close(base.coordinates(base.mean[None]), torch.zeros(1, D), atol=1e-5, rtol=0)
    x = data(3)
    torch.testing.assert_close(base.coordinates(x) @ base.axes.T + base.mean, x, atol=1e-4, rtol=1e-4)


def test_more_axes_than_rows_tell_leave_the_least_variance(monkeypatch):
    for exact in (4096, 2):
        monkeypatch.setattr("gibbsian.energies.noised_gaussian.EXACT", exact)
        base = NoisedGaussian(D)
        base.fit(data()[:3])
        assert base.variances[2:].tolist() == pytest.approx([1e-6 * float(base.variances[0])] * 3, rel=1e-3)
    two = NoisedGaussian(D)
    two.fit(data()[:2])
    assert float(two.variances[0]) > 0

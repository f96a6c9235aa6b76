"""Densities of noise: normalised, drawn as they say, fitted exactly."""

from __future__ import annotations

import math

import pytest
import torch

from experiments.grid import Grid
from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator, seeded_init
from gibbsian.nets.density import BoxDensity, FlowDensity, GaussianDensity
from gibbsian.nets.settings import GeneratorConfig

FLOW = GeneratorConfig("flow", hidden=(8,), blocks=4, activation="tanh")


def points(n, seed=0):
    z = torch.randn(n, 2, generator=generator(seed))
    return z @ torch.tensor([[0.8, 0.0], [0.5, 0.3]]).T + torch.tensor([0.5, -0.4])


def gaussian(ridge=1e-3, parts=(100, 1, 250)):
    density = GaussianDensity((2,), ridge)
    for part in points(sum(parts)).split(parts):
        density.update(part)
    return density


def flow():
    with seeded_init(generator(0)):
        density = FlowDensity((2,), FLOW)
        for p in density.parameters():
            torch.nn.init.normal_(p, 0, 0.4)
    return density


def test_batches_add_up_to_mean_and_covariance_of_all() -> None:
    density, x = gaussian(), points(351)
    torch.testing.assert_close(density.mean, x.mean(0))
    torch.testing.assert_close(density.covariance, torch.cov(x.T, correction=0))
    assert int(density.count) == 351


def test_a_gaussian_is_standard_until_it_settles_and_then_stays() -> None:
    density, x = gaussian(0.01), points(7, seed=3)
    torch.testing.assert_close(density.log_density(x), -0.5 * x.square().sum(1) - math.log(2 * math.pi))
    density.settle()
    cov = torch.cov(points(351).T, correction=0) + 0.01 * torch.eye(2)
    wanted = torch.distributions.MultivariateNormal(points(351).mean(0), cov)
    torch.testing.assert_close(density.log_density(x), wanted.log_prob(x))
    density.update(points(500, seed=5))
    torch.testing.assert_close(density.log_density(x), wanted.log_prob(x))
    other = GaussianDensity((2,))
    other.load_state_dict(density.state_dict())
    assert torch.equal(other.log_density(x), density.log_density(x))


def test_draws_have_the_moments_of_the_law() -> None:
    """Entries of the mean and covariance of n draws: z < 5, which fails 5 times in 10^6."""
    density, n = gaussian(), 50_000
    density.settle()
    x = density.draw(n, generator(1))
    cov = density.covariance + 1e-3 * torch.eye(2)
    sd = cov.diagonal().sqrt()
    assert ((x.mean(0) - density.mean) / sd * math.sqrt(n)).abs().max() < 5
    assert ((torch.cov(x.T) - cov) / torch.outer(sd, sd) * math.sqrt(n / 2)).abs().max() < 5


def test_flat_directions_are_as_wide_as_the_ridge() -> None:
    density = GaussianDensity((1, 2, 2), ridge=0.01)
    density.update(torch.zeros(10, 1, 2, 2))
    density.settle()
    x = torch.full((1, 1, 2, 2), 0.1)
    assert float(density.log_density(x)) == pytest.approx(-0.5 * 4 - 2 * math.log(2 * math.pi * 0.01))
    assert density.draw(3, generator(0)).shape == (3, 1, 2, 2)


@pytest.mark.parametrize("make", [gaussian, flow], ids=["gaussian", "flow"])
def test_densities_are_normalised_also_under_autocast(make) -> None:
    density = make()
    assert Grid(-16, 16, 600).log_z(lambda x: -density.log_density(x)) == pytest.approx(0, abs=1e-3)
    x = points(5)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(density.log_density(x), density.log_density(x.clone()))
    torch.testing.assert_close(
        density.log_density(x), density.log_density(x.bfloat16().float()), rtol=0.2, atol=0.2
    )


def test_a_box_is_uniform_inside_and_nothing_outside() -> None:
    density = BoxDensity((2,), -1.0, 1.0, widen=0.25)
    x = density.draw(1000, generator(0))
    assert float(x.abs().max()) <= 1.5 and float(x.abs().max()) > 1.45
    assert torch.equal(density.log_density(x), torch.full((1000,), -2 * math.log(3.0)))
    assert density.log_density(torch.tensor([[0.0, 1.6], [torch.nan, 0.0]])).tolist() == [
        -math.inf,
        -math.inf,
    ]


def test_a_flow_learns_by_its_log_density_and_draws_without_a_graph() -> None:
    density, x = flow(), points(5).requires_grad_()
    density.log_density(x).sum().backward()
    assert x.grad is not None and all(p.grad is not None for p in density.parameters())
    assert not density.draw(3, generator(0)).requires_grad


def test_usage_is_checked() -> None:
    with pytest.raises(UsageError, match="at least 2"):
        GaussianDensity((2,)).settle()
    with pytest.raises(UsageError, match="ridge is 0"):
        GaussianDensity((2,), 0.0)
    with pytest.raises(UsageError, match="low < high"):
        BoxDensity((2,), 1.0, 0.0)
    with pytest.raises(UsageError, match="set its name to flow"):
        FlowDensity((2,), GeneratorConfig("mlp"))

"""The Gaussian as a map: its inverse, its determinant, its density against torch."""

from __future__ import annotations

import pytest
import torch

from experiments.variational.affine import Affine
from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator


def stirred(features: int) -> Affine:
    net, rng = Affine(features).double(), generator(1)
    for p in net.parameters():
        p.data.copy_(0.5 * torch.randn(p.shape, generator=rng, dtype=p.dtype))
    return net


@pytest.mark.parametrize("features", [1, 3])
def test_it_is_the_gaussian_of_its_mean_and_covariance(features: int) -> None:
    net, z = stirred(features), torch.randn(6, features, generator=generator(2), dtype=torch.float64)
    x = net(z)
    torch.testing.assert_close(net.inverse(x)[0], z)
    jacobian = torch.autograd.functional.jacobian(lambda a: net(a[None])[0], z[0])
    torch.testing.assert_close(-net.inverse(x)[1][0], torch.linalg.slogdet(jacobian).logabsdet)
    density = torch.distributions.MultivariateNormal(net.mean, net.covariance)
    torch.testing.assert_close(net.log_density(x), density.log_prob(x))


def test_it_begins_as_the_standard_normal_and_every_parameter_learns() -> None:
    net = Affine(2)
    z = torch.randn(5, 2, generator=generator(0))
    assert torch.equal(net(z), z)
    net.log_density(z + 1).sum().backward()
    assert float(net.below.grad[1, 0].abs()) > 0 and float(net.below.grad.triu().abs().sum()) == 0
    assert all(bool((p.grad.abs() > 0).any()) for p in net.parameters())


def test_it_needs_a_feature() -> None:
    with pytest.raises(UsageError, match="features"):
        Affine(0)

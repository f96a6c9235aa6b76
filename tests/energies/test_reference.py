import math

import pytest
import torch

from gibbsian.core.energy import value_and_grad
from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator
from gibbsian.energies import Box, Gaussian, GaussianReference, Product, Tether

X = torch.randn((4, 3), generator=generator(0), dtype=torch.float64)


def test_tether_is_a_gaussian_about_each_centre():
    centre, sigma = X.flip(0), torch.tensor([0.5, 1.0, 2.0, 4.0], dtype=torch.float64)
    e = Tether(centre, sigma)(X)
    for i in range(4):
        one = Gaussian(centre[i], sigma[i] ** 2 * torch.eye(3))
        torch.testing.assert_close(e[i : i + 1], one(X[i : i + 1]))


def test_one_centre_is_shared_by_all_chains():
    torch.testing.assert_close(Tether(X[:1], 0.5)(X), Tether(X[:1].repeat(4, 1), 0.5)(X))


@pytest.mark.parametrize("centre", [torch.zeros(3), torch.zeros(2, 3), torch.zeros(1, 1, 3)])
def test_centres_without_a_chain_dimension_are_refused(centre):
    with pytest.raises(UsageError, match="centre has shape"):
        Tether(centre, 1.0)(X)


def test_gaussian_reference_is_a_gaussian_with_its_log_z():
    reference, gaussian = GaussianReference(0.3, mean=0.5), Gaussian([0.5] * 3, 0.09 * torch.eye(3))
    torch.testing.assert_close(reference(X), gaussian(X))
    assert reference.log_z(3) == pytest.approx(gaussian.log_z)


def test_box_is_flat_inside_and_a_wall_outside():
    x = torch.tensor([[-1.0, 2.0], [0.0, 2.1], [-1.1, 0.0], [math.nan, 0.0], [math.inf, 0.0]])
    assert Box(-1, 2)(x).tolist() == [0, math.inf, math.inf, math.inf, math.inf]
    e, grad = value_and_grad(Box(-1, 2), x)
    assert torch.equal(grad, torch.zeros_like(x))
    assert Box(-1, 2).log_z(2) == pytest.approx(math.log(9))


def test_box_looks_at_every_part_of_a_tuple():
    pair = torch.zeros(2, 3), torch.tensor([[0.0], [7.0]])
    assert Box(-1, 1)(pair).tolist() == [0, math.inf]


def test_box_in_a_product_leaves_the_gradient_inside_alone():
    energy = GaussianReference(1.0)
    _, walled = value_and_grad(Product([energy, Box(-9, 9)]), X)
    assert torch.equal(walled, value_and_grad(energy, X)[1])


@pytest.mark.parametrize("make", [lambda: Box(1, 1), lambda: Box(0, math.inf), lambda: Box(math.nan, 1)])
def test_empty_and_endless_boxes_are_refused(make):
    with pytest.raises(UsageError, match="low < high"):
        make()


@pytest.mark.parametrize("sigma", [0.0, -1.0, math.nan, torch.tensor([1.0, 0.0])])
def test_deviations_are_positive(sigma):
    with pytest.raises(UsageError, match="sigma is"):
        Tether(X, sigma)

import pytest
import torch

from experiments.grid import Grid
from gibbsian.core.energy import value_and_grad
from gibbsian.core.random import generator
from gibbsian.energies import Gaussian, GaussianReference, Product, PullBack

WEIGHT = torch.randn((3, 2), generator=generator(1), dtype=torch.float64)
TARGET = Gaussian([0.4, -1.0], [[1.5, 0.4], [0.4, 0.7]], dtype=torch.float64)
Z = torch.randn((5, 3), generator=generator(0), dtype=torch.float64)


def generate(z):
    return torch.tanh(z @ WEIGHT)


def test_gradient_is_the_chain_rule():
    x = generate(Z)
    _, grad_x = value_and_grad(TARGET, x)
    by_hand = (grad_x * (1 - x**2)) @ WEIGHT.T
    torch.testing.assert_close(value_and_grad(PullBack(TARGET, generate, prior=False), Z)[1], by_hand)
    torch.testing.assert_close(value_and_grad(PullBack(TARGET, generate), Z)[1], by_hand + Z)


def test_a_pair_of_latents_has_the_chain_rule_of_each():
    eps = torch.randn((5, 2), generator=generator(2), dtype=torch.float64)
    energy = PullBack(TARGET, lambda pair: pair[0] @ WEIGHT + 0.5 * pair[1])
    e, (grad_z, grad_eps) = value_and_grad(energy, (Z, eps))
    e_x, grad_x = value_and_grad(TARGET, Z @ WEIGHT + 0.5 * eps)
    torch.testing.assert_close(e, e_x + 0.5 * Z.square().sum(1) + 0.5 * eps.square().sum(1))
    torch.testing.assert_close(grad_z, grad_x @ WEIGHT.T + Z)
    torch.testing.assert_close(grad_eps, 0.5 * grad_x + eps)


def test_without_energy_the_latent_law_is_the_prior_whatever_the_generator():
    # The released VAEBM code adds the generator's log-scales here; in latent coordinates none belong.
    nothing = PullBack(lambda x: 0 * x.sum(1), lambda pair: pair[0] @ WEIGHT * 7 + pair[1].exp())
    pair = Z, Z[:, :2]
    e, grads = value_and_grad(nothing, pair)
    torch.testing.assert_close(e, GaussianReference(1.0)(pair))
    assert all(torch.allclose(g, z) for g, z in zip(grads, pair, strict=True))


def test_pulled_back_law_pushes_forward_to_the_tilted_generator():
    # x = 2 z + 1 for z ~ N(0, I) is N(1, 4 I); tilted by a Gaussian it is their normalised product.
    energy = PullBack(TARGET, lambda z: 2 * z + 1)
    base = Gaussian([1.0, 1.0], 4 * torch.eye(2))
    grid = Grid(-6, 6, 120, dtype=torch.float64)
    tilted = Product([base, TARGET])
    assert grid.kl(energy, lambda z: tilted(2 * z + 1)) < 1e-10
    in_latents = grid.log_z(energy) - GaussianReference(1.0).log_z(2)
    in_data = Grid(-11, 13, 240, dtype=torch.float64).log_z(tilted) - base.log_z
    assert in_latents == pytest.approx(in_data, abs=1e-6)


def test_composition_in_latents_brings_the_prior_once():
    once = Product([PullBack(TARGET, generate), PullBack(TARGET, generate, prior=False)])
    torch.testing.assert_close(once(Z), 2 * TARGET(generate(Z)) + 0.5 * Z.square().sum(1))

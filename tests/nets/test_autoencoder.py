"""The energy that is a distance to a reconstruction: shapes, its formula, conditions, refusals."""

from __future__ import annotations

import pytest
import torch

from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator, seeded_init
from gibbsian.nets.build import build
from gibbsian.nets.settings import AutoencoderConfig

X = torch.randn(3, 1, 8, 8, generator=generator(0))


def net(shape: tuple[int, ...] = (1, 8, 8), **settings):
    with seeded_init(generator(1)):
        return build(AutoencoderConfig(**{"channels": (4, 6), "middle": 8} | settings), shape)


@pytest.mark.parametrize("channels", [(4,), (4, 6), (4, 6, 8)])
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 16, 24)])
def test_it_is_half_the_squared_distance(channels, shape):
    made, x = net(shape, channels=channels), torch.randn(2, *shape, generator=generator(2))
    r = made.reconstruction(x)
    assert r.shape == x.shape
    torch.testing.assert_close(made(x), (x - r).square().sum((1, 2, 3)) / 2)


@pytest.mark.parametrize("noise", [1.0, 1e2, 1e4])
def test_noise_of_any_level_enters_alike(noise):
    made = net()
    one, more = made.reconstruction(1e3 * X), made.reconstruction(1e3 * noise * X)
    torch.testing.assert_close(one, more, rtol=1e-3, atol=1e-4)


def test_a_condition_moves_it_once_learnt_and_zeros_are_none():
    made = net(condition=(2, 3))
    c = torch.rand(3, 5, generator=generator(3))
    assert torch.equal(made(X, c), made(X, 0 * c))
    for layer in made.encode:
        torch.nn.init.normal_(layer.bias.weight)
    assert not torch.allclose(made(X, c), made(X, 0 * c))


def test_second_derivatives_reach_every_weight():
    made = net(condition=(2,))
    x = X.clone().requires_grad_()
    grad = torch.autograd.grad(made(x, torch.ones(3, 2)).sum(), x, create_graph=True)[0]
    grad.square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in made.parameters())


@pytest.mark.parametrize(
    ("settings", "shape", "said"),
    [
        ({}, (1, 6, 8), "cannot be halved 2 times"),
        ({}, (5,), "not an image"),
        ({"channels": ()}, (1, 8, 8), "at least 1"),
        ({"middle": 0}, (1, 8, 8), "at least 1"),
    ],
)
def test_what_it_cannot_be(settings, shape, said):
    with pytest.raises(UsageError, match=said):
        net(shape, **settings)


@pytest.mark.parametrize("y", [None, torch.ones(3, 4), torch.ones(2, 2)])
def test_labels_that_do_not_fit(y):
    with pytest.raises(UsageError, match="without labels|labels have shape"):
        net(condition=(2,))(X, y)

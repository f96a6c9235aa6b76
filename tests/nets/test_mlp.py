"""The fully connected net."""

from __future__ import annotations

import pytest
import torch

from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator, seeded_init
from gibbsian.nets.mlp import MLP
from gibbsian.nets.settings import MLPConfig


def make(shape, hidden, **options):
    with seeded_init(generator(0)):
        return MLP(shape, MLPConfig(hidden=hidden, **options)).double()


def test_it_is_the_formula():
    net = make((2, 3), (4,), activation="tanh")
    x = torch.randn(5, 2, 3, dtype=torch.float64, generator=generator(1))
    w1, w2 = net.layers[0], net.head.layers[0]
    expected = torch.tanh(x.flatten(1) @ w1.weight.T + w1.bias) @ w2.weight[0] + w2.bias
    torch.testing.assert_close(net(x), expected)


def test_labels_are_the_identity_until_learned():
    net = make((2,), (8, 8), classes=3)
    x = torch.randn(4, 2, dtype=torch.float64, generator=generator(1))
    y = torch.tensor([0, 1, 2, 0])
    torch.testing.assert_close(net(x, y), net(x, y * 0))
    with torch.no_grad():
        net.biases[0].weight.normal_(generator=generator(2))
    assert not torch.allclose(net(x, y), net(x, y * 0))


def test_an_empty_hidden_list_is_refused():
    with pytest.raises(UsageError, match="at least one hidden layer"):
        MLPConfig(hidden=())


def test_sharpness_multiplies_the_first_layer_at_the_start():
    plain, sharp = make((2,), (4, 3)), make((2,), (4, 3), sharpness=12.0)
    torch.testing.assert_close(sharp.layers[0].weight, 12 * plain.layers[0].weight)
    torch.testing.assert_close(sharp.layers[0].bias, 12 * plain.layers[0].bias)
    assert torch.equal(sharp.layers[1].weight, plain.layers[1].weight)
    with pytest.raises(UsageError, match="sharpness is 2.0, but spectral_norm would undo it"):
        MLPConfig(spectral_norm=True, sharpness=2.0)
    with pytest.raises(UsageError, match="a factor above 0"):
        MLPConfig(sharpness=0.0)

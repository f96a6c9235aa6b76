"""The network whose units a label opens and closes."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator, seeded_init
from gibbsian.nets.build import build
from gibbsian.nets.settings import GatedConfig


def made(shape, **changes):
    with seeded_init(0):
        return build(GatedConfig(classes=3, width=7, **changes), shape)


def test_unit_gates_stand_before_the_relu():
    net = made((5,))
    x, y = torch.randn(4, 5, generator=generator(1)), torch.tensor([0, 2, 1, 2])
    h, g = net.layer(x), net.gates.weight[y]
    expected = net.head(F.relu(h * (1 + g / g.norm(dim=1, keepdim=True))))
    torch.testing.assert_close(net(x, y), expected)


def test_softmax_gates_are_one_in_the_mean_and_nothing_follows_them():
    net = made((5,), gate="softmax")
    x, y = torch.randn(4, 5, generator=generator(1)), torch.tensor([0, 2, 1, 2])
    gate = 7 * net.gates.weight[y].softmax(1)
    torch.testing.assert_close(gate.mean(1), torch.ones(4))
    torch.testing.assert_close(net(x, y), net.head(net.layer(x) * gate))


@pytest.mark.parametrize("gate", ["unit", "softmax"])
def test_all_labels_at_once_are_each_alone(gate):
    net = made((1, 8, 8), gate=gate, channels=(2, 3))
    x = torch.randn(4, 1, 8, 8, generator=generator(1))
    alone = torch.stack([net(x, torch.full((4,), c)) for c in range(3)], 1)
    torch.testing.assert_close(-net.logits(x), alone)
    torch.testing.assert_close(net.energies(x, torch.tensor([[2, 0]]).expand(4, 2)), alone[:, [2, 0]])


def test_the_papers_network_has_2304_features():
    net = build(GatedConfig(classes=10, channels=(32, 32, 64, 64), width=4, gate="softmax"), (3, 32, 32))
    assert net.layer.in_features == 2304


@pytest.mark.parametrize(
    ("config", "shape", "said"),
    [
        ({"classes": 0}, (2,), "2 classes or more"),
        ({"classes": 3, "head": "logits"}, (2,), "scalar head"),
        ({"classes": 3, "channels": (4, 4)}, (2,), "not an image"),
        ({"classes": 3, "channels": (4, 4, 4, 4)}, (1, 4, 4), "vanish"),
        ({"classes": 3, "channels": (4,)}, (1, 8, 8), "pairs"),
        ({"classes": 3, "width": 0}, (2,), "width is 0"),
        ({"classes": 3, "gate": "relu"}, (2,), "unknown gate 'relu'"),
    ],
)
def test_what_cannot_be_built_is_refused(config, shape, said):
    with pytest.raises(UsageError, match=said):
        build(GatedConfig(**config), shape)

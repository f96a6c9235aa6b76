"""Convolution weights with their channels last, for a while."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from gibbsian.nets.channels_last import channels_last
from gibbsian.nets.frozen import frozen


def network() -> nn.Sequential:
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.SiLU(), nn.ConvTranspose2d(8, 4, 3), nn.Flatten(), nn.LazyLinear(1)
    )
    net(torch.rand(2, 3, 8, 8))
    return net


def is_last(weight: torch.Tensor) -> bool:
    return weight.is_contiguous(memory_format=torch.channels_last) and not weight.is_contiguous()


def test_weights_are_copies_and_come_back():
    net, x = network(), torch.rand(2, 3, 8, 8)
    out, before = net(x), {name: (p, p.clone(), p.stride()) for name, p in net.named_parameters()}
    for _ in range(2):
        with frozen(net), frozen(net):
            assert is_last(net[0].weight) and is_last(net[2].weight)
            assert not any(p.requires_grad for p in net.parameters())
            torch.testing.assert_close(net(x), out)
    for name, p in net.named_parameters():
        same, values, stride = before[name]
        assert p is same and torch.equal(p, values) and p.stride() == stride and p.requires_grad


def test_they_come_back_after_an_error():
    net = network()
    first = net[0].weight
    with pytest.raises(ZeroDivisionError), channels_last(net.modules()):
        raise ZeroDivisionError
    assert net[0].weight is first


def test_one_convolution_and_other_layers_are_left_alone():
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv1d(2, 2, 3), nn.Linear(4, 4))
    before = [p.stride() for p in net.parameters()]
    with channels_last(net.modules()):
        assert [p.stride() for p in net.parameters()] == before

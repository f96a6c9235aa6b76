"""The wide residual net: blocks by hand, the paper's size, what it refuses."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator, seeded_init
from gibbsian.nets.build import build
from gibbsian.nets.families import AnyNet
from gibbsian.nets.layers import activation
from gibbsian.nets.settings import WideConfig
from gibbsian.nets.wide import WideBlock, WideNet
from gibbsian.train.recipes import presets


@pytest.mark.parametrize(("outputs", "stride"), [(4, 1), (6, 1), (4, 2)])
def test_a_block_is_its_formula(outputs: int, stride: int) -> None:
    with seeded_init(generator(0)):
        block = WideBlock(4, outputs, activation("leaky_relu", 0.2), stride=stride)
    h = torch.randn(3, 4, 7, 7, generator=generator(1))
    inner = F.conv2d(F.leaky_relu(h, 0.2), block.conv1.weight, block.conv1.bias, padding=1)
    out = F.conv2d(F.leaky_relu(inner, 0.2), block.conv2.weight, block.conv2.bias, stride=stride, padding=1)
    skip = h
    if (outputs, stride) != (4, 1):
        skip = F.conv2d(h, block.bypass.weight, block.bypass.bias, stride=stride)
    torch.testing.assert_close(block(h), out + skip)


def test_the_papers_net_is_28_layers_deep_and_10_wide() -> None:
    config = presets("jem")["cifar10-paper"].model.net
    assert len(config.channels) == 13 and config.channels[1::4] == (160, 320, 640)
    assert [i for i, s in enumerate(config.strides) if s == 2] == [5, 9]
    with torch.device("meta"):
        net = build(config, (3, 32, 32))
    kernels = [m for m in net.modules() if isinstance(m, torch.nn.Conv2d) and m.kernel_size == (3, 3)]
    assert len(kernels) == 25, "with the 3 bypasses and the linear layer 28 to 29 layers"
    # 3x3 kernels and biases of the blocks, 1x1 bypasses, stem and head, counted by hand
    blocks, inputs = 0, 16
    for width in (160, 320, 640):
        blocks += (9 * inputs + 9 * width) * width + 2 * width + (inputs + 1) * width
        blocks += 3 * (18 * width * width + 2 * width)
        inputs = width
    assert sum(p.numel() for p in net.parameters()) == blocks + (27 + 1) * 16 + 641 * 10


def test_logits_are_of_the_pooled_features() -> None:
    with seeded_init(generator(0)):
        net = WideNet(
            (1, 8, 8), WideConfig(channels=(4, 6), strides=(1, 2), pool="mean", classes=3, head="logits")
        )
    x = torch.randn(5, 1, 8, 8, generator=generator(1))
    h = F.leaky_relu(net.blocks(net.stem(x)), 0.2).mean((2, 3))
    torch.testing.assert_close(net.logits(x), net.head.layers[-1](h))
    torch.testing.assert_close(net(x), -net.logits(x).logsumexp(1))


@pytest.mark.parametrize(
    ("config", "shape", "words"),
    [
        (WideConfig(classes=3), (1, 8, 8), "set net.head to logits"),
        (WideConfig(strides=(2,)), (1, 8, 8), "the stem of 'wide' keeps the size"),
        (WideConfig(), (2,), "is not an image"),
    ],
)
def test_what_it_cannot_be(config: AnyNet, shape: tuple[int, ...], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        build(config, shape)

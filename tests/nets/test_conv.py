"""The plain convolutional net and the sizes of the papers' networks."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator, seeded_init
from gibbsian.nets.build import build
from gibbsian.nets.conv import ConvNet
from gibbsian.nets.settings import ConvConfig
from gibbsian.train.recipes import presets


def make(shape, channels=(32, 64, 128), **options):
    with seeded_init(generator(0)):
        return ConvNet(shape, ConvConfig(channels=channels, **options)).eval()


def conv_count(maps, kernels, bias=1):
    return sum(b * (a * k * k + bias) for a, b, k in zip(maps[:-1], maps[1:], kernels, strict=True))


def igebm_count(stem, blocks, inputs=3):
    total, h = inputs + 9 * inputs * stem, stem
    for width in blocks:
        total += h + 9 * h * width + 2 * width + 9 * width * width + (9 * h * width if h != width else 0)
        h = width
    return total + h + 1


@pytest.mark.parametrize(
    ("name", "shape", "count"),
    [
        ("uva-mnist", (1, 28, 28), conv_count((1, 16, 32, 64, 64), (5, 3, 3, 3)) + 256 * 64 + 64 + 65),
        ("short_run/cifar10", (3, 32, 32), conv_count((3, 64, 128, 256, 512), (3, 4, 4, 4)) + 16 * 512 + 1),
        ("mnist-paper", (1, 28, 28), conv_count((1, 64, 64, 128, 256), (3, 4, 4, 4)) + 2305 * 128 + 129),
        ("cifar10-conditional", (3, 32, 32), igebm_count(128, (128, 128, 256, 256, 256, 256))),
        ("cifar10", (3, 32, 32), igebm_count(128, (128,) * 3 + (256,) * 3 + (512,) * 3)),
    ],
)
def test_parameters_of_the_papers_nets(name, shape, count):
    with torch.device("meta"):
        net = build(replace(paper_net(name), classes=0), shape).eval()
        assert net(torch.empty(2, *shape)).shape == (2,)
    assert sum(p.numel() for p in net.parameters()) == count


def paper_net(name):
    system, _, preset = name.rpartition("/")
    return presets(system or "igebm")[preset].model.net


def test_sum_pool_in_float32_where_bfloat16_would_round():
    net = make((1, 64, 64), (1,), strides=(1,), activation="relu")
    with torch.no_grad():
        net.convs[0].weight.zero_()
        net.convs[0].weight[0, 0, 1, 1] = 1.0
        net.convs[0].bias.zero_()
        net.head.layers[0].weight.fill_(1.0)
        net.head.layers[0].bias.fill_(0.25)
    x = torch.ones(1, 1, 64, 64)
    x[0, 0, 0, 0] = 2.0
    with torch.autocast("cpu", torch.bfloat16):
        e = net(x)
    assert e.dtype == torch.float32 and e.item() == 4097.25


def test_channels_last_gives_the_same_energies():
    net = make((3, 8, 8), (4, 8), pool="flatten", head_hidden=(5,)).double()
    x = torch.randn(2, 3, 8, 8, dtype=torch.float64, generator=generator(1))
    e = net(x)
    net.to(memory_format=torch.channels_last)
    torch.testing.assert_close(net(x.to(memory_format=torch.channels_last)), e)


def test_flatten_is_the_convolution_over_the_last_map():
    net = make((3, 8, 8), (4, 6), kernels=(3, 4), pool="flatten").double()
    x = torch.randn(2, 3, 8, 8, dtype=torch.float64, generator=generator(1))
    h = net.act(net.convs[1](net.act(net.convs[0](x))))
    last = net.head.layers[0]
    full = torch.nn.functional.conv2d(h, last.weight.reshape(1, 6, 4, 4), last.bias)
    torch.testing.assert_close(net(x), full[:, 0, 0, 0])


@pytest.mark.parametrize(
    ("shape", "options", "line"),
    [
        ((2,), {}, "not an image"),
        ((1, 4, 4), {"channels": (4,) * 4, "strides": (2,), "kernels": (4,), "pool": "flatten"}, "vanish"),
        ((1, 4, 4), {"kernels": (3,) * 9}, "kernels has 9 entries"),
        ((1, 4, 4), {"head": "logits"}, "at least 2"),
        ((1, 4, 4), {"kernels": (1,), "strides": (2,)}, "pixels unread"),
        ((1, 4, 4), {"activation": "swich"}, "did you mean 'swish'"),
    ],
)
def test_wrong_arguments_are_one_line(shape, options, line):
    with pytest.raises(UsageError, match=line) as caught:
        make(shape, **options)
    assert "\n" not in str(caught.value)


def test_config_refuses_nonsense():
    for options, line in [
        ({"pool": "maximum"}, "unknown pool"),
        ({"channels": ()}, "empty"),
        ({"strides": (0,)}, "at least 1"),
        ({"dropout": 1.0}, "probability"),
        ({"classes": -1}, "unconditional"),
        ({"head": "logits"}, "at least 2"),
        ({"activation": "sine"}, "unknown activation"),
    ]:
        with pytest.raises(UsageError, match=line):
            ConvConfig(**options)

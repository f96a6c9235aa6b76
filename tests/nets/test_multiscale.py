"""One energy from several sizes: the sum of what each network says of its own."""

from __future__ import annotations

import pytest
import torch

from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator, seeded_init
from gibbsian.nets.families import AnyNet
from gibbsian.nets.multiscale import MultiScale, build_scales
from gibbsian.nets.settings import ConvConfig, MLPConfig

SMALL = ConvConfig(channels=(4, 6), activation="swish")


def make(config: AnyNet, shape: tuple[int, ...], scales: int) -> torch.nn.Module:
    with seeded_init(generator(0)):
        return build_scales(config, shape, scales).double()


def test_the_energy_is_the_sum_over_pooled_images():
    net = make(SMALL, (1, 8, 10), 3)
    x = torch.randn(5, 1, 8, 10, generator=generator(1), dtype=torch.float64)
    half = x.unflatten(2, (4, 2)).unflatten(4, (5, 2)).mean((3, 5))
    quarter = half[..., :4, :4].unflatten(2, (2, 2)).unflatten(4, (2, 2)).mean((3, 5))
    wanted = net.nets[0](x) + net.nets[1](half) + net.nets[2](quarter)
    assert isinstance(net, MultiScale) and net(x).shape == (5,)
    torch.testing.assert_close(net(x), wanted)
    assert all(n(p).std() > 0 for n, p in zip(net.nets, (x, half, quarter), strict=True))


def test_networks_of_a_fixed_size_are_built_for_theirs():
    net = make(MLPConfig(hidden=(8,), activation="swish"), (1, 9, 9), 2)
    assert net(torch.zeros(3, 1, 9, 9, dtype=torch.float64)).shape == (3,)


def test_labels_reach_every_scale():
    config = ConvConfig(channels=(4, 6), classes=3, head="logits", activation="swish")
    net = make(config, (1, 8, 8), 2)
    x, y = torch.randn(3, 1, 8, 8, generator=generator(2), dtype=torch.float64), torch.tensor([0, 1, 2])
    torch.testing.assert_close(net(x, y), net.nets[0](x, y) + net.nets[1](pooled(x), y))


def pooled(x: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.avg_pool2d(x, 2)


def test_one_scale_is_the_network_itself():
    assert not isinstance(make(SMALL, (1, 8, 8), 1), MultiScale)
    assert make(MLPConfig(), (2,), 1)(torch.zeros(2, 2, dtype=torch.float64)).shape == (2,)


@pytest.mark.parametrize(
    ("shape", "scales", "line"),
    [((1, 8, 8), 0, "scales is 0"), ((2,), 2, "no images"), ((1, 3, 8), 3, "cannot be halved")],
)
def test_misuse_is_one_line(shape, scales, line):
    with pytest.raises(UsageError, match=line):
        make(SMALL, shape, scales)

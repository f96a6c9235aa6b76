"""The residual net of IGEBM: blocks start as their bypass."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator, seeded_init
from gibbsian.nets.igebm import NEAR_ZERO, IGEBMNet, ResBlock
from gibbsian.nets.layers import activation
from gibbsian.nets.settings import ResidualConfig


def block(inputs=6, outputs=6, **options):
    with seeded_init(generator(0)):
        return ResBlock(inputs, outputs, activation("leaky_relu"), **{"down": False, **options})


def images(*shape):
    return torch.randn(*shape, generator=generator(1))


@pytest.mark.parametrize("down", [False, True])
@pytest.mark.parametrize("outputs", [6, 8])
def test_block_starts_as_its_bypass(outputs, down):
    b, h = block(6, outputs, down=down).eval(), images(4, 6, 8, 8)
    skip = b.bypass(h)
    expected = F.leaky_relu(F.avg_pool2d(skip, 2) if down else skip, 0.2)
    torch.testing.assert_close(b(h), expected, rtol=0, atol=1e-6)


def test_a_plain_norm_would_lose_the_identity_start():
    b, h = block().eval(), images(4, 6, 8, 8)
    b.conv2.kernel.lower_bound = False
    assert (b(h) - F.leaky_relu(h, 0.2)).abs().mean() > 0.05


@pytest.mark.parametrize(("kernel", "std"), [("conv1", 1.0), ("conv2", NEAR_ZERO)])
def test_kernels_begin_as_normal_numbers(kernel, std):
    weight = getattr(block(20, 20), kernel).kernel.weight
    assert float(weight.detach().std()) == pytest.approx(std, rel=0.05)


def test_block_pools_before_its_last_activation():
    b = block(1, 1, down=True).eval()
    h = torch.tensor([[[[3.0, -1.0], [-1.0, -1.0]]]])
    assert b(h).item() == pytest.approx(0.0, abs=1e-6)


def test_input_bias_acts_inside_the_zero_padding():
    b = block(1, 1).eval()
    b.conv1.kernel.weight.data.fill_(1.0)
    b.bias1.base.data.fill_(1.0)
    inner = b.conv1(torch.zeros(1, 1, 3, 3) + b.bias1().reshape(1, 1, 1))
    assert inner[0, 0, 1, 1] > 2 * inner[0, 0, 0, 0]


def test_label_moves_the_second_convolution_only_after_learning():
    b, h = block(classes=3), images(3, 6, 4, 4)
    b.conv2.kernel.weight.data *= 1e10
    y = torch.tensor([0, 1, 2])
    torch.testing.assert_close(b.eval()(h, y), b(h, torch.zeros(3, 3)))
    b.gain.weight.data.normal_(generator=generator(2))
    assert not torch.allclose(b(h, y), b(h, y.flip(0)))
    torch.testing.assert_close(b(h, y), b(h, F.one_hot(y, 3).float()))


def test_sum_over_space_has_no_position():
    with seeded_init(generator(0)):
        net = IGEBMNet((1, 8, 8), ResidualConfig(channels=(4,), strides=(1,))).eval()
    x = torch.zeros(2, 1, 8, 8)
    x[0, 0, 3, 3] = x[1, 0, 4, 4] = 1
    e = net(x)
    torch.testing.assert_close(e[0], e[1])


def test_wrong_strides_and_small_images_are_refused():
    with pytest.raises(UsageError, match="stem"):
        IGEBMNet((1, 8, 8), ResidualConfig(channels=(4, 4), strides=(2, 2)))
    with pytest.raises(UsageError, match="halved 4 times"):
        IGEBMNet((1, 8, 8), ResidualConfig(channels=(4,) * 5, strides=(1, 2)))

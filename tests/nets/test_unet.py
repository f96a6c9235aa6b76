"""The U-shaped network of an inner product, by hand where it can be."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator, seeded_init
from gibbsian.nets.settings import UNetConfig
from gibbsian.nets.unet import UNet, normed


def made(shape=(1, 8, 8), **settings):
    with seeded_init(generator(0)):
        return UNet(shape, UNetConfig(**({"channels": (3, 4), "middle": 5} | settings))).double()


def images(shape=(1, 8, 8), n=3):
    return torch.randn(n, *shape, generator=generator(1), dtype=torch.float64)


def stirred(net):
    """Weights away from where they begin, so that every part counts."""
    with torch.no_grad():
        rng = generator(2)
        for w in net.parameters():
            w += 0.3 * torch.randn(w.shape, generator=rng, dtype=w.dtype)
    return net


def test_the_energy_is_an_inner_product_and_a_number():
    net, x = stirred(made()), images()
    f, b = net.parts(x)
    by_hand = torch.stack([-(x[i] * f[i]).sum() - 8 * b[i] for i in range(3)])
    torch.testing.assert_close(net(x), by_hand)
    assert f.shape == x.shape and b.shape == (3,) and b.abs().min() > 0


def test_it_begins_as_convolutions_alone():
    net, x = made(), images()
    f, b = net.parts(x)
    h = net.stem(F.pixel_unshuffle(x, 2))
    small = net.down[0](F.pixel_unshuffle(h, 2))
    h = h + F.pixel_shuffle(net.up[0](small), 2)
    h = h / (h.square().mean((1, 2, 3), keepdim=True) + 1e-6).sqrt()
    torch.testing.assert_close(f, F.pixel_shuffle(net.out(F.silu(h)), 2))
    assert (b == 0).all()


def test_a_block_adds_two_convolutions_of_the_normed_maps():
    net = stirred(made(classes=3))
    block, y = net.before[0][0], torch.tensor([0, 2, 1])
    h = images((3, 4, 4))
    unit = h / (h.square().mean((1, 2, 3), keepdim=True) + 1e-6).sqrt()
    gain = (block.gain.base + block.gain.weight[y])[:, :, None, None]
    bias = (block.bias.base + block.bias.weight[y])[:, :, None, None]
    by_hand = h + block.second(F.silu(block.first(F.silu(unit * gain + bias))))
    torch.testing.assert_close(block(h, y), by_hand)


def test_the_middle_sees_all_places_and_is_told_the_label():
    net, x = stirred(made(classes=3)), images()
    y = torch.tensor([0, 1, 2])
    h = net.before[0][0](net.stem(F.pixel_unshuffle(x, 2)), y)
    small = net.before[1][0](net.down[0](F.pixel_unshuffle(h, 2)), y)
    told = net.inner(normed(small).flatten(1))
    g = F.silu(told * (net.gain.base + net.gain.weight[y]) + net.bias.base + net.bias.weight[y])
    small = net.after[1][0](small + net.outer(g).view_as(small), y)
    last = net.after[0][0](h + F.pixel_shuffle(net.up[0](small), 2), y)
    f, b = net.parts(x, y)
    torch.testing.assert_close(f, F.pixel_shuffle(net.out(F.silu(normed(last))), 2))
    torch.testing.assert_close(b, net.number(g)[:, 0])


def test_norm_is_of_each_row():
    h = torch.tensor([[[3.0, 4.0]], [[0.0, 0.0]]])
    torch.testing.assert_close(normed(h), torch.tensor([[[3.0, 4.0]], [[0.0, 0.0]]]) / 12.5**0.5)
    assert normed(h.bfloat16()).dtype == torch.bfloat16


def test_dropout_is_of_training_alone():
    net, x = stirred(made(dropout=0.5)), images()
    assert not torch.equal(net(x), net(x))
    net.eval()
    assert torch.equal(net(x), net(x))


@pytest.mark.parametrize("shape", [(1, 6, 8), (1, 8, 2), (3, 7, 9)])
def test_sides_that_cannot_be_halved_are_padded(shape):
    net, x = stirred(made(shape)), images(shape)
    f, b = net.parts(x)
    assert f.shape == x.shape
    whole = (shape[0], *(-(-side // 4) * 4 for side in shape[1:]))
    other = made(whole)
    other.load_state_dict(net.state_dict())
    padded = torch.zeros(3, *whole, dtype=x.dtype)
    padded[..., : shape[1], : shape[2]] = x
    wider, same = other.parts(padded)
    torch.testing.assert_close(f, wider[..., : shape[1], : shape[2]])
    torch.testing.assert_close(b, same)


@pytest.mark.parametrize("wrong", [{"channels": ()}, {"blocks": 0}, {"middle": 0}, {"dropout": 1.0}])
def test_settings_out_of_range(wrong):
    with pytest.raises(UsageError, match=next(iter(wrong))):
        UNetConfig(**wrong)
    with pytest.raises(UsageError, match="without labels"):
        made(classes=2)(images())

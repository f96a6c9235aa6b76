"""Generators: shapes, ranges, normalisation, and chains on their latents."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from gibbsian.core.energy import value_and_grad
from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator, seeded_init
from gibbsian.energies import PullBack
from gibbsian.mcmc import Langevin, run
from gibbsian.nets.generator import build_generator
from gibbsian.nets.settings import GeneratorConfig

IMAGES = [(1, 8, 8), (1, 28, 28), (3, 32, 32), (3, 28, 28)]
CASES = [
    *[("mlp", shape) for shape in [(2,), *IMAGES]],
    *[("flow", shape) for shape in [(2,), *IMAGES]],
    *[("conv", shape) for shape in IMAGES],
]


def make(name="mlp", shape=(2,), low=-1.0, high=1.0, **changes):
    config = GeneratorConfig(**({"name": name, "latent": 4, "hidden": (16,), "channels": (8, 4)} | changes))
    with seeded_init(generator(0)):
        return build_generator(config, shape, low, high)


def latents(net, rows=3):
    return torch.randn((rows, net.latent), generator=generator(1))


def bowl(x):
    return 0.5 * (x - 0.3).square().flatten(1).sum(1)


@pytest.mark.parametrize(("name", "shape"), CASES)
def test_shapes_and_gradient_by_latent(name, shape):
    net = make(name, shape, activation="swish")
    z = latents(net)
    assert net(z).shape == (3, *shape) and net(z).dtype == torch.float32
    e, grad = value_and_grad(PullBack(bowl, net, prior=False), z)
    assert e.shape == (3,) and grad.shape == z.shape
    assert grad.isfinite().all() and (grad.abs().sum(1) > 0).all()


@pytest.mark.parametrize(
    ("name", "shape", "norm"),
    [
        ("mlp", (2,), "none"),
        ("mlp", (2,), "batch"),
        ("conv", (1, 8, 8), "none"),
        ("conv", (1, 8, 8), "batch"),
        ("flow", (2,), "none"),
    ],
)
def test_latent_chains_run(name, shape, norm):
    net = make(name, shape, norm=norm).eval()
    z = latents(net, 6)
    chain = run(Langevin(0.1), PullBack(bowl, net), z, steps=5, rng=generator(2), compile=False)
    assert chain.position.shape == z.shape and chain.position.isfinite().all()
    assert not torch.equal(chain.position, z)
    assert net(chain.position).shape == (6, *shape)


@pytest.mark.parametrize(("name", "shape"), [("mlp", (5,)), ("conv", (1, 8, 8))])
def test_tanh_fills_the_range_of_the_data(name, shape):
    net = make(name, shape, low=0.0, high=3.0, output="tanh")
    x = net(latents(net, 50) * 1e4)
    assert x.min() >= 0 and x.min() < 0.01 and x.max() <= 3 and x.max() > 2.99


@pytest.mark.parametrize(("name", "shape"), [("mlp", (2,)), ("conv", (1, 8, 8))])
def test_batch_norm_ties_chains_in_training_only(name, shape):
    net = make(name, shape, norm="batch")
    z = latents(net, 8)
    torch.testing.assert_close(net.eval()(z)[:2], net(z[:2]))
    assert not torch.allclose(net.train()(z)[:2], net(z[:2]))


def test_batch_norm_refuses_a_training_batch_of_one():
    net = make("mlp", (2,), norm="batch")
    z = latents(net, 1)
    assert net.eval()(z).shape == (1, 2)
    with pytest.raises(UsageError, match="raise train.batch_size"):
        net.train()(z)


def test_conv_doubles_at_every_stage_and_crops_the_centre():
    sides = []
    for channels in [(8, 4), (8, 4, 4)]:
        net = make("conv", (3, 28, 28), channels=channels)
        hooks = [
            m.register_forward_hook(lambda m, i, out: sides.append(out.shape[-1]))
            for m in net.modules()
            if isinstance(m, nn.ConvTranspose2d)
        ]
        assert net(latents(net)).shape == (3, 3, 28, 28) and len(hooks) == len(channels)
    assert sides == [14, 28, 8, 16, 32]
    assert make("conv", (1, 28, 20), hidden=())(torch.zeros(2, 4)).shape == (2, 1, 28, 20)


def test_conv_starts_as_dcgan_and_keeps_channels_last():
    net = make("conv", (3, 32, 32), channels=(64, 32), norm="batch")
    weights = [m.weight for m in net.modules() if isinstance(m, nn.ConvTranspose2d)]
    # 32768 draws in the first: the deviation is within 4 / sqrt(2 * 32768) of .02, false alarm 6e-5.
    assert abs(weights[0].std().item() / 0.02 - 1) < 0.016
    assert all(w.is_contiguous(memory_format=torch.channels_last) for w in weights)


def test_flow_density_of_images_inverts_the_map():
    net = make("flow", (1, 4, 4), blocks=4).double()
    for coupling in net.flow.couplings:
        nn.init.normal_(coupling.layers[-1].weight, 0.0, 0.1, generator=generator(3))
    z = latents(net).double()
    x = net(z)
    back, log_det = net.inverse(x)
    torch.testing.assert_close(back, z)
    assert x.shape == (3, 1, 4, 4) and net.log_density(x).shape == log_det.shape == (3,)
    assert net.latent == 16 and (x.flatten(1) - z).abs().max() > 0.01
    with pytest.raises(UsageError, match="it was built for"):
        net.log_density(x[0])


def test_same_seed_same_weights():
    a, b = (make("conv", (1, 8, 8), norm="batch").state_dict() for _ in range(2))
    assert all(torch.equal(a[k], b[k]) for k in a)


@pytest.mark.parametrize("name", ["mlp", "flow"])
def test_wrong_latents_are_one_line(name):
    net = make(name, (3,))
    for z in (torch.zeros(2, 7), torch.zeros(net.latent), torch.zeros(2, net.latent, 1)):
        with pytest.raises(UsageError, match=rf"it takes \(B, {net.latent}\)"):
            net(z)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "conv", "shape": (2,)}, "not an image"),
        ({"shape": ()}, "empty"),
        ({"shape": (1, 0, 8)}, "empty"),
        ({"low": 1.0, "high": 1.0}, "low must be below high"),
        ({"name": "flow", "shape": (1,)}, "at least 2"),
        ({"name": "flow", "norm": "batch"}, "exact only"),
        ({"name": "flow", "output": "tanh"}, "exact only"),
    ],
)
def test_what_cannot_be_built(arguments, message):
    with pytest.raises(UsageError, match=message) as caught:
        make(**arguments)
    assert "\n" not in str(caught.value)


def test_half_precision_ends_in_full():
    net = make("conv", (1, 8, 8), output="tanh")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert net(latents(net)).dtype == torch.float32

"""What every energy network keeps to. A new network joins by one line in `NETS`."""

from __future__ import annotations

import copy

import pytest
import torch

from gibbsian.core.energy import value_and_grad
from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator, seeded_init
from gibbsian.nets.build import build
from gibbsian.nets.settings import (
    AutoencoderConfig,
    Conv1dConfig,
    ConvConfig,
    GatedConfig,
    LevelsConfig,
    MLPConfig,
    ResidualConfig,
    ResidualMLPConfig,
    UNetConfig,
    WideConfig,
)
from gibbsian.nets.spectral import cached_weights

IMAGE = (1, 8, 8)
SMALL = {"channels": (4, 6, 8), "activation": "swish"}
NETS = {
    "autoencoder": (AutoencoderConfig(channels=(4, 6), middle=5), IMAGE),
    "autoencoder_classes": (AutoencoderConfig(channels=(4, 6), middle=5, classes=3), IMAGE),
    "mlp": (MLPConfig(hidden=(8, 8), activation="swish"), (2,)),
    "mlp_spectral": (MLPConfig(hidden=(8, 8), activation="swish", spectral_norm=True), IMAGE),
    "mlp_classes": (MLPConfig(hidden=(8, 8), activation="swish", classes=3), (2,)),
    "mlp_logits": (MLPConfig(hidden=(8, 8), activation="swish", classes=3, head="logits"), (2,)),
    "conv1d": (Conv1dConfig(channels=(4, 6), kernels=(5,)), (2, 16)),
    "conv1d_classes": (Conv1dConfig(channels=(4, 6), classes=3, spectral_norm=True, pool="mean"), (1, 9)),
    "conv1d_logits": (Conv1dConfig(channels=(4, 6), classes=3, head="logits"), (3, 16)),
    "conv_sum": (ConvConfig(**SMALL), IMAGE),
    "conv_mean": (ConvConfig(pool="mean", dropout=0.3, **SMALL), IMAGE),
    "conv_flatten": (ConvConfig(pool="flatten", head_hidden=(5,), spectral_norm=True, **SMALL), IMAGE),
    "conv_classes": (ConvConfig(classes=3, **SMALL), IMAGE),
    "conv_logits": (ConvConfig(classes=3, head="logits", **SMALL), IMAGE),
    "igebm": (ResidualConfig(**SMALL), IMAGE),
    "igebm_classes": (ResidualConfig(classes=3, dropout=0.5, **SMALL), IMAGE),
    "wide": (WideConfig(dropout=0.2, **SMALL), IMAGE),
    "wide_logits": (WideConfig(pool="flatten", classes=3, head="logits", **SMALL), IMAGE),
    "levels": (LevelsConfig(classes=3, **SMALL), IMAGE),
    "residual_mlp": (ResidualMLPConfig(width=6, dropout=0.3), IMAGE),
    "residual_mlp_classes": (ResidualMLPConfig(width=6, blocks=1, classes=3), (2,)),
    "unet": (UNetConfig(channels=(3, 4), middle=5, dropout=0.3), (1, 8, 8)),
    "unet_classes": (UNetConfig(channels=(3,), middle=5, blocks=2, classes=3), (2, 6, 4)),
    "gated": (GatedConfig(width=6, classes=3), (2,)),
    "gated_softmax": (GatedConfig(width=6, classes=3, channels=(3, 4), gate="softmax"), IMAGE),
    "igebm_logits": (ResidualConfig(classes=3, head="logits", **SMALL), IMAGE),
}


@pytest.fixture(params=NETS)
def case(request):
    config, shape = NETS[request.param]
    with seeded_init(generator(0)):
        net = build(config, shape).double()
    x = torch.randn(5, *shape, dtype=torch.float64, generator=generator(1))
    y = torch.tensor([0, 1, 2, 0, 1]) if config.classes else None
    return net, x, y


def call(net, x, y):
    return net(x) if y is None else net(x, y)


def test_one_energy_a_chain(case):
    net, x, y = case
    e = call(net, x, y)
    assert e.shape == (5,) and e.dtype == torch.float64 and torch.isfinite(e).all()


def test_chains_do_not_depend_on_one_another(case):
    net, x, y = case
    net.eval()
    whole, one = call(net, x, y), call(net, x[2:3], None if y is None else y[2:3])
    torch.testing.assert_close(whole[2:3], one)


def test_every_parameter_gets_a_gradient(case):
    net, x, y = case
    call(net, x, y).square().sum().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in net.parameters())


def test_position_gradient_is_the_finite_difference(case):
    net, x, y = case
    net.eval()
    direction = torch.randn(x.shape, dtype=x.dtype, generator=generator(2))
    _, grad = value_and_grad(lambda z: call(net, z, y), x)
    h = 1e-5
    slope = (call(net, x + h * direction, y) - call(net, x - h * direction, y)) / (2 * h)
    torch.testing.assert_close((grad * direction).flatten(1).sum(1), slope.detach(), rtol=1e-5, atol=1e-8)


def test_eval_repeats_itself_and_changes_no_buffer(case):
    net, x, y = case
    net.eval()
    before = copy.deepcopy(net.state_dict())
    first, second = call(net, x, y), call(net, x, y)
    with cached_weights(net.modules()):
        third = call(net, x, y)
    assert torch.equal(first, second) and torch.equal(first, third)
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())


def test_state_reloads(case):
    net, x, y = case
    other = copy.deepcopy(net)
    with torch.no_grad():
        for p in other.parameters():
            p.add_(1.0)
    other.load_state_dict(net.state_dict())
    assert torch.equal(call(other.eval(), x, y), call(net.eval(), x, y))


def test_training_leaves_the_global_stream(case):
    net, x, y = case
    before = torch.get_rng_state()
    call(net.train(), x, y).sum().backward()
    assert torch.equal(torch.get_rng_state(), before)


def test_bfloat16_ends_in_float32(case):
    net, x, y = case
    net.float().eval()
    plain = call(net, x.float(), y).detach()
    with torch.autocast("cpu", torch.bfloat16):
        half = call(net, x.float(), y).detach()
    assert half.dtype == torch.float32
    torch.testing.assert_close(half, plain, rtol=0.1, atol=0.1 * float(plain.abs().max()))


def test_wrong_shape_is_one_line(case):
    net, x, y = case
    with pytest.raises(UsageError, match="built for") as caught:
        call(net, x[..., :-1], y)
    assert "\n" not in str(caught.value)


def test_soft_labels_and_missing_labels(case):
    net, x, y = case
    net.eval()
    if y is None:
        with pytest.raises(UsageError, match="unconditional"):
            net(x, torch.zeros(5, dtype=torch.int64))
        return
    soft = torch.nn.functional.one_hot(y, 3).double()
    torch.testing.assert_close(net(x, soft), net(x, y))
    if getattr(getattr(net, "head", None), "joint", False):
        every = torch.stack([net(x, torch.full((5,), c)) for c in range(3)], 1)
        torch.testing.assert_close(net(x), -torch.logsumexp(-every, 1))
        torch.testing.assert_close(net.logits(x), -every)
    else:
        with pytest.raises(UsageError, match="without labels"):
            net(x)


def test_the_inner_product_has_a_number_beside_it():
    """E(0) is -root(D) b, which no inner product with x could be."""
    with seeded_init(generator(0)):
        net = build(ResidualMLPConfig(width=6), (4,))
    x = torch.randn(3, 4, generator=generator(1))
    plain = net(x)
    assert net(torch.zeros(1, 4)).tolist() == [0.0]
    with torch.no_grad():
        net.number.bias.fill_(0.5)
    torch.testing.assert_close(net(torch.zeros(1, 4)), torch.tensor([-1.0]))
    torch.testing.assert_close(net(x), plain - 1.0)

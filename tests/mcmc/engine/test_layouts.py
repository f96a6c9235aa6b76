"""Operations in other layouts: the same numbers within rounding, whatever the convolution or product."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gibbsian.core.energy import value_and_grad
from gibbsian.core.random import generator
from gibbsian.mcmc.base import run
from gibbsian.mcmc.engine import layouts
from gibbsian.mcmc.engine.layouts import laid_out
from gibbsian.mcmc.engine.replaying import replay
from gibbsian.mcmc.engine.tape import taped
from gibbsian.mcmc.langevin import Langevin

aten = torch.ops.aten
CONVOLUTIONS = [
    (1, 6, 5, 2, 4, 1), (1, 3, 3, 1, 1, 1), (3, 8, 4, 2, 1, 1), (4, 8, 3, 2, 0, 1), (2, 5, 3, 1, 2, 2),
    (6, 4, 3, 2, 1, 1), (8, 8, 4, 3, 2, 1), (5, 7, 3, 1, 1, 2), (16, 3, (3, 2), (2, 1), (1, 0), 1),
]  # fmt: skip


def start(*shape: int) -> Tensor:
    return torch.randn(shape, generator=generator(1))


def twice(net, x: Tensor) -> tuple[Tensor, Tensor, set]:
    """Gradients at another point than the recorded one, called and replayed, and the operations replayed."""
    with torch.no_grad():
        found = laid_out(taped(net, x)[2])
        assert not found.problem
        made = replay(found, (found.energy, *found.grads))(x + 0.1)
        e, grad = value_and_grad(net, x + 0.1)
    torch.testing.assert_close(made[0], e, rtol=1e-4, atol=1e-4)
    return grad, made[1], {step.operation for step in found.steps}


@pytest.mark.parametrize("shape", CONVOLUTIONS)
@pytest.mark.parametrize("kind", [nn.Conv2d, nn.ConvTranspose2d])
def test_convolutions(kind, shape):
    """Of odd sizes, strides, paddings and dilations; an activation behind, another one, rows at the end."""
    into, out, kernel, stride, padding, dilation = shape
    torch.manual_seed(0)
    net = nn.Sequential(
        kind(into, out, kernel, stride, padding, dilation=dilation), nn.SiLU(),
        nn.Conv2d(out, 6, 3, padding=1), nn.Tanh(), nn.Flatten(), nn.LazyLinear(1),
    )  # fmt: skip
    x = start(5, into, 13, 11)
    net(x)
    net.requires_grad_(False)
    called, replayed, operations = twice(net, x)
    torch.testing.assert_close(replayed, called, rtol=1e-4, atol=1e-5)
    assert aten.convolution_backward.default not in operations
    few = into <= layouts.FEW_CHANNELS and kind is nn.Conv2d
    assert (aten.col2im.default in operations) == (few or out <= layouts.FEW_CHANNELS)


def test_groups_and_other_dimensions_are_left_alone():
    for net, x in (
        (nn.Conv2d(4, 8, 3, groups=2), start(3, 4, 7, 7)),
        (nn.Conv1d(2, 8, 3), start(3, 2, 9)),
        (nn.Conv2d(4, 8, 3).double(), start(3, 4, 7, 7).double()),
    ):
        net.requires_grad_(False)
        called, replayed, operations = twice(lambda x, net=net: net(x).square().flatten(1).sum(1), x)
        assert torch.equal(called, replayed) and aten.convolution_backward.default in operations


def test_images_of_one_channel_lie_in_any_order():
    """A position that is a view with other strides is no image with its channel last."""
    net = nn.Conv2d(1, 4, 3).requires_grad_(False)
    turned = start(3, 1, 9, 8).transpose(2, 3)
    called, replayed, operations = twice(lambda x: net(x).square().flatten(1).sum(1), turned)
    torch.testing.assert_close(replayed, called, rtol=1e-4, atol=1e-5)
    assert aten.as_strided.default not in operations


def test_a_network_that_reads_memory_by_its_places_keeps_its_layouts():
    net = nn.Conv2d(1, 4, 3).requires_grad_(False)

    def energy(x: Tensor) -> Tensor:
        maps = net(x)
        return torch.as_strided(maps, (len(x), maps[0].numel()), (maps[0].numel(), 1)).tanh().sum(1)

    with torch.no_grad():
        found = taped(energy, start(3, 1, 8, 8))[2]
    assert laid_out(found) is found
    chains = [run(Langevin(0.1), energy, start(3, 1, 8, 8), steps=20, rng=0, replay=r) for r in (True, False)]
    assert torch.equal(chains[0].position, chains[1].position)


@pytest.mark.skipif(layouts.ONEDNN is None, reason="this torch has no oneDNN")
@pytest.mark.parametrize(("rows", "quick"), [(2000, True), (100, False)])
def test_products_of_some_size_are_those_of_onednn(rows, quick):
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Linear(2, 64), nn.SiLU(), nn.Linear(64, 64), nn.SiLU(), nn.Linear(64, 64, bias=False), nn.Tanh(),
        nn.Linear(64, 1),
    ).requires_grad_(False)  # fmt: skip
    called, replayed, operations = twice(net, start(rows, 2))
    torch.testing.assert_close(replayed, called, rtol=1e-4, atol=1e-6)
    assert (layouts.ONEDNN in operations) == quick


def test_a_scaled_sum_of_products_is_left_alone():
    weight, bias = start(64, 64), start(64)

    def energy(x: Tensor) -> Tensor:
        return torch.addmm(bias, x, weight, beta=2.0, alpha=0.5).tanh().sum(1)

    called, replayed, _ = twice(energy, start(2000, 64))
    torch.testing.assert_close(replayed, called, rtol=1e-4, atol=1e-6)


def test_a_product_of_two_positions_is_left_alone():
    def energy(x: Tensor) -> Tensor:
        return torch.mm(x, F.normalize(x.t() @ x)).square().sum(1) * 1e-3

    called, replayed, _ = twice(energy, start(70, 64))
    assert torch.equal(called, replayed)

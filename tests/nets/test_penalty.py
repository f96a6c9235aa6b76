"""The spectral penalty against singular values."""

from __future__ import annotations

import pytest
import torch
import torch.nn.utils as U
import torch.nn.utils.parametrizations as P
from torch import nn

from gibbsian.core.random import generator, seeded_init
from gibbsian.nets.build import build
from gibbsian.nets.penalty import SpectralPenalty, matrices
from gibbsian.nets.settings import ConvConfig, MLPConfig, WideConfig
from gibbsian.nets.spectral import SpectralLinear, SpectralWeight

NETS = {
    "mlp": (MLPConfig(hidden=(12, 8), activation="swish"), (6,)),
    "conv": (ConvConfig(channels=(4, 6), activation="swish"), (1, 8, 8)),
    "wide": (WideConfig(channels=(4, 6), activation="swish"), (1, 8, 8)),
}


@pytest.fixture(params=NETS)
def pair(request) -> tuple[nn.Module, SpectralPenalty]:
    config, shape = NETS[request.param]
    with seeded_init(generator(1)):
        net = build(config, shape).double()
        return net, SpectralPenalty(net)


def exact(net: nn.Module) -> torch.Tensor:
    return torch.stack([torch.linalg.svdvals(w)[0] for w in matrices(net)]).sum()


def test_first_call_is_near_the_sum_of_largest_singular_values(pair) -> None:
    net, penalty = pair
    found = penalty(net)
    assert found.item() <= exact(net).item() + 1e-9  # u'Wv of unit vectors
    torch.testing.assert_close(found, exact(net), rtol=0.02, atol=0.0)
    for _ in range(50):
        found = penalty(net)
    torch.testing.assert_close(found, exact(net), rtol=1e-6, atol=0.0)


def test_gradient_is_that_of_the_singular_value(pair) -> None:
    net, penalty = pair
    for _ in range(100):
        penalty(net)
    penalty(net).backward()
    found = [p.grad.clone() for p in net.parameters() if p.dim() > 1]
    net.zero_grad()
    exact(net).backward()
    for mine, theirs in zip(found, (p.grad for p in net.parameters() if p.dim() > 1), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-6)


def test_descending_it_brings_the_singular_values_down(pair) -> None:
    net, penalty = pair
    before, optimizer = exact(net).item(), torch.optim.SGD(net.parameters(), lr=0.05)
    for _ in range(20):
        optimizer.zero_grad()
        penalty(net).backward()
        optimizer.step()
    assert exact(net).item() < 0.8 * before


def normalised(kind: str) -> nn.Module:
    """Two dense layers, the first with a norm of the given kind, its singular values 3 to .3 but for it."""
    layer = nn.Linear(6, 6).double()
    u, v = (torch.linalg.qr(torch.randn(6, 6, dtype=torch.double))[0] for _ in range(2))
    layer.weight.data = u @ torch.diag(torch.linspace(3, 0.3, 6, dtype=torch.double)) @ v
    if kind in ("spectral", "lower bound"):
        made = SpectralLinear(6, 6).double()
        made.matrix = SpectralWeight(layer.weight.data, lower_bound=kind == "lower bound")
        return nn.Sequential(made, nn.Linear(6, 1).double())
    norms = {"torch": P.spectral_norm, "older": U.spectral_norm, "weight": P.weight_norm}
    return nn.Sequential({**norms, "older weight": U.weight_norm}[kind](layer), nn.Linear(6, 1).double())


def descend(net: nn.Module, penalty: SpectralPenalty, steps: int = 30) -> None:
    optimizer = torch.optim.SGD(net.parameters(), lr=0.02)
    for _ in range(steps):
        optimizer.zero_grad()
        penalty(net).backward()
        optimizer.step()


def acting(net: nn.Module) -> torch.Tensor:
    """Singular values of the first layer by what it does to the unit vectors."""
    with torch.no_grad():
        layer = net.eval()[0]
        return torch.linalg.svdvals(layer(torch.eye(6).double()) - layer(torch.zeros(6).double()))


@pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning")
@pytest.mark.parametrize("kind", ["spectral", "lower bound", "torch", "older"])
def test_under_spectral_norm_no_singular_value_rises(kind) -> None:
    with seeded_init(generator(3)):
        net = normalised(kind)
        penalty = SpectralPenalty(net)
        for _ in range(200):
            net(torch.zeros(1, 6).double())  # the norm's own iterations
            penalty(net)
        last, before = net[1].weight.norm(), acting(net)
        descend(net.train(), penalty)
    torch.testing.assert_close(acting(net), before, rtol=0, atol=1e-6)
    assert before[0] == pytest.approx(1, abs=1e-3) and net[1].weight.norm() < last


@pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning")
@pytest.mark.parametrize("kind", ["weight", "older weight"])
def test_under_weight_norm_the_singular_values_fall(kind) -> None:
    with seeded_init(generator(3)):
        net = normalised(kind)
        penalty = SpectralPenalty(net)
        before = acting(net)
        assert penalty(net).item() == pytest.approx(
            float(before[0] + net[1].weight.detach().norm()), rel=0.01
        )
        descend(net.train(), penalty)
    assert acting(net)[0] < 0.9 * before[0]


def test_a_small_kernel_under_the_lower_bound_falls_too() -> None:
    with seeded_init(generator(3)):
        net = normalised("lower bound")
        net[0].matrix.weight.data *= 0.3
        penalty, before = SpectralPenalty(net), acting(net)
        descend(net, penalty)
    assert acting(net)[0] < before[0] - 0.2


def test_vectors_move_in_training_only_forty_times_at_first(pair) -> None:
    net, penalty = pair
    start = {k: v.clone() for k, v in penalty.state_dict().items()}
    penalty.eval()(net)
    assert all(torch.equal(v, start[k]) for k, v in penalty.state_dict().items())
    penalty.train()(net)
    other = SpectralPenalty(net, iterations=1)
    other.load_state_dict(start)
    other(net)
    assert_near(other, penalty)  # 40 each
    other(net), penalty(net)
    assert int(penalty.calls) == 2
    with pytest.raises(AssertionError):
        assert_near(other, penalty)  # 1 against 4


def assert_near(left: nn.Module, right: nn.Module) -> None:
    for key, value in left.state_dict().items():
        torch.testing.assert_close(value, right.state_dict()[key], rtol=0.0, atol=1e-12)

"""The spectral penalty against singular values."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from gibbsian.core.random import generator, seeded_init
from gibbsian.nets.build import build
from gibbsian.nets.penalty import SpectralPenalty, matrices
from gibbsian.nets.settings import ConvConfig, MLPConfig

NETS = {
    "mlp": (MLPConfig(hidden=(12, 8), activation="swish"), (6,)),
    "conv": (ConvConfig(channels=(4, 6), activation="swish"), (1, 8, 8)),
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

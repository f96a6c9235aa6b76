"""Networks inside any callable are frozen for a chain, and as they were after it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gibbsian.core.random import generator
from gibbsian.energies import Product, Tempered
from gibbsian.mcmc import MALA, Langevin, run
from gibbsian.nets.frozen import evaluating, frozen, modules_of
from gibbsian.nets.spectral import SpectralLinear


class Holder:
    """A plain object with a network."""

    def __init__(self, net: nn.Module) -> None:
        self.net, self.scale = net, [1.0] * 3

    def __call__(self, x: Tensor) -> Tensor:
        return self.net(x).squeeze(1)

    def energy(self, x: Tensor) -> Tensor:
        return self(x)


class Method(nn.Module):
    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def energy(self, x: Tensor) -> Tensor:
        return self.net(x).squeeze(1)


@dataclass(frozen=True, slots=True)
class Slotted:
    net: nn.Module

    def __call__(self, x: Tensor) -> Tensor:
        return self.net(x).squeeze(1)


def scaled(net: nn.Module, x: Tensor) -> Tensor:
    return net(x).squeeze(1)


GLOBAL = nn.Sequential(nn.Linear(2, 1), nn.Dropout())


def of_global(x: Tensor) -> Tensor:
    return GLOBAL(x).squeeze(1)


def through_another(x: Tensor) -> Tensor:
    return of_global(x)


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.SiLU(), nn.Dropout(0.5), nn.Linear(8, 1))


def closure(net: nn.Module) -> Any:
    return lambda x: net(x).squeeze(1)


WAYS = {
    "module": lambda net: net,
    "bound method of a module": lambda net: Method(net).energy,
    "bound method of an object": lambda net: Holder(net).energy,
    "object": Holder,
    "partial": lambda net: partial(scaled, net),
    "closure": closure,
    "slots": Slotted,
    "algebra": lambda net: Tempered(Product([closure(net), lambda x: x.square().sum(1)]), 2.0),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_network_is_found_wherever_it_is(way) -> None:
    net = network()
    holder = WAYS[way](net)
    with frozen(holder) as same:
        assert same is holder
        assert not any(m.training for m in net.modules())
        assert not any(p.requires_grad for p in net.parameters())
    assert all(m.training for m in net.modules())
    assert all(p.requires_grad for p in net.parameters())


@pytest.mark.parametrize("function", [of_global, through_another])
def test_global_networks_are_found(function) -> None:
    assert modules_of(function) == [GLOBAL]


def test_numbers_and_functions_of_libraries_hold_nothing() -> None:
    assert modules_of(lambda x: torch.nn.functional.softplus(x)) == []
    assert modules_of(Tempered(lambda x: x, torch.ones(3))) == []


@pytest.mark.parametrize("kernel", [Langevin(0.05), MALA(0.05)])
@pytest.mark.parametrize("way", WAYS)
def test_chains_repeat_and_leave_statistics_alone(way, kernel) -> None:
    """Dropout would draw from torch's own stream, batch norm would couple the chains."""
    net, x = network(), torch.randn(8, 2, generator=generator(1))
    before, stream = net[1].running_mean.clone(), torch.get_rng_state()
    ends = [run(kernel, WAYS[way](net), x, steps=5, rng=0).position for _ in range(2)]
    torch.testing.assert_close(ends[0], ends[1], rtol=0, atol=0)
    assert torch.equal(net[1].running_mean, before)
    assert torch.equal(torch.get_rng_state(), stream)
    assert net.training


def test_a_chain_with_a_graph_reaches_the_parameters_in_eval_mode() -> None:
    net, x = network(), torch.randn(8, 2, generator=generator(1))
    chain = run(Langevin(0.05), net, x, steps=2, rng=0, differentiable="all")
    chain.position.sum().backward()
    assert net[0].weight.grad is not None and net.training
    assert int(net[1].num_batches_tracked) == 0


def test_freezing_nests_and_survives_errors() -> None:
    net = SpectralLinear(3, 2)
    net.bias.requires_grad_(False)
    with pytest.raises(RuntimeError), frozen(net):
        with frozen(closure(net)):
            cached = net.matrix._cached
        assert net.matrix._cached is cached is not None
        raise RuntimeError
    assert net.matrix._cached is None and net.training
    assert net.matrix.weight.requires_grad and not net.bias.requires_grad
    with evaluating(closure(net)):
        assert not net.training and net.matrix.weight.requires_grad

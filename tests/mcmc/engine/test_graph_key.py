"""What shares a graph, and how long its blocks are."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import Tensor, nn

from gibbsian.energies.algebra import Product, Scaled, Tempered
from gibbsian.mcmc import HMC, MALA, IndependentMH, Langevin
from gibbsian.mcmc.base import ChainState
from gibbsian.mcmc.engine.graph_key import block_length, depth, graph_key, makeup, networks, traits
from gibbsian.mcmc.engine.slices import Sliced


def net(width: int = 3) -> nn.Module:
    return nn.Sequential(nn.Linear(2, width), nn.SiLU(), nn.Linear(width, 1), nn.Flatten(0))


def bowl(x: Tensor) -> Tensor:
    return x.square().sum(1)


PLAIN = Langevin(0.1)
LONGEST = 10


def key(kernel=PLAIN, energy=bowl, shape=(4, 2), length=5, dtype=torch.float32):
    return graph_key(kernel, energy, ChainState(torch.zeros(shape, dtype=dtype)), length)


class Method:
    def __init__(self, inner) -> None:
        self.inner = inner

    def energy(self, x: Tensor) -> Tensor:
        return self.inner(x)


def test_networks_are_found_wherever_they_are():
    a, b = net(), net()

    def closure(x: Tensor) -> Tensor:
        return a(x) + b(x)

    bound = a.forward
    for energy in (Product([a, Scaled(b, 2.0)]), closure, partial(bowl, [a, b]), Sliced(Product([a, b]), 2)):
        assert networks(energy) == [a, b]
    assert networks(bound) == [a] and networks(a) == [a] and networks(bowl) == []
    assert depth(Product([a, b])) == 8


def test_functions_inside_themselves_are_seen_once():
    """Recursive and mutually recursive closures, and a name that is not set yet."""

    def down(x: Tensor, k: int = 2) -> Tensor:
        return x.sum(1) if k == 0 else up(x, k - 1)

    def up(x: Tensor, k: int) -> Tensor:
        return down(x, k) + unset(x)

    assert networks(down) == [] and len(makeup(down)) == 2
    if depth(down):
        unset = bowl


def test_other_weights_share_a_key_and_other_things_do_not():
    same = key(energy=net())
    assert same == key(energy=net()) and hash(same) == hash(key(energy=net()))
    other = [
        key(energy=net(4)),
        key(energy=Tempered(net(), 2.0)),
        key(energy=lambda x: x.sum(1)),
        key(energy=bowl),
        key(energy=net(), shape=(5, 2)),
        key(energy=net(), dtype=torch.float64),
        key(energy=net(), length=4),
        key(energy=net(), kernel=MALA(0.1)),
        key(energy=net(), kernel=HMC(0.1, leapfrogs=2)),
        key(energy=net(), kernel=HMC(0.1, leapfrogs=3)),
        key(energy=net(), kernel=HMC(0.1, leapfrogs=3, jitter=0.1)),
    ]
    assert len({same, *other}) == len(other) + 1


def test_one_untraceable_part_does_not_name_all():
    """What is known to fail must not take others with it."""
    products = [Product([net(), part]) for part in (bowl, net(), Tempered(net(), 1.0), Method(net()).energy)]
    assert len({makeup(p) for p in products}) == 4


@pytest.mark.parametrize("changed", [{"step_size": 0.3}, {"jitter": 0.7}, {"temperature": 2.0}])
def test_numbers_do_not_make_a_key_but_zeros_do(changed):
    kernel = HMC(0.1, jitter=0.5)
    assert traits(kernel) == traits(replace(kernel, **changed)) != traits(replace(kernel, jitter=0.0))


@pytest.mark.parametrize("steps", [1, 7, 20, 23, 1000])
@pytest.mark.parametrize("thin", [0, 1, 2, 7, 13, 50])
def test_blocks_fit_between_kept_positions(steps, thin):
    length = block_length(Langevin(0.1), bowl, steps, thin, LONGEST)
    assert 1 <= length <= min(steps, LONGEST)
    if thin and thin <= steps:
        assert length % thin == 0 or thin % length == 0


def test_deep_networks_have_short_blocks():
    class Free(MALA):
        gradients_per_step = 0

    deep = nn.Sequential(*[nn.Linear(2, 2) for _ in range(60)])
    assert block_length(Langevin(0.1), deep, 100, 0, LONGEST) == 1
    assert block_length(Langevin(0.1), bowl, 100, 0, LONGEST) == LONGEST
    assert block_length(HMC(0.1, leapfrogs=30), bowl, 100, 0, LONGEST) < LONGEST
    assert block_length(Free(0.1), bowl, 100, 0, LONGEST) == LONGEST


def test_kernels_without_a_gradient_have_blocks_too():
    assert IndependentMH.gradients_per_step == 0
    assert block_length(IndependentMH(), bowl, 100, 0, LONGEST) == LONGEST
    assert key(IndependentMH()) == key(IndependentMH()) != key(MALA(0.1))

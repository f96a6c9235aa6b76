"""What no recording stands for: such chains are made step by step, and come out as they would have anyway.

Packages are read from text and not built here (`Interpreted`).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from gibbsian.core.draws import uniform
from gibbsian.core.energy import value_and_grad
from gibbsian.core.position import randn_like
from gibbsian.core.random import generator
from gibbsian.mcmc import MALA, Langevin, run
from gibbsian.mcmc.base import ChainInfo, ChainState
from gibbsian.mcmc.engine.engine import Engine
from gibbsian.mcmc.engine.packages import Packages
from gibbsian.mcmc.engine.program import read


class Interpreted(Packages):
    """Packages that are the steps themselves."""

    def find(self, name):
        return self.loaded.get(name)

    def wait(self, name, text):
        self.loaded[name] = read(text)


def rough(x: Tensor) -> Tensor:
    return (x.pow(2) / 2 + x.cos()).sum(1)


def start(chains: int = 6) -> Tensor:
    return torch.randn(chains, 3, generator=generator(1))


def engine() -> Engine:
    return Engine(longest=5, fewest=1, packages=Interpreted())


def both(kernel, energy, x=None, steps: int = 60, *, blocks: bool = False, within: float = 1e-5, **options):
    """The compiled chain is the called one; with `blocks` it was really made in blocks."""
    used, x = engine(), start() if x is None else x
    plain = run(fresh(kernel), energy, x.clone(), steps=steps, rng=3, replay=False)
    quick = run(fresh(kernel), energy, x.clone(), steps=steps, rng=3, compile=True, engine=used, **options)
    torch.testing.assert_close(quick.position, plain.position, rtol=within, atol=within)
    assert bool(used.blocks) == blocks
    return used


def fresh(kernel):
    return dataclasses.replace(kernel) if dataclasses.is_dataclass(kernel) else kernel


@dataclass(frozen=True)
class Own:
    """A kernel of somebody's own: x' = `move(x, gradient, noise)`."""

    exact = False
    gradients_per_step = 1

    def init(self, energy, x):
        return ChainState(x)

    @torch.no_grad()
    def step(self, energy, state, rng):
        _, grad = value_and_grad(energy, state.position)
        new = self.move(state.position, grad, rng)
        return state._replace(position=new, count=state.count + 1), ChainInfo(None, ~new.isfinite().all(1))

    def move(self, x, grad, rng):
        return x - 0.05 * grad + 0.1 * randn_like(x, rng)


class NoiseInPlace(Own):
    def move(self, x, grad, rng):
        return x - 0.05 * grad + randn_like(x, rng).mul_(0.3)


class PositionInPlace(Own):
    def move(self, x, grad, rng):
        return x.add_(grad, alpha=-0.05).add_(randn_like(x, rng), alpha=0.1)


class OneForAll(Own):
    def move(self, x, grad, rng):
        return x - 0.1 * uniform(x.new_empty(1), rng) * grad + 0.1 * randn_like(x, rng)


@dataclass(frozen=True)
class Sizes(Own):
    sizes: list = field(default_factory=lambda: [0.1])
    unset: int = field(init=False)

    def move(self, x, grad, rng):
        for size in self.sizes:
            x = x - size * grad + 0.1 * randn_like(x, rng)
        return x


@dataclass
class Cooling:
    """A record that changes itself at every step."""

    size: float = 0.2
    exact = False
    gradients_per_step = 1
    init = Own.init

    def step(self, energy, state, rng):
        self.size *= 0.99
        _, grad = value_and_grad(energy, state.position)
        new = (state.position - self.size * grad).detach()
        return state._replace(position=new, count=state.count + 1), ChainInfo(None, ~new.isfinite().all(1))


def by_numpy(x: Tensor) -> Tensor:
    near = torch.from_numpy(np.round(x.detach().numpy()))
    return (x - near).pow(2).sum(1) + 0.5 * x.pow(2).sum(1)


def by_list(x: Tensor) -> Tensor:
    return rough(x) * (2.0 if max(x.detach()[:, 0].tolist()) > 1 else 1.0)


class Squared(torch.autograd.Function):
    """x^2 by numpy."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return torch.from_numpy(x.detach().numpy() ** 2)

    @staticmethod
    def backward(ctx, grad):
        return grad * torch.from_numpy(2 * ctx.saved_tensors[0].detach().numpy())


def overwritten(x: Tensor) -> Tensor:
    sign = torch.ones(len(x))
    first = (x[:, 0] + sign).pow(2)
    sign.neg_()
    return first + (x[:, 1] + sign).pow(2)


@pytest.mark.parametrize("kernel", [NoiseInPlace(), PositionInPlace()])
def test_kernels_that_write_to_what_they_were_given(kernel):
    assert "was there before" in str(told(both(kernel, rough)))


def told(used: Engine) -> str:
    """Why chains of an engine were not compiled."""
    return " ".join(used.reasons)


@pytest.mark.parametrize("energy", [by_numpy, by_list, lambda x: Squared.apply(x).sum(1)])
def test_energies_that_leave_torch(energy):
    assert "outside torch" in told(both(Langevin(0.02, 0.1), energy, 1.5 * start(), steps=200))


def test_constants_that_are_overwritten_after_use():
    x = start()
    x[:, 2] = 300.0
    assert "has used" in told(both(Langevin(1e-3, 0.01), overwritten, x, steps=200))


def test_an_energy_that_keeps_count_in_a_tensor():
    """Which no number depends on, but somebody may read afterwards."""
    calls = torch.zeros(())

    def energy(x: Tensor) -> Tensor:
        calls.add_(1)
        return rough(x)

    assert "was there before" in told(both(Langevin(0.05), energy)) and calls > 60


def test_kernels_that_may_change():
    assert "frozen" in told(both(Cooling(), rough))


def test_an_energy_that_counts_is_called_where_that_is_asked_for():
    class Counting(nn.Module):
        def __init__(self):
            super().__init__()
            self.n = 0

        def forward(self, x):
            self.n += 1
            return x.pow(2).sum(1) * (1 + self.n * 1e-2)

    used = engine()
    plain = run(Langevin(0.01, 0.001), Counting(), start(), steps=99, rng=3, replay=False)
    quick = run(
        Langevin(0.01, 0.001), Counting(), start(), steps=99, rng=3, replay=False, compile=True, engine=used
    )
    assert torch.equal(plain.position, quick.position) and not used.blocks


def test_noise_that_all_chains_share():
    both(OneForAll(), rough, blocks=True)
    both(OneForAll(), nn.Sequential(nn.Linear(3, 4), nn.SiLU(), nn.Linear(4, 1)), blocks=True, chunk=2)


def test_fields_that_are_lists_or_not_set():
    used = engine()
    for sizes in ([0.1, 0.05], [0.1, 0.05, 0.02]):
        plain = run(Sizes(sizes), rough, start(), steps=20, rng=3, replay=False)
        quick = run(Sizes(sizes), rough, start(), steps=20, rng=3, compile=True, engine=used)
        torch.testing.assert_close(plain.position, quick.position)
    assert used.blocks == 8


def test_a_step_that_changes_types():
    x = (start(), start().double())
    energy = lambda pair: rough(pair[0]) + rough(pair[1])  # noqa: E731
    used = engine()
    run(Langevin(0.05, clip_norm=0.5), energy, x, steps=20, rng=3, compile=True, engine=used)
    assert not used.blocks and "type" in told(used)


def test_a_module_with_hooks():
    net = nn.Linear(3, 1)
    net.register_forward_hook(lambda module, given, out: out * 2)
    assert "hooks" in told(both(Langevin(0.05), net))


def test_equal_slices_are_one_package():
    net = nn.Sequential(nn.Linear(3, 4), nn.SiLU(), nn.Linear(4, 1))
    used = both(MALA(0.05), net, start(9), blocks=True, chunk=3)
    assert len(used.packages.loaded) == 1


@pytest.mark.parametrize("shape", [(0, 3), (4, 0)])
def test_nothing_to_move(shape):
    used = engine()
    chain = run(Langevin(0.1), rough, torch.zeros(shape), steps=12, rng=0, compile=True, engine=used)
    assert chain.position.shape == shape and not used.blocks and not used.packages.loaded

"""Slices change a gradient by rounding only, bound what autograd saves, and leave closures alone."""

from __future__ import annotations

import os

import pytest
import torch
from torch import nn

import gibbsian.energies as en
from gibbsian.core import position
from gibbsian.core.energy import OwnGradient, value, value_and_grad
from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator, seeded_init
from gibbsian.mcmc import HMC, Langevin, run
from gibbsian.mcmc.engine.memory import UNKNOWN_MEMORY, free_bytes
from gibbsian.mcmc.engine.slices import (
    HEAVY,
    MANY,
    SLICE,
    Sliced,
    automatic,
    cuts,
    declared,
    gradient_bytes,
    sliced,
)
from gibbsian.nets import MLP, ConvConfig, ConvNet, MLPConfig

B = 23


def randn(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=generator(seed), dtype=torch.float64)


def mlp(dim: int = 4, classes: int = 0) -> nn.Module:
    with seeded_init(generator(0)):
        return (
            MLP((dim,), MLPConfig(hidden=(16, 16), activation="swish", classes=classes))
            .double()
            .requires_grad_(False)
        )


class Decoder(nn.Module):
    """From latents and noise to points."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(randn(1, 3, 4))

    def forward(self, z):
        return torch.tanh(z[0] @ self.weight) + 0.3 * z[1]


def vectors() -> torch.Tensor:
    return randn(2, B, 4)


def labels() -> torch.Tensor:
    return torch.arange(B) % 3


CASES = {
    "network": lambda: (mlp(), vectors()),
    "method": lambda: (en.Given(mlp(classes=3).forward, labels()), vectors()),
    "given": lambda: (en.Given(mlp(classes=3), labels()), vectors()),
    "restricted": lambda: (en.Restricted(mlp(), randn(3, B, 4), randn(4, B, 4) > 0), vectors()),
    "tethered": lambda: (
        en.Product([mlp(), en.Tether(randn(5, B, 4), torch.linspace(0.5, 2, B).double())]),
        vectors(),
    ),
    "pull-back": lambda: (en.PullBack(mlp(), Decoder()), (randn(6, B, 3), randn(7, B, 4))),
    "tempered": lambda: (en.Tempered(en.Funnel(4), torch.linspace(0.5, 2, B).double()), vectors()),
}
every = pytest.mark.parametrize("name", CASES)


@every
@pytest.mark.parametrize("chunk", [1, 5, 22])
def test_gradient_in_slices_is_the_gradient(name, chunk):
    energy, x = CASES[name]()
    cut = sliced(energy, x, chunk)
    assert isinstance(cut, Sliced)
    e, grad = value_and_grad(cut, x)
    e_whole, whole = value_and_grad(energy, x)
    assert not e.requires_grad and isinstance(grad, tuple) == isinstance(x, tuple)
    torch.testing.assert_close(e, e_whole, rtol=1e-12, atol=1e-12)
    for a, b in zip(position.leaves(grad), position.leaves(whole), strict=True):
        assert not a.requires_grad
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


@every
def test_values_in_slices_and_rows_of_slices(name):
    energy, x = CASES[name]()
    cut = Sliced(energy, 5)
    with torch.no_grad():
        torch.testing.assert_close(value(cut, x), value(energy, x), rtol=1e-12, atol=1e-12)
    index = torch.tensor([20, 0, 0, 7, 3, 11, 2])
    part, _ = value_and_grad(en.rows(cut, index), position.rows(x, index))
    torch.testing.assert_close(part, value(energy, x).detach()[index], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kernel", [Langevin(0.02), HMC(0.1, leapfrogs=3)], ids=["langevin", "hmc"])
def test_chains_are_the_same_within_rounding(kernel):
    """Ten steps: chains are chaotic, so rounding grows with more. The noise is that of whole chains."""
    energy, x = CASES["given"]()
    ends = [run(kernel, e, x, steps=10, rng=generator(8)) for e in (energy, sliced(energy, x, 4))]
    torch.testing.assert_close(ends[1].position, ends[0].position, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(ends[1].energy, ends[0].energy, rtol=1e-9, atol=1e-9)


def test_a_graph_that_is_kept_is_not_cut():
    energy, x = mlp(), vectors()
    energy.requires_grad_(True)
    _, grad = value_and_grad(Sliced(energy, 5), x, differentiable=True)
    _, whole = value_and_grad(energy, x, differentiable=True)
    assert torch.equal(grad, whole)
    first = next(energy.parameters())
    got = [torch.autograd.grad(g.square().sum(), first)[0] for g in (grad, whole)]
    assert torch.equal(*got) and got[0].abs().sum() > 0


def test_closures_are_left_alone():
    """A closure could hide context, so it always sees all chains; so does an energy made of one."""
    seen = []
    net, weights = mlp(), torch.arange(1.0, B + 1).double()

    def closure(x):
        seen.append(len(x))
        return weights * net(x)

    tempered = en.Tempered(closure, 2.0)
    for energy in (closure, tempered, en.Product([net, closure]), en.PullBack(net, lambda z: z)):
        assert not declared(energy)
        assert sliced(energy, vectors(), 5) is energy
    many = randn(9, MANY, 4)
    assert sliced(closure, many) is closure and not seen
    value_and_grad(sliced(tempered, vectors(), 5), vectors())
    assert seen == [B]


def test_what_is_declared():
    assert declared(mlp()) and declared(mlp().forward) and declared(en.Funnel(4))
    assert all(declared(make()[0]) for make in CASES.values())

    class Masked(nn.Module):
        def forward(self, x):
            return x.sum(1)

        def rows(self, index):
            return self

    assert declared(Masked()) and not declared(Masked().forward), "its method has no rows"
    assert not declared(en.Funnel(4).log_density)


def test_a_context_that_does_not_fit_is_refused_in_slices_too():
    for wrong in (B - 1, B + 1):
        energy = en.Given(mlp(classes=3), torch.zeros(wrong, dtype=torch.long))
        with pytest.raises(UsageError, match="y has shape"):
            value_and_grad(sliced(energy, vectors(), 5), vectors())


def test_energies_of_the_wrong_shape_are_refused_in_slices_too():
    class Column(nn.Module):
        def forward(self, x):
            return x.square()

    with pytest.raises(UsageError, match="number a chain"):
        value_and_grad(sliced(Column(), vectors(), 5), vectors())


def test_cuts_are_even_and_the_last_is_open():
    """Equal where less than twice the fewest will do: 16 pieces of 6,250 rather than 13 unequal ones."""
    for chains, size, pieces in [
        (23, 5, 5),
        (24, 6, 4),
        (24, 7, 4),
        (7, 7, 1),
        (100_000, 8_192, 16),
        (5, 1, 5),
    ]:
        found = cuts(chains, size)
        lengths = [len(range(chains)[c]) for c in found]
        assert sum(lengths) == chains and max(lengths) <= size and max(lengths) - min(lengths) <= 1
        assert len(found) == pieces and found[-1].stop is None


def test_chunks_below_one_are_refused():
    for chunk in (0, -3):
        with pytest.raises(UsageError, match="chunk is"):
            sliced(lambda x: x.sum(1), vectors(), chunk)
        with pytest.raises(UsageError, match="chunk is"):
            Sliced(mlp(), chunk)


class Ledger:
    """Counts the bytes that autograd holds for a gradient, now and at most."""

    def __init__(self) -> None:
        self.now, self.most = 0, 0

    def __enter__(self) -> Ledger:
        self.hooks = torch.autograd.graph.saved_tensors_hooks(lambda t: Held(t, self), lambda h: h.tensor)
        self.hooks.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self.hooks.__exit__(*error)


class Held:
    def __init__(self, tensor: torch.Tensor, ledger: Ledger) -> None:
        self.tensor, self.ledger = tensor, ledger
        self.bytes = 0 if isinstance(tensor, nn.Parameter) else tensor.nbytes
        ledger.now += self.bytes
        ledger.most = max(ledger.most, ledger.now)

    def __del__(self) -> None:
        self.ledger.now -= self.bytes


def test_slices_bound_what_is_saved_at_a_time():
    with seeded_init(generator(0)):
        net = ConvNet((1, 8, 8), ConvConfig(channels=(4, 8))).requires_grad_(False)
    x = torch.randn(60, 1, 8, 8, generator=generator(3))
    with Ledger() as whole:
        value_and_grad(net, x)
    with Ledger() as cut:
        value_and_grad(sliced(net, x, 6), x)
    each = gradient_bytes(net, x)
    assert each > 0 and 60 * each <= whole.most
    assert cut.most <= 1.01 * whole.most / 10 and cut.now == whole.now == 0


def test_memory_is_flat_in_the_number_of_steps():
    energy, x = CASES["restricted"]()
    most = []
    for steps in (2, 20):
        with Ledger() as ledger:
            run(Langevin(0.01), sliced(energy, x, 5), x, steps=steps, rng=generator(4))
        most.append(ledger.most)
    assert most[0] == most[1] > 0


def test_gradient_bytes_of_a_network_by_hand():
    """Linear, tanh, linear with frozen weights: the backward pass needs the output of tanh, 8 width bytes."""
    net = nn.Sequential(nn.Linear(3, 10), nn.Tanh(), nn.Linear(10, 1), nn.Flatten(0)).double()
    net.requires_grad_(False)
    for chains in (1, 3, 50):
        assert gradient_bytes(net, randn(1, chains, 3)) == 80
    net.requires_grad_(True)
    assert gradient_bytes(net, randn(1, 50, 3)) == 80 + 24, "the gradient of the weights needs the input, too"


def test_tensors_that_share_memory_count_once_and_what_is_shared_not_at_all():
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("shared", torch.ones(1000, dtype=torch.float64))

        def forward(self, x):
            y = x.exp()  # saves y; the two products save it again
            return ((y * y).sum(1) + (y * y[:, :1]).sum(1)) * self.shared.sum()

    assert gradient_bytes(Twice(), randn(1, 6, 5)) == 5 * 8


def test_an_energy_that_saves_nothing_is_never_cut():
    flat, x = nn.Flatten(0), torch.zeros(SLICE, 1)
    assert gradient_bytes(flat, x) == 0 and sliced(flat, x) is flat


class Counted(nn.Module):
    """A wide energy that notes on how many chains it was called."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(2, width), nn.Tanh(), nn.Linear(width, 1), nn.Flatten(0))
        self.requires_grad_(False)
        self.seen: list[int] = []

    def forward(self, x):
        self.seen.append(len(x))
        return self.net(x)


def test_few_chains_cost_nothing_and_many_two_small_calls():
    energy = Counted(8)
    assert sliced(energy, torch.zeros(MANY - 1, 2)) is energy and energy.seen == []
    assert sliced(energy, torch.zeros(MANY, 2)) is energy and energy.seen == [4, 2]
    energy.seen.clear()
    sliced(energy, torch.zeros(2, 2), 1)
    assert energy.seen == [], "a number asks for no measurement"


def test_few_large_chains_that_take_half_of_what_is_free_are_not_measured():
    energy, x = Counted(8), torch.zeros(2, 300_000)
    assert automatic(energy, x, lambda device: 2 * HEAVY * x.nbytes) == 2 and energy.seen == []


def test_automatic_slices_save_what_the_constant_says(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    energy, chains = Counted(1024), 20_000
    each = gradient_bytes(energy, torch.zeros(4, 2))
    assert each == 4 * 1024
    cut = sliced(energy, torch.zeros(chains, 2))
    assert isinstance(cut, Sliced) and cut.size == SLICE // each < chains
    fits = torch.zeros(3 * SLICE // each, 2)
    assert sliced(energy, fits) is energy


def test_slices_grow_with_the_threads(monkeypatch):
    energy, x = Counted(1024), torch.zeros(40_000, 2)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    assert automatic(energy, x) == 3 * SLICE // 4096


def test_little_free_memory_makes_small_slices():
    energy, x = Counted(1024), torch.zeros(20_000, 2)
    assert automatic(energy, x, lambda device: 2 * 4096 * 100) == 64  # of 100 that fit: a power of two
    assert automatic(energy, x, lambda device: 0) == 1


def test_free_memory_is_known_and_has_a_way_out(tmp_path, monkeypatch):
    cpu = torch.device("cpu")
    assert 2**20 < free_bytes(cpu) < 2**50
    assert free_bytes(cpu, tmp_path) > 2**20
    monkeypatch.delattr(os, "sysconf")
    assert free_bytes(cpu, tmp_path) == UNKNOWN_MEMORY


def test_a_container_may_take_less_than_is_free(tmp_path):
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/meminfo").write_text("MemTotal: 9 kB\nMemAvailable:  1000 kB\n")
    assert free_bytes(torch.device("cpu"), tmp_path) == 1024 * 1000
    group = tmp_path / "sys/fs/cgroup"
    group.mkdir(parents=True)
    (group / "memory.max").write_text("5000\n")
    (group / "memory.current").write_text("3000\n")
    assert free_bytes(torch.device("cpu"), tmp_path) == 2000


def test_an_energy_with_a_gradient_of_its_own_is_asked_for_it():
    class Half(OwnGradient):
        def __call__(self, x):
            return x.square().sum(1) / 2

        def value_and_grad(self, x):
            return self(x), -x

    x, energy = vectors(), Half()
    assert torch.equal(value_and_grad(energy, x)[1], -x)
    assert torch.equal(value_and_grad(energy, x, differentiable=True)[1], x)
    assert sliced(energy, x, 1) is energy

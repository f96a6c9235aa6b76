"""Gradients that are recorded, compared and replayed: the same bits, or the energy is called."""

from __future__ import annotations

import logging

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from gibbsian.core.energy import gradient, value_and_grad
from gibbsian.core.errors import UsageError
from gibbsian.core.position import leaves
from gibbsian.core.random import generator
from gibbsian.energies.conditional import Given
from gibbsian.mcmc.base import run
from gibbsian.mcmc.engine import recorded as module
from gibbsian.mcmc.engine.layouts import laid_out
from gibbsian.mcmc.engine.recorded import FEWEST, Recorded, replayed
from gibbsian.mcmc.engine.replaying import replay
from gibbsian.mcmc.engine.tape import taped
from gibbsian.mcmc.langevin import Langevin
from gibbsian.mcmc.mala import MALA
from gibbsian.nets.conv import ConvNet
from gibbsian.nets.mlp import MLP
from gibbsian.nets.settings import ConvConfig, MLPConfig

ACTIVATIONS = [
    nn.ReLU(), nn.ReLU(inplace=True), nn.SiLU(), nn.Tanh(), nn.Sigmoid(), nn.Softplus(), nn.LeakyReLU(0.2),
    nn.GELU(), nn.ELU(), nn.Mish(), nn.Hardswish(),
]  # fmt: skip


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch):
    monkeypatch.setattr(module, "_told", set())


def start(*shape: int) -> Tensor:
    return torch.randn(shape, generator=generator(1))


def built(make) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return make().requires_grad_(False).eval()


class Skips(nn.Module):
    """Layer norm, a skip, and a gradient that is partly constant."""

    def __init__(self) -> None:
        super().__init__()
        self.into, self.norm, self.mid = nn.Linear(2, 16), nn.LayerNorm(16), nn.Linear(16, 16)
        self.out, self.line = nn.Linear(16, 1), nn.Linear(2, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = self.into(x)
        h = h + self.mid(torch.relu(self.norm(h)))
        return self.out(h).squeeze(1) + self.line(x)[:, 0] + x.square().sum(1) / 2


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer, self.out = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True), nn.Linear(16, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.layer(x).mean(1))[:, 0]


def images(*layers: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 6, 3, 2, 1), *layers, nn.Flatten(), nn.LazyLinear(1))


SPECTRAL = ConvConfig(channels=(4, 8), spectral_norm=True)
NETWORKS = {
    **{f"{type(a).__name__} {k}": (lambda a=a: nn.Sequential(nn.Linear(2, 8), a, nn.Linear(8, 1)), (2,))
       for k, a in enumerate(ACTIVATIONS)},
    "skips": (Skips, (2,)),
    "attention": (Attention, (5, 16)),
    "group norm": (lambda: images(nn.GroupNorm(2, 6), nn.SiLU()), (1, 8, 8)),
    "batch norm, pooling, dropout": (
        lambda: images(nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.5)), (1, 8, 8)
    ),
    "ours": (lambda: MLP((2,), MLPConfig(hidden=(8, 8))), (2,)),
    "ours, spectral": (lambda: ConvNet((1, 8, 8), SPECTRAL), (1, 8, 8)),
    "a parametrised weight": (
        lambda: nn.Sequential(weight_norm(nn.Linear(2, 8)), nn.Tanh(), nn.Linear(8, 1)),
        (2,),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", NETWORKS)
def test_a_replay_gives_the_bits_of_the_call(name):
    """At another point than the recorded one, E(x) too; and in a chain, within the rounding of layouts."""
    make, event = NETWORKS[name]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = make()
        net(start(2, *event))  # lazy layers
    net = net.requires_grad_(False).eval()
    x = start(7, *event)
    e, grad, found = taped(net, x)
    called = value_and_grad(net, x)
    assert not found.problem and torch.equal(e, called[0]) and torch.equal(grad, called[1])
    both, alone = replay(found, (found.energy, *found.grads)), replay(found, found.grads)
    e, grad = value_and_grad(net, x + 0.3)
    assert torch.equal(both(x + 0.3)[0], e)
    assert torch.equal(both(x + 0.3)[1], grad) and torch.equal(alone(x + 0.3)[0], grad)
    for kernel in (Langevin(0.02), MALA(0.02)):
        chains = both_ways(kernel, net, x)
        torch.testing.assert_close(*chains, rtol=1e-4, atol=1e-5)


def both_ways(kernel, energy, x: Tensor) -> list[Tensor]:
    """Ends of the chain with replays and without."""
    return [run(kernel, energy, x, steps=20, rng=3, replay=r).position for r in (True, False)]


def kept(energy, x, steps: int = 20) -> bool:
    """Whether a chain replays this energy in the end."""
    calls = []

    def counting(at):
        calls.append(1)
        return energy(at)

    watched = Recorded(counting)
    for k in range(steps):
        value, grad = watched.value_and_grad(x if isinstance(x, tuple) else x + 0.01 * k)
        assert value.shape == (len(leaves(x)[0]),) and all(g.isfinite().all() for g in leaves(grad))
    return len(calls) == 2


def test_two_calls_and_no_more():
    assert kept(lambda x: x.square().sum(1), start(5, 2))
    assert kept(lambda x: x[0].square().sum(1) + x[1].exp().flatten(1).sum(1), (start(5, 2), start(5, 3, 1)))
    assert kept(lambda x: (x * torch.tensor([1.0, 2.0])).sum(1), start(5, 2))  # a gradient without x


def by_item(x):
    return x.square().sum(1) * (2.0 if x.sum() > 0 else 1.0)


def by_chance(x):
    return (x * torch.rand_like(x)).sum(1)


def by_parts(x):
    out = torch.zeros(len(x), 2)
    out[:, 0] = x[:, 0].exp()
    return (out * x).sum(1)


def by_size(x):
    return torch.stack([row[row > 0].square().sum() for row in x])


class Changing(nn.Module):
    """A network with a number in Python that its calls change."""

    def __init__(self) -> None:
        super().__init__()
        self.factor = 1.0

    def forward(self, x: Tensor) -> Tensor:
        self.factor += 0.5
        return self.factor * x.square().sum(1)


@pytest.mark.parametrize("energy", [by_item, by_chance, by_parts, by_size, Changing()])
def test_what_cannot_be_replayed_is_called_at_every_step(energy, caplog):
    """And one line in the log says so, whatever the number of runs."""
    assert not kept(energy, start(5, 2))
    caplog.clear()
    caplog.set_level(logging.INFO, logger="gibbsian")
    for _ in range(2):
        assert run(Langevin(0.01), energy, start(5, 2), steps=20).position.isfinite().all()
    assert len([r for r in caplog.records if "at every step" in r.getMessage()]) == 1


class Scaled(nn.Module):
    factor = 1.0

    def forward(self, x: Tensor) -> Tensor:
        return self.factor * x.square().sum(1)


@pytest.mark.parametrize(
    ("energy", "why"),
    [
        (by_item, "reads a number"),
        (by_chance, "random numbers"),
        (by_parts, "not seen"),
        (by_size, "sizes of its tensors"),
    ],
)
def test_a_recording_says_why_it_does_not_stand_for_the_call(energy, why):
    with torch.no_grad():
        assert why in taped(energy, start(5, 2))[2].problem


def test_a_number_that_changes_between_runs_is_seen():
    net, found = Scaled(), []
    for factor in (1.0, 3.0):
        net.factor = factor
        both = both_ways(Langevin(0.01), net, start(5, 2))
        assert torch.equal(*both)
        found.append(both[0])
    assert not torch.equal(*found)


@pytest.mark.parametrize("known", [False, True])
def test_a_number_that_changes_after_the_first_call_is_seen(known):
    """By two of the chains, or by all where an energy may hide what belongs to single ones."""
    net, x = Scaled(), start(9, 2)
    watched = Recorded(net if known else lambda x: net(x))
    watched.value_and_grad(x)
    net.factor = 3.0
    for _ in range(3):
        value, grad = watched.value_and_grad(x)
        assert torch.equal(grad, 6 * x) and torch.equal(value, 3 * x.square().sum(1))


def test_weights_buffers_and_labels_may_be_others_in_the_next_run():
    net = built(lambda: MLP((2,), MLPConfig(hidden=(8,), classes=3)))
    x, seen = start(6, 2), []
    for k in range(3):
        with torch.no_grad():
            for p in net.parameters():
                p.mul_(1.5)
        energy = Given(net, torch.full((6,), k))
        chains = both_ways(Langevin(0.01), energy, x)
        assert torch.equal(*chains)
        seen.append(chains[0])
    assert not torch.equal(seen[0], seen[1])


def test_hooks_and_compiled_modules_are_left_alone():
    net = built(lambda: nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1)))
    assert isinstance(replayed(net, start(5, 2), Langevin(0.1), FEWEST), Recorded)
    calls = []
    hook = net[0].register_forward_hook(lambda *_: calls.append(1))
    run(Langevin(0.1), net, start(5, 2), steps=20, evaluate=False)
    assert len(calls) == 20
    hook.remove()
    net[0]._compiled_call_impl = net[0]._call_impl
    assert replayed(net, start(5, 2), Langevin(0.1), FEWEST) is net


OF_FILE = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1))


def of_file(x):
    return OF_FILE(x)


def test_hooks_of_networks_that_a_function_names_are_seen():
    assert isinstance(replayed(of_file, start(5, 2), Langevin(0.1), FEWEST), Recorded)
    hook = OF_FILE[0].register_forward_hook(lambda *_: None)
    assert replayed(of_file, start(5, 2), Langevin(0.1), FEWEST) is of_file
    hook.remove()


def test_rows_chosen_by_their_numbers_are_replayed():
    assert kept(lambda x: x[:, torch.tensor([1, 0, 1])].exp().sum(1), start(5, 2))
    assert kept(lambda x: torch.where(x > 0, x, 0.1 * x).square().sum(1), start(5, 2))


def test_a_replay_that_fails_in_the_middle_is_a_call():
    watched, x = Recorded(lambda x: x.square().sum(1)), start(5, 2)
    for _ in range(2):
        watched.value_and_grad(x)
    known = watched.known[module._shape(x)]
    assert isinstance(known, module.Replays)

    def broken(*leaves):
        raise RuntimeError("sizes differ")

    known.made = {True: broken, False: broken}
    assert torch.equal(gradient(watched, x), 2 * x) and watched.known[module._shape(x)] is None


def test_short_runs_and_large_positions_are_left_alone():
    net = built(lambda: nn.Linear(2, 1))
    assert replayed(net, start(5, 2), Langevin(0.1), FEWEST - 1) is net
    large = torch.empty(1).expand(2**20, 2)
    assert replayed(net, large, Langevin(0.1), 100) is net


def test_errors_of_the_energy_go_through():
    def wrong(x):
        return x

    def broken(x):
        raise ZeroDivisionError("mine")

    with pytest.raises(UsageError, match="returned shape"):
        run(Langevin(0.1), wrong, start(5, 2), steps=20)
    with pytest.raises(ZeroDivisionError, match="mine"):
        run(Langevin(0.1), broken, start(5, 2), steps=20)


class Half(torch.autograd.Function):
    """|x|^2 / 2, whose gradient is the position itself."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.square().sum(1) / 2

    @staticmethod
    def backward(ctx, grad):
        return ctx.saved_tensors[0]


def test_a_replayed_gradient_belongs_to_who_asked():
    """Neither a constant gradient nor the position itself is given away."""
    for energy in (lambda x: 2 * x.sum(1), lambda x: x.square().sum(1) / 2, Half.apply):
        watched, x = Recorded(energy), start(5, 2)
        for _ in range(2):
            watched.value_and_grad(x)
        first = gradient(watched, x)
        again = first.clone()
        first.mul_(7)
        assert torch.equal(gradient(watched, x), again) and torch.equal(x, start(5, 2))


def test_chains_that_leave_the_finite_world_are_named():
    def falls(x):
        return -x.square().square().sum(1)

    chain, plain = (run(Langevin(0.5), falls, start(64, 2), steps=40, rng=0, replay=r) for r in (True, False))
    assert chain.info.divergent.any() and torch.equal(chain.info.divergent, plain.info.divergent)
    assert torch.equal(chain.info.divergent, ~chain.position.isfinite().all(1))


@pytest.mark.parametrize("raises", [False, True])
def test_a_module_is_left_as_it_was(raises):
    """Weights, their gradients, layouts and objects, statistics, modes and torch's own stream; also after an
    error at the fifth call."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.5), nn.Conv2d(4, 4, 3), nn.Flatten(),
        nn.LazyLinear(1),
    )  # fmt: skip
    net(start(3, 1, 8, 8)).sum().backward()
    net[3].eval()
    before = {
        k: (v, v.clone(), v.stride(), v.requires_grad) for k, v in net.state_dict(keep_vars=True).items()
    }
    grads, modes = [p.grad.clone() for p in net.parameters()], [m.training for m in net.modules()]
    stream, calls = torch.get_rng_state(), []

    def energy(x: Tensor) -> Tensor:
        calls.append(1)
        if raises and len(calls) == 2:
            raise ZeroDivisionError("mine")
        return net(x)

    if raises:
        with pytest.raises(ZeroDivisionError, match="mine"):
            run(Langevin(0.1), energy, start(3, 1, 8, 8), steps=20, rng=0)
    else:
        assert run(Langevin(0.1), energy, start(3, 1, 8, 8), steps=20, rng=0).position.isfinite().all()
    for k, v in net.state_dict(keep_vars=True).items():
        same, values, stride, asks = before[k]
        assert v is same and torch.equal(v, values) and v.stride() == stride and v.requires_grad == asks
    assert all(torch.equal(p.grad, g) for p, g in zip(net.parameters(), grads, strict=True))
    assert [m.training for m in net.modules()] == modes and torch.equal(torch.get_rng_state(), stream)


class OwnLabels(nn.Module):
    """A module that holds the labels of its chains, so that it cannot be called for some of them."""

    def __init__(self, y: Tensor) -> None:
        super().__init__()
        self.embedding, self.y = nn.Embedding(4, 5), y

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.embedding(self.y)).square().sum(1)


class Views(nn.Module):
    """Maps as rows by `view`, which asks for their plain layout; a layer has a name that energies know."""

    def __init__(self) -> None:
        super().__init__()
        self.maps = nn.Sequential(nn.Conv2d(3, 8, 3), nn.SiLU(), nn.Conv2d(8, 8, 3))
        self.rows = nn.Linear(8 * 16, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.rows(self.maps(x).view(len(x), -1))


class ThroughViews(nn.Module):
    """Maps that are clamped through a view of them."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.rows = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3), nn.Linear(8 * 16, 1)

    def forward(self, x: Tensor) -> Tensor:
        maps = self.first(x)
        maps.flatten(1).clamp_(-0.1, 0.1)
        return self.rows(self.second(maps).flatten(1)).squeeze(1)


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda: OwnLabels(torch.arange(4)), (4, 5)),
        (Views, (4, 3, 8, 8)),
        (ThroughViews, (4, 3, 8, 8)),
        (lambda: Unnoticed(), (4, 3, 8, 8)),
    ],
)
def test_networks_that_ask_for_more_run_as_before(make, shape):
    net = built(make)
    torch.testing.assert_close(*both_ways(Langevin(0.01), net, start(*shape)), rtol=1e-4, atol=1e-5)


def test_a_constant_that_is_the_start_does_not_move():
    """A tether to where the chains began holds the very tensor at which they begin."""
    x, pull = start(64, 2), nn.Linear(2, 1)
    nn.init.constant_(pull.weight, -50.0)

    def energy(at: Tensor) -> Tensor:
        return pull(at)[:, 0] + (at - x).square().sum(1) / (2 * 0.2**2)

    kernel = Langevin(1e-5, temperature=1e-3)
    ends = [run(kernel, energy, x, steps=3000, rng=0, replay=r).position for r in (True, False)]
    torch.testing.assert_close(*ends, rtol=1e-4, atol=1e-4)


def test_an_energy_that_holds_the_start_is_replayed():
    x = start(64, 2)
    watched = Recorded(lambda at: (at - x).square().sum(1) + at.exp().sum(1))
    for k in range(3):
        at = x if k == 0 else x + 0.1 * k
        torch.testing.assert_close(gradient(watched, at), 2 * (at - x) + at.exp())
    assert watched.known[module._shape(x)] is not None


class Unnoticed(ThroughViews):
    """The same where autograd takes no note of it."""

    def forward(self, x: Tensor) -> Tensor:
        maps = self.first(x)
        with torch.no_grad():
            maps.flatten(1).clamp_(-0.1, 0.1)
        return self.rows(self.second(maps).flatten(1)).squeeze(1)


@pytest.mark.parametrize("make", [ThroughViews, Unnoticed])
def test_writes_through_a_view_keep_the_layouts_of_the_call(make):
    with torch.no_grad():
        found = taped(built(make), start(4, 3, 8, 8))[2]
    assert not found.problem and laid_out(found) is found


def moved_in_place():
    held = torch.zeros(3)

    def energy(x: Tensor) -> Tensor:
        e = (x - held).square().sum(1)
        with torch.no_grad():
            held.add_(0.1)
        return e

    return energy


def moved_through_a_view():
    held = torch.zeros(1, 3)

    def energy(x: Tensor) -> Tensor:
        e = (x - held).square().sum(1)
        with torch.no_grad():
            held.t().add_(0.1)
        return e

    return energy


def slowly():
    calls = [0]

    def energy(x: Tensor) -> Tensor:
        calls[0] += 1
        return x.square().sum(1) * (1 + calls[0] * 1e-3)

    return energy


class Unseen(torch.autograd.Function):
    """What numpy makes is not seen by the tape."""

    @staticmethod
    def forward(ctx, x):
        ctx.x = x.numpy(force=True)
        return torch.from_numpy(50 * ctx.x**2).sum(1)

    @staticmethod
    def backward(ctx, grad):
        return grad[:, None] * torch.from_numpy(100 * ctx.x)


@pytest.mark.parametrize("make", [moved_in_place, moved_through_a_view, slowly, lambda: Unseen.apply])
def test_what_moves_behind_the_tape_is_called(make):
    kernel = Langevin(1e-5, temperature=0.0)
    chains = (run(kernel, make(), start(16, 3), steps=300, replay=r, evaluate=False) for r in (True, False))
    ends = [chain.position for chain in chains]
    torch.testing.assert_close(*ends, rtol=1e-5, atol=1e-6)


def test_what_changes_later_is_found_at_a_later_comparison():
    net, x = Scaled(), start(9, 2)
    watched = Recorded(net)
    for k in range(300):
        net.factor = 1.0 if k < 50 else 3.0
        grad = gradient(watched, x)
    assert torch.equal(grad, 6 * x) and watched.known[module._shape(x)] is None


def test_checks_that_make_no_tensor_are_replayed():
    def energy(x: Tensor) -> Tensor:
        return 2 * torch.linalg.cholesky(torch.diag_embed(x)).sum((1, 2))

    for replay_or_not in (True, False):
        with pytest.raises(torch.linalg.LinAlgError, match="positive-definite"):
            run(Langevin(0.02, temperature=0.0), energy, torch.ones(2, 2), steps=200, replay=replay_or_not)


@pytest.mark.parametrize("shape", [(0, 5), (3, 0)])
def test_nothing_to_move(shape):
    for replay_or_not in (True, False):
        x = torch.zeros(shape)
        chain = run(Langevin(0.1), lambda x: x.square().sum(1), x, steps=20, replay=replay_or_not)
        assert chain.position.shape == shape


def test_a_few_channels_in_another_default_precision():
    x = start(3, 1, 8, 8)
    net = images(nn.SiLU())
    net(x)
    torch.set_default_dtype(torch.float64)
    try:
        torch.testing.assert_close(*both_ways(Langevin(0.01), net, x), rtol=1e-4, atol=1e-5)
    finally:
        torch.set_default_dtype(torch.float32)

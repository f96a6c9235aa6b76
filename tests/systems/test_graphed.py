"""Chains that keep the graph of their last steps: the same chains, live weights, bounded, never poisoned."""

from __future__ import annotations

import pytest
import torch

from gibbsian.mcmc.base import run
from gibbsian.recipes.chain import ChainConfig
from gibbsian.starts.base import Ticket
from gibbsian.systems.frozen import evaluating, frozen
from gibbsian.systems.graphed import graphed_negatives
from gibbsian.systems.phases import langevin

MLP = {"net.name": "mlp", "net.hidden": [12, 12], "start.capacity": 32}
CONV = {"net.name": "conv", "net.channels": [4, 6], "start.capacity": 32}
NETS = {
    "mlp": ("toy:ring", MLP),
    "mlp-spectral": ("toy:ring", {**MLP, "net.spectral_norm": True}),
    "conv-dropout": ("digits", {**CONV, "net.dropout": 0.3}),
    "conv-scales": ("digits", {**CONV, "scales": 2, "net.spectral_norm": True}),
}
CHAINS = {
    "plain": ChainConfig(4, 0.05, 0.1),
    "paper": ChainConfig(4, 4.0, 0.01, noise_first=True, clamp=True),
    "fading": ChainConfig(4, 0.5, 0.1, noise_end=0.0, decay=0.6, clip=0.05, clamp=True),
    "one": ChainConfig(1, 0.05, 0.1),
}


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def setting(tiny_run, net: str, chain: str, activation: str = "swish", n: int = 10):
    data, changes = NETS[net]
    system = tiny_run("icd", data, {**changes, "net.activation": activation}).trainer.system.train()
    start = system.fresh.draw(n, rng(1)).position
    ticket = Ticket(start, None, None, torch.ones(n, dtype=torch.bool))
    return system, langevin(CHAINS[chain], -1.0, 1.0), ticket, CHAINS[chain].steps


def plain_chain(system, kernel, ticket, steps):
    with frozen(system):
        return run(kernel, system.energy, ticket.position, steps=steps, rng=rng(2), evaluate=False)


@pytest.mark.parametrize("through", ["last", "all"])
@pytest.mark.parametrize("chain", CHAINS)
@pytest.mark.parametrize("net", NETS)
def test_a_graph_for_all_chains_ends_where_the_plain_chain_ends_bit_for_bit(net, chain, through, tiny_run):
    """With tanh: torch has another formula for the gradient of swish where that is to be differentiated."""
    system, kernel, ticket, steps = setting(tiny_run, net, chain, "tanh")
    wanted = plain_chain(system, kernel, ticket, steps)
    neg, x = graphed_negatives(
        system, system.energy, kernel, ticket, steps, rng(2), system.fresh, through=through
    )
    assert torch.equal(neg.x, wanted.position) and torch.equal(x.detach(), wanted.position)
    assert torch.equal(neg.chain.position, wanted.position) and not neg.x.requires_grad
    assert x.requires_grad and system.training and all(p.requires_grad for p in system.parameters())
    found, plain = neg.chain.info, wanted.info
    assert (found.steps, found.gradients) == (plain.steps, plain.gradients)
    assert torch.equal(found.divergent, plain.divergent)
    torch.testing.assert_close(found.drift, plain.drift)
    for name in ("clipped", "saturated"):
        one, other = getattr(found, name), getattr(plain, name)
        assert (one is None) == (other is None)
        if one is not None:
            torch.testing.assert_close(one.float(), other.float())


@pytest.mark.parametrize("net", NETS)
def test_with_swish_the_ends_are_equal_within_rounding(net, tiny_run):
    system, kernel, ticket, steps = setting(tiny_run, net, "paper")
    neg, x = graphed_negatives(system, system.energy, kernel, ticket, steps, rng(2), system.fresh)
    wanted = plain_chain(system, kernel, ticket, steps).position
    assert torch.allclose(neg.x, wanted, rtol=0, atol=1e-6) and torch.equal(neg.x, x.detach())


@pytest.mark.parametrize("through", ["last", "all"])
def test_only_the_first_chains_keep_their_graph(through, tiny_run):
    system, kernel, ticket, steps = setting(tiny_run, "mlp", "plain")
    neg, x = graphed_negatives(
        system, system.energy, kernel, ticket, steps, rng(2), system.fresh, through=through, first=4
    )
    assert neg.x.shape == (10, 2) and x.shape == (4, 2) and torch.equal(x.detach(), neg.x[:4])
    info = neg.chain.info
    assert info.drift.shape == info.divergent.shape == (10,) and info.steps == steps == info.gradients
    many = graphed_negatives(
        system, system.energy, kernel, ticket, steps, rng(2), system.fresh, through=through, first=99
    )
    assert many.x.shape == (10, 2)


def test_gradients_reach_the_start_of_all_steps_only_through_all(tiny_run):
    """Through the last step x_{K-1} is held: the gradient is that of a chain of one step from there."""
    system, kernel, ticket, steps = setting(tiny_run, "mlp", "plain")
    last = graphed_negatives(system, system.energy, kernel, ticket, steps, rng(2), system.fresh)
    whole = graphed_negatives(
        system, system.energy, kernel, ticket, steps, rng(2), system.fresh, through="all"
    )
    weights = list(system.net.parameters())
    one, all_ = (torch.autograd.grad(g.x.square().sum(), weights, allow_unused=True) for g in (last, whole))
    before = plain_chain(system, kernel, ticket, steps - 1)
    again = rng(2)
    for _ in range(steps - 1):
        torch.randn(10, 2, generator=again)  # the noise of the steps before
    with evaluating(system):
        step = run(
            kernel, system.energy, before.position, steps=1, rng=again, differentiable="last", evaluate=False
        )
    wanted = torch.autograd.grad(step.position.square().sum(), weights, allow_unused=True)
    for a, b, c in zip(one, wanted, all_, strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            torch.testing.assert_close(a, b)
            assert not torch.allclose(a, c)


class Wall:
    """The system's energy, after `calls` calls NaN for chains below -.99 in the first coordinate."""

    def __init__(self, system, calls: int) -> None:
        self.system, self.left = system, calls

    def __call__(self, x):
        self.left -= 1
        e = self.system.energy(x)
        return e * torch.where(x[:, 0] < -0.99, torch.nan, 1.0) if self.left < 0 else e


@pytest.mark.parametrize(("calls", "kept"), [(0, 7), (3, 0)])
def test_chains_that_leave_the_finite_world_are_left_out(calls, kept, tiny_run):
    """Lost before the graph: three chains out, the others keep theirs. Lost inside it: no terms this time."""
    system, _, ticket, steps = setting(tiny_run, "mlp", "plain")
    kernel = langevin(ChainConfig(4, 1e-4, 1e-6), -1.0, 1.0)
    ticket.position.copy_(torch.linspace(-0.9, 0.9, 10)[:, None].expand(10, 2))
    ticket.position[[0, 4, 5], 0] = -1.0
    neg, x = graphed_negatives(system, Wall(system, calls), kernel, ticket, steps, rng(2), system.fresh)
    assert neg.bad.nonzero().flatten().tolist() == [0, 4, 5] and torch.isfinite(neg.x).all()
    assert torch.isfinite(neg.chain.position).all(1).tolist() == (~neg.bad).tolist()
    assert neg.chain.info.divergent.tolist() == neg.bad.tolist()
    assert x.shape == (kept, 2)
    if kept:
        grads = torch.autograd.grad(x.square().sum(), list(system.net.parameters()), allow_unused=True)
        assert all(torch.isfinite(g).all() for g in grads if g is not None)
        assert torch.equal(x.detach(), neg.x[~neg.bad])


def test_evaluating_restores_modes_and_leaves_gradients_on(tiny_run):
    system = setting(tiny_run, "mlp", "one")[0]
    with pytest.raises(RuntimeError, match="boom"), evaluating(system):
        assert not system.training and all(p.requires_grad for p in system.parameters())
        raise RuntimeError("boom")
    assert system.training and all(m.training for m in system.modules())

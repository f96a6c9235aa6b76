"""Chains that keep the graph of their last steps: the same chains, live weights, bounded, never poisoned."""

from __future__ import annotations

import pytest
import torch

from gibbsian.core.spec import DataSpec
from gibbsian.mcmc.base import run
from gibbsian.mcmc.settings import ChainConfig
from gibbsian.models.chains import init_noise, langevin
from gibbsian.models.graphed import GraphedEnds, graphed_chain_ends
from gibbsian.models.sampler import RunOptions
from gibbsian.nets.frozen import evaluating, frozen
from gibbsian.starts.base import BufferSample
from gibbsian.starts.settings import StartConfig

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
    model = tiny_run("icd", data, {**changes, "net.activation": activation}).trainer.model.train()
    start = init_noise(StartConfig(), model.spec).draw(n, rng(1)).position
    drawn = BufferSample(start, None, None, torch.ones(n, dtype=torch.bool))
    return model, langevin(CHAINS[chain], DataSpec((2,), -1.0, 1.0)), drawn, CHAINS[chain].steps


def graphed(model, kernel, drawn, steps, **more) -> GraphedEnds:
    noise = init_noise(StartConfig(), model.spec)
    return graphed_chain_ends(model, drawn, kernel, steps, rng(2), RunOptions(), init_noise=noise, **more)


def plain_chain(model, kernel, drawn, steps):
    with frozen(model):
        return run(kernel, model.energy, drawn.position, steps=steps, rng=rng(2), evaluate=False)


@pytest.mark.parametrize("through", ["last", "all"])
@pytest.mark.parametrize("chain", CHAINS)
@pytest.mark.parametrize("net", NETS)
def test_a_graph_for_all_chains_ends_where_the_plain_chain_ends_bit_for_bit(net, chain, through, tiny_run):
    """With tanh: torch has another formula for the gradient of swish where that is to be differentiated."""
    model, kernel, drawn, steps = setting(tiny_run, net, chain, "tanh")
    wanted = plain_chain(model, kernel, drawn, steps)
    ends, x = graphed(model, kernel, drawn, steps, through=through)
    assert torch.equal(ends.x, wanted.position) and torch.equal(x.detach(), wanted.position)
    assert torch.equal(ends.chain.position, wanted.position) and not ends.x.requires_grad
    assert x.requires_grad and model.training and all(p.requires_grad for p in model.parameters())
    found, plain = ends.chain.info, wanted.info
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
    model, kernel, drawn, steps = setting(tiny_run, net, "paper")
    ends, x = graphed(model, kernel, drawn, steps)
    wanted = plain_chain(model, kernel, drawn, steps).position
    assert torch.allclose(ends.x, wanted, rtol=0, atol=1e-6) and torch.equal(ends.x, x.detach())


@pytest.mark.parametrize("through", ["last", "all"])
def test_only_the_first_chains_keep_their_graph(through, tiny_run):
    model, kernel, drawn, steps = setting(tiny_run, "mlp", "plain")
    ends, x = graphed(model, kernel, drawn, steps, through=through, first=4)
    assert ends.x.shape == (10, 2) and x.shape == (4, 2) and torch.equal(x.detach(), ends.x[:4])
    info = ends.chain.info
    assert info.drift.shape == info.divergent.shape == (10,) and info.steps == steps == info.gradients
    many = graphed(model, kernel, drawn, steps, through=through, first=99)
    assert many.x.shape == (10, 2)


def test_gradients_reach_the_start_of_all_steps_only_through_all(tiny_run):
    """Through the last step x_{K-1} is held: the gradient is that of a chain of one step from there."""
    model, kernel, drawn, steps = setting(tiny_run, "mlp", "plain")
    last = graphed(model, kernel, drawn, steps)
    whole = graphed(model, kernel, drawn, steps, through="all")
    weights = list(model.net.parameters())
    one, all_ = (torch.autograd.grad(g.x.square().sum(), weights, allow_unused=True) for g in (last, whole))
    before = plain_chain(model, kernel, drawn, steps - 1)
    again = rng(2)
    for _ in range(steps - 1):
        torch.randn(10, 2, generator=again)  # the noise of the steps before
    with evaluating(model):
        step = run(
            kernel, model.energy, before.position, steps=1, rng=again, differentiable="last", evaluate=False
        )
    wanted = torch.autograd.grad(step.position.square().sum(), weights, allow_unused=True)
    for a, b, c in zip(one, wanted, all_, strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            torch.testing.assert_close(a, b)
            assert not torch.allclose(a, c)


class Wall:
    """The model's energy, after `calls` calls NaN for chains below -.99 in the first coordinate."""

    def __init__(self, model, calls: int) -> None:
        self.energy, self.left = model.energy, calls

    def __call__(self, x):
        self.left -= 1
        e = self.energy(x)
        return e * torch.where(x[:, 0] < -0.99, torch.nan, 1.0) if self.left < 0 else e


@pytest.mark.parametrize(("calls", "kept"), [(0, 7), (3, 0)])
def test_chains_that_leave_the_finite_world_are_left_out(calls, kept, tiny_run, monkeypatch):
    """Lost before the graph: three chains out, the others keep theirs. Lost inside it: no terms this time."""
    model, _, drawn, steps = setting(tiny_run, "mlp", "plain")
    kernel = langevin(ChainConfig(4, 1e-4, 1e-6), model.spec)
    drawn.position.copy_(torch.linspace(-0.9, 0.9, 10)[:, None].expand(10, 2))
    drawn.position[[0, 4, 5], 0] = -1.0
    wall = Wall(model, calls)
    monkeypatch.setattr(model, "conditioned", lambda y=None: wall)
    ends, x = graphed(model, kernel, drawn, steps)
    assert ends.bad.nonzero().flatten().tolist() == [0, 4, 5] and torch.isfinite(ends.x).all()
    assert torch.isfinite(ends.chain.position).all(1).tolist() == (~ends.bad).tolist()
    assert ends.chain.info.divergent.tolist() == ends.bad.tolist()
    assert x.shape == (kept, 2)
    if kept:
        grads = torch.autograd.grad(x.square().sum(), list(model.net.parameters()), allow_unused=True)
        assert all(torch.isfinite(g).all() for g in grads if g is not None)
        assert torch.equal(x.detach(), ends.x[~ends.bad])


def test_evaluating_restores_modes_and_leaves_gradients_on(tiny_run):
    model = setting(tiny_run, "mlp", "one")[0]
    with pytest.raises(RuntimeError, match="boom"), evaluating(model):
        assert not model.training and all(p.requires_grad for p in model.parameters())
        raise RuntimeError("boom")
    assert model.training and all(m.training for m in model.modules())

"""The learner of the self-normalised likelihood: exact densities, its mass, what it trains and refuses."""

from __future__ import annotations

import math

import pytest
import torch

import gibbsian as gb
from gibbsian.core.config import override
from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator
from gibbsian.core.records import Batch
from gibbsian.models.build import build
from gibbsian.models.snl.config import SNLConfig

SMALL = {"net.name": "mlp", "net.hidden": [8], "proposal.hidden": [8], "partition": [4]}
SHIFT = 0.5


def make(condition=(), shape=(2,), **changes):
    settings = {**SMALL, "net.condition": list(condition), **changes}
    return build("snl", override(SNLConfig(), settings), shape, generator(0))


class Tilt(torch.nn.Module):
    """SHIFT u_1, with or without a condition that scales it."""

    def forward(self, u, c=None):
        return SHIFT * u[:, 0] * (1 if c is None else c[:, 0])


@pytest.fixture(params=[(), (1,), (2, 1)])
def known(request):
    """q = N(0, I) tilted by SHIFT c u_1: the model is N(-SHIFT c e_1, I), log Z = (SHIFT c)^2 / 2."""
    learner = make(request.param, **{"chain.steps": 40, "chain.step_size": 0.5})
    model, size = learner.model, sum(request.param)
    model.net = Tilt()
    model.partition.forward = lambda c: (SHIFT * (c[:, :1] if size else torch.ones(1, 1))).square() / 2
    return learner.eval(), size


def conditions(size, n):
    return torch.linspace(0.5, 2, n)[:, None].expand(n, size) if size else None


def test_its_density_is_that_of_the_tilted_gaussian_with_mass_one(known) -> None:
    learner, size = known
    model, y, x = learner.model, conditions(size, 6), torch.randn(6, 2, generator=generator(1))
    mean = -SHIFT * (y[:, 0] if size else torch.ones(6))
    wanted = torch.distributions.Normal(torch.stack([mean, torch.zeros(6)], 1), 1).log_prob(x).sum(1)
    torch.testing.assert_close(-model.neg_log_prob(x, y), wanted)
    mass = model.mass(generator(0), y, draws=4000)
    assert float((mass - 1).abs().max()) < 0.1 and len(mass) == (6 if size else 1)
    model.partition.forward = lambda c: torch.zeros(len(c), 1)
    off = 0.5 * (SHIFT * (float(y[-1, 0]) if size else 1)) ** 2
    assert float(model.mass(generator(0), y, draws=4000)[-1]) == pytest.approx(math.exp(off), rel=0.1)


def test_its_chain_samples_it(known) -> None:
    learner, size = known
    y = torch.full((2000, size), 2.0) if size else None
    drawn = learner.model.sample(2000, y=y, seed=0)
    wanted = -SHIFT * (2 if size else 1)
    assert float(drawn.x[:, 0].mean()) == pytest.approx(wanted, abs=0.1)
    assert float(drawn.x.std(0).mean()) == pytest.approx(1, abs=0.06)


@pytest.mark.parametrize("condition", [(), (3,)])
@pytest.mark.parametrize("base", [True, False])
def test_the_losses_are_those_of_their_energies(condition, base) -> None:
    """With draws that are replayed: -log q, then the objective at E of the model itself."""
    learner = make(condition, proposal_is_base=base, **{"proposal.lead": 1, "proposal.ratio": 2})
    model, rng = learner.model, generator(3)
    for p in learner.parameters():
        p.data += 0.1 * torch.randn(p.shape, generator=rng)
    x, y = torch.randn(4, 2, generator=rng), torch.randn(4, 3, generator=rng) if condition else None
    assert [g for g, _ in learner.losses(Batch(x, y), 0, generator(5))] == ["proposal"]
    learner.begun.fill_(True)
    found = dict(learner.losses(Batch(x, y), 1, generator(5)))
    assert list(found) == ["proposal", "energy", "log_partition"]
    twice = None if y is None else y.repeat(2, 1)
    drawn = model.proposal.coloured(torch.randn(8, 2, generator=generator(5)), twice)
    weight = (-model.neg_log_prob(drawn, twice) - model.proposal.log_density(drawn, twice)).exp()
    wanted = model.neg_log_prob(x, y).mean() + weight.mean() - 1
    for group in ("energy", "log_partition"):
        torch.testing.assert_close(found[group].value, wanted, rtol=1e-4, atol=1e-5)
    grads = torch.autograd.grad(found["energy"].value, list(model.proposal.parameters()), allow_unused=True)
    assert all(g is None or not g.abs().sum() for g in grads)  # q learns by its own likelihood alone


@pytest.mark.parametrize(("step", "updates", "groups"), [(0, 2, 1), (1, 2, 3), (2, 2, 2), (9, 0, 3)])
def test_the_proposal_leads_and_then_stays(step, updates, groups) -> None:
    learner = make(**{"proposal.lead": 1, "proposal.updates": updates})
    assert len(list(learner.losses(Batch(torch.randn(4, 2)), step, generator(0)))) == groups


def test_b_begins_at_log_z() -> None:
    learner = make(proposal_is_base=False, **{"proposal.lead": 0, "proposal.ratio": 4096})
    learner.model.net.forward = lambda x: 5 + x.square().sum(1) / 2
    found = dict(learner.losses(Batch(torch.randn(4, 2, generator=generator(0))), 0, generator(1)))
    assert float(found["energy"].metrics["log_partition"]) == pytest.approx(
        math.log(2 * math.pi) - 5, abs=1e-3
    )
    assert float(found["energy"].metrics["mass"]) == pytest.approx(1, abs=1e-3)


def test_it_learns_log_p_of_a_line_given_a_condition() -> None:
    """x = c + noise of two signs: nats fall below those of the best Gaussian, and the mass stays 1."""
    rng = generator(0)
    c = torch.randn(4000, 1, generator=rng)
    sign = torch.randint(0, 2, (4000, 1), generator=rng) * 2.0 - 1
    x = c + sign + 0.2 * torch.randn(4000, 1, generator=rng)
    data = gb.from_arrays(x, cond=c)
    how = {"proposal__lead": 50, "train__lr": 5e-3, "train__average": 0.95}
    model = gb.fit("snl", data, preset="point_mass", steps=250, progress=False, **how)
    nats = float(model.neg_log_prob(x[:1000], c[:1000]).mean().detach())
    gaussian = 0.5 * math.log(2 * math.pi * math.e * 1.04)
    assert nats < gaussian - 0.3
    assert float((model.mass(generator(1), c[:5]) - 1).abs().max()) < 0.2


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"net.classes": 3}, "one-hot"),
        ({"proposal.hidden": []}, "proposal.hidden"),
        ({"proposal.ratio": 0}, "proposal.ratio"),
        ({"chain.steps": 0}, "chain.steps"),
        ({"partition_rate": -1.0}, "partition_rate"),
    ],
)
def test_bad_settings_are_refused(changes, words) -> None:
    with pytest.raises(UsageError, match=words):
        make(**changes)


def test_a_condition_is_needed_unless_blocks_were_left_out() -> None:
    x = torch.zeros(2, 2)
    with pytest.raises(UsageError, match="give y"):
        make((3,)).model.neg_log_prob(x)
    model = make((3,), **{"net.condition_dropout": 0.5}).model
    torch.testing.assert_close(model.energy(x), model.energy(x, torch.zeros(2, 3)))

"""The balance between levels: nothing of a right energy, the slope in sigma of a wrong one; its chains."""

from __future__ import annotations

import math

import pytest
import torch

from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator
from gibbsian.core.records import Batch
from gibbsian.models.build import build
from gibbsian.objectives.noise_levels import balance_error

CHAINS = {"chains": 200, "moves": 1, "gap": 0.3, "stay": 5}


def rows(n=200, d=2):
    x = torch.randn(n, d, generator=generator(3))
    x[:, 0] = 2 * x[:, 0] + 1
    return x


def made(*, silenced=True, weight=1.0, **changes):
    """A learner on a plane, its network silenced: then it is the Gaussian of the rows, at every level."""
    config = {
        "net": {"name": "residual_mlp", "width": 8, "blocks": 1}, "noise": {"sigma_min": 0.1},
        "losses": {"balance": weight}, "balance": CHAINS,
    }  # fmt: skip
    learner = build("noise_energy", config | changes, (2,), 0)
    learner.model.base.fit(rows())
    if silenced:
        with torch.no_grad():
            for p in learner.model.net.parameters():
                p.zero_()
    return learner


def loss_of(learner, step=0, seed=0, batch=None):
    batch = Batch(rows(64)) if batch is None else batch
    ((_, loss),) = learner.losses(batch, step, generator(seed))
    return loss


def balance(learner, times=3):
    """The metric after some updates, by which the share of doubt is known."""
    for k in range(times):
        learner.walkers.share.fill_(1.0)
        found = float(loss_of(learner, seed=k).metrics["balance"])
    return found


def test_a_right_energy_is_in_balance_wherever_chains_are():
    learner = made()
    assert balance(learner) < 1e-3
    learner.walkers.x += 5.0
    assert balance(learner, 1) < 2e-3
    assert loss_of(made(weight=0.0)).metrics.keys().isdisjoint({"balance", "acceptance"})


@pytest.mark.parametrize("offset", [0.5, -2.0])
def test_an_offset_that_grows_with_the_level_is_its_slope(offset):
    learner = made()
    plain = learner.model.energy_at
    learner.model.energy_at = lambda x, sigma, y=None: plain(x, sigma, y) + offset * sigma.log()
    assert balance(learner) == pytest.approx(offset**2 / (4 * 2), rel=0.02)


def test_the_error_by_hand():
    """(3 - 1 + .5) / (2 root 4 * .25) = 2.5, beyond 1.5: twice 1.5 * (2.5 - .75); .2 is squared."""
    u = torch.tensor([3.0, 1.0])
    other, ratio = torch.tensor([1.0, 1.2]), torch.tensor([0.5, 0.0])
    found = balance_error(u, other, ratio, torch.full((2,), 0.25), 4)
    torch.testing.assert_close(found, torch.tensor([5.25, 0.04]))


def test_a_low_energy_off_the_data_is_raised():
    """A hole at (6, 6), which only the least levels have; the other losses never see it."""

    def depth(weight):
        learner = made(weight=weight)
        hole = torch.nn.Parameter(torch.tensor(8.0))
        plain = learner.model.energy_at

        def energy_at(x, sigma, y=None):
            near = (-(x - 6.0).square().sum(1) / 2).exp()
            return plain(x, sigma, y) - hole * near * (sigma < 0.3)

        learner.model.energy_at = energy_at
        adam = torch.optim.Adam([hole], 0.2)
        for k in range(60):
            adam.zero_grad()
            if k == 0:
                loss_of(learner)
            if weight:  # chains that found it
                learner.walkers.x[:50] = 6.0 + 0.3 * torch.randn(50, 2, generator=generator(k))
                learner.walkers.log_sigma[:50] = math.log(0.28)
            loss_of(learner, seed=100 + k).value.backward()
            adam.step()
        return float(hole.detach())

    assert depth(1.0) < 2.0 and depth(0.0) > 5.0


def test_chains_come_down_stay_and_begin_anew():
    learner, batch = made(), Batch(rows(64))
    walkers, model = learner.walkers, learner.model
    seen = []
    for k in range(120):
        x, sigma, told, acceptance = walkers.descend(model, batch.x, None, generator(k))
        assert told is None and 0 <= float(acceptance) <= 1
        if k > 40:
            seen.append(x[(sigma < 0.1001)])
    at_bottom = torch.cat(seen)
    want = rows().T.cov().diagonal() + 0.01
    torch.testing.assert_close(at_bottom.var(0), want, rtol=0.2, atol=0)
    steps = math.ceil(math.log(10 / 0.1) / 0.3)
    share = len(at_bottom) / (79 * 200)
    assert share == pytest.approx(7 / (7 + steps), rel=0.2)  # 6 updates of staying, and the arrival
    walkers.x[0] = torch.nan
    walkers.descend(model, batch.x, None, generator(1))
    assert bool(walkers.x.isfinite().all()) and float(walkers.log_sigma[0]) == pytest.approx(math.log(10.0))


def test_first_chains_begin_at_noised_data():
    learner = made()
    x, sigma, _, _ = learner.walkers.descend(learner.model, torch.full((64, 2), 5.0), None, generator(0))
    near = sigma < 0.5
    assert near.any() and float((x[near] - 5).abs().mean()) < 1.0


def test_what_is_known_of_the_doubt_is_learnt():
    learner = made()
    for k in range(150):
        loss_of(learner, seed=k, batch=Batch(rows(1000)))
    assert float(learner.walkers.share[:12].mean()) == pytest.approx(1.0, abs=0.1)  # the base is the density
    slope = torch.ones(1000, 2)  # sigma grad U of data on a point: all doubt is gone
    for _ in range(150):
        learner.walkers.know(learner.model, torch.full((1000,), 0.5), slope)
    assert float(learner.walkers.share_at(learner.model, torch.tensor([0.5]).log())) < 0.01


def test_balance_waits_until_it_is_settled_and_goes_on_from_a_checkpoint():
    learner = made(settle_at=10, silenced=False)
    assert "balance" not in loss_of(learner, 9).metrics and "balance" in loss_of(learner, 10).metrics
    again = made(settle_at=10, silenced=False)
    again.load_state_dict(learner.state_dict())
    first, second = loss_of(learner, 11, seed=5), loss_of(again, 11, seed=5)
    assert torch.equal(first.value, second.value)
    assert torch.equal(learner.walkers.x, again.walkers.x)
    again.reset_training_state()
    assert not again.walkers.begun


def test_chains_have_the_conditions_of_data():
    net = {"name": "residual_mlp", "width": 8, "blocks": 1, "classes": 3}
    learner = made(net=net)
    y = torch.full((64,), 2)
    loss = loss_of(learner, batch=Batch(rows(64), y))
    told = learner.walkers.told
    assert "balance" in loss.metrics and told.shape == (200, 3)
    assert bool((told[:, :2] == 0).all()) and 0.7 < float(told[:, 2].mean()) <= 1.0


@pytest.mark.parametrize("wrong", [{"chains": 0}, {"near": 0.0}, {"stay": -1}])
def test_settings_that_cannot_be(wrong):
    with pytest.raises(UsageError, match="balance"):
        build("noise_energy", {"net": {"name": "residual_mlp"}, "balance": wrong}, (2,), 0)

"""Noise contrast: its two parts, its normalised density, what it refuses, log Z on a toy against a grid."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

import gibbsian as gb
from experiments.grid import Grid
from gibbsian.core.config import override
from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator
from gibbsian.core.records import Batch
from gibbsian.data.load import load
from gibbsian.data.toy import toy
from gibbsian.mcmc.langevin import Langevin
from gibbsian.mcmc.mala import MALA
from gibbsian.models.build import build
from gibbsian.models.capabilities import Measured, offered
from gibbsian.models.nce.config import NCEConfig, SamplingConfig
from gibbsian.models.sampler import RunOptions

MLP = {"net.name": "mlp", "net.hidden": [8], "flow.hidden": [8], "flow.blocks": 2}
SHIFT = 0.5


def make(**changes):
    return build("nce", override(NCEConfig(), {**MLP, **changes}), (2,), generator(0))


def batch(n=256, seed=0):
    x = torch.randn(n, 2, generator=generator(seed))
    return Batch(x @ torch.tensor([[0.6, 0.0], [0.3, 0.2]]) + 0.5)


@pytest.fixture
def known():
    """q = N(0, I) tilted by net = SHIFT x_1: the model is N(-SHIFT e_1, I), log Z = SHIFT^2 / 2."""
    learner = make(noise_is_base=True, **{"chain.steps": 40, "chain.step_size": 0.5})
    learner.model.net.forward = lambda x: SHIFT * x[:, 0]
    with torch.no_grad():
        learner.log_z.c.fill_(SHIFT**2 / 2)
    return learner.eval()


def measured(learner, x, rng):
    return offered(learner.model, Measured).extra_metrics(x, rng)


def yields(learner, data, step):
    return [(group, loss) for group, loss in learner.losses(data, step, generator(1))]


def test_the_gaussian_is_fitted_first_and_then_stays() -> None:
    learner = make(**{"noise.updates": 3, "noise.ridge": 1e-6})
    assert learner.milestones() == (3,)
    for step in range(3):
        assert yields(learner, batch(seed=step), step) == []
    seen = torch.cat([batch(seed=step).x for step in range(3)])
    groups = [group for group, _ in yields(learner, batch(seed=7), 3)]
    assert groups == ["energy", "log_partition"]
    wanted = torch.distributions.MultivariateNormal(seen.mean(0), torch.cov(seen.T, correction=0))
    x = batch(5, seed=9).x
    torch.testing.assert_close(learner.noise.log_density(x), wanted.log_prob(x), rtol=1e-3, atol=1e-3)
    before = learner.noise.log_density(x)
    yields(learner, batch(seed=8), 4)
    assert torch.equal(learner.noise.log_density(x), before) and int(learner.noise.count) == len(seen)


def test_c_begins_where_data_and_noise_look_alike_and_is_then_left_to_learning() -> None:
    learner, data = make(**{"noise.distribution": "uniform", "noise.widen": 2.0}), batch()
    yields(learner, data, 0)
    h = -learner.model.energy(data.x) - learner.log_z.c - learner.noise.log_density(data.x)
    assert abs(float(h.mean().detach())) < 1e-5
    with torch.no_grad():
        learner.log_z.c.fill_(4.0)
    yields(learner, data, 1)
    assert float(learner.log_z.c.detach()) == 4.0


def test_a_flow_leads_and_then_goes_along() -> None:
    learner = make(**{"noise.distribution": "flow", "noise.updates": 2, "objective": "ranking"})
    assert [g for g, _ in yields(learner, batch(), 0)] == ["noise"]
    assert [g for g, _ in yields(learner, batch(), 2)] == ["noise", "energy"]
    assert set(learner.parameter_groups()) == {"energy", "noise"}
    assert make(**{"noise.distribution": "uniform"}).milestones() == ()


def test_each_loss_trains_its_own_group() -> None:
    learner = make(noise_is_base=True, **{"noise.distribution": "flow", "noise.updates": 0})
    for group, loss in learner.losses(batch(), 0, generator(1)):
        learner.zero_grad()
        loss.value.backward()
        touched = {name.split(".")[1] for name, p in learner.named_parameters() if p.grad is not None}
        assert touched == {{"noise": "noise", "energy": "net", "log_partition": "log_partition"}[group]}
    assert (learner.lr_multiplier("log_partition", 0), learner.lr_multiplier("energy", 0)) == (10.0, 1.0)


@pytest.mark.parametrize("objective", ["binary", "ranking", "conditional"])
def test_a_tilted_noise_is_judged_by_its_whole_energy(objective) -> None:
    """With q as base E is net - log q, of data and of noise: the loss of a network of 0 has log q alone."""
    learner = make(noise_is_base=True, objective=objective, **{"noise.updates": 1})
    learner.model.net.forward = lambda x: SHIFT * x[:, 0]
    data = batch()
    yields(learner, data, 0)
    loss = dict(yields(learner, data, 1))["energy"]
    for x in (data.x, batch(seed=9).x):
        wanted = SHIFT * x[:, 0] - learner.noise.log_density(x)
        torch.testing.assert_close(learner.model.conditioned()(x), wanted)
    whole = float(learner.model.conditioned()(data.x).mean())
    assert float(loss.metrics["energy_pos"]) == pytest.approx(whole, rel=1e-5)
    if objective == "binary":  # log q cancels in h, which is -net - c - log nu
        noise = learner.noise.draw(learner.config.noise.ratio * len(data), generator(1))
        h = [
            -SHIFT * x[:, 0] - learner.log_z.c - math.log(learner.config.noise.ratio) for x in (data.x, noise)
        ]
        told = F.softplus(-h[0]).mean() + learner.config.noise.ratio * F.softplus(h[1]).mean()
        torch.testing.assert_close(loss.value, told.detach())


@pytest.mark.parametrize("sigma", [0.1, 0.7, 3.0])
def test_conditional_noise_has_its_deviation(sigma) -> None:
    """E = x_1^2 at data in 0: of noise sigma eps the mean is sigma^2; 5 standard errors of 2,000 draws."""
    learner = make(objective="conditional", **{"noise.sigma": sigma, "noise.ratio": 2, "noise.updates": 1})
    learner.model.net.forward = lambda x: x[:, 0].square()
    data = Batch(torch.zeros(1000, 2))
    yields(learner, batch(), 0)
    loss = dict(yields(learner, data, 1))["energy"]
    assert abs(float(loss.metrics["energy_neg"]) / sigma**2 - 1) < 5 * math.sqrt(2 / 2000)


def test_neg_log_prob_is_a_normalised_density(known) -> None:
    x = batch(6).x
    truth = torch.distributions.MultivariateNormal(torch.tensor([-SHIFT, 0.0]), torch.eye(2))
    torch.testing.assert_close(known.model.neg_log_prob(x), -truth.log_prob(x))
    assert Grid(-8, 8).log_z(known.model.neg_log_prob) == pytest.approx(0, abs=1e-4)


def test_extra_metrics_are_those_of_the_known_tilt(known) -> None:
    """The likelihood of own draws is -entropy = -1 - log 2 pi; weights have variance exp(SHIFT^2) - 1."""
    x = torch.randn(20_000, 2, generator=generator(5)) - torch.tensor([SHIFT, 0.0])
    found = measured(known, x, generator(1))
    assert found["log_partition"] == pytest.approx(SHIFT**2 / 2)
    sd = math.sqrt((math.exp(SHIFT**2) - 1) / 10_000)
    assert abs(found["log_partition_importance"] - SHIFT**2 / 2) < 5 * sd
    assert abs(found["log_likelihood"] + 1 + math.log(2 * math.pi)) < 5 / math.sqrt(20_000)


def test_without_c_the_likelihood_takes_the_draws() -> None:
    learner = make(noise_is_base=True, objective="ranking")
    learner.model.net.forward = lambda x: 0 * x[:, 0] + 3.0
    x = torch.zeros(4, 2)
    found = measured(learner, x, generator(0))
    assert found == pytest.approx(
        {"log_likelihood": -math.log(2 * math.pi), "log_partition_importance": -3.0}, abs=1e-5
    )
    assert float(learner.model.neg_log_prob(x)[0].detach()) == pytest.approx(3 + math.log(2 * math.pi))


def test_samples_follow_the_model(known) -> None:
    """MALA from draws of q: means of n = 2,000 at z < 5."""
    x = known.model.sample(2000, rng=generator(3)).x
    assert ((x.mean(0) + torch.tensor([SHIFT, 0.0])).abs() * math.sqrt(2000)).max() < 5


def test_chains_are_mala_but_for_bf16() -> None:
    learner = make()
    assert isinstance(next(learner.model.sampler().stages(2, generator(0))).kernel, MALA)
    learner.options = RunOptions("bf16")
    learner.setup(load("toy:ring").take(4))
    assert isinstance(next(learner.model.sampler().stages(2, generator(0))).kernel, Langevin)


def test_data_beyond_the_box_are_refused() -> None:
    with pytest.raises(UsageError, match="beyond the box of the noise"):
        yields(make(**{"noise.distribution": "uniform", "noise.widen": 0.0}), batch(), 0)
    conditional = {"noise.distribution": "uniform", "noise.widen": 0.0, "objective": "conditional"}
    assert yields(make(**conditional), batch(), 0)  # its loss has no q


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"net.classes": 3}, "set net.classes to 0"),
        ({"noise_is_base": True, "noise.distribution": "uniform"}, "on a uniform base"),
        ({"flow.name": "mlp"}, "only a flow has a density"),
        ({"noise.updates": 0}, "needs at least 1 batch"),
        ({"noise.ratio": 0}, "noise.ratio is 0"),
        ({"noise.distribution": "normal"}, "noise.distribution"),
        ({"chain.kernel": "hmc"}, "chain.kernel is 'hmc'"),
        ({"chain.step_size": 0.0}, "chain.step_size is 0"),
        ({"partition_rate": 0.0}, "partition_rate is 0"),
    ],
)
def test_settings_are_checked(changes, words) -> None:
    with pytest.raises(UsageError, match=words):
        make(**changes)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("preset", ["toy", "toy-flow"])
def test_toy_presets_learn_the_density_and_its_log_z(preset: str) -> None:
    model = gb.fit("nce", "toy:ring", preset=preset, progress=False)
    ring, grid = toy("ring"), Grid(-6, 6)
    with torch.no_grad():
        assert abs(float(model.log_partition.c) - grid.log_z(model.conditioned())) < 0.05
        assert abs(grid.log_z(model.neg_log_prob)) < 0.05
        assert grid.kl(lambda x: -ring.log_density(x), model.neg_log_prob) < 0.1


def test_uniform_noise_puts_a_wall_where_the_energy_has_met_nothing() -> None:
    """An energy that falls away from the centre: without the wall chains would leave for good."""
    learner = make(**{"noise.distribution": "uniform", "chain.steps": 300, "chain.step_size": 0.3})
    learner.model.net.forward = lambda x: -x.square().sum(1)
    edge = learner.noise.high
    inside, outside = torch.full((1, 2), 0.99 * edge), torch.full((1, 2), 1.01 * edge)
    model = learner.model.eval()
    assert (
        math.isfinite(float(model.conditioned()(inside))) and float(model.neg_log_prob(outside)) == math.inf
    )
    drawn = model.sample(200, rng=generator(1)).x
    assert float(drawn.abs().max()) <= edge and float(drawn.abs().mean()) > 0.6 * edge
    assert make(**{"noise.distribution": "uniform", "objective": "conditional"}).model.base is None


def test_weights_of_another_run_leave_its_noise_behind() -> None:
    learner, data = make(**{"noise.updates": 1}), batch()
    yields(learner, data, 0), yields(learner, data, 1)
    learner.reset_training_state()
    assert not learner.begun and int(learner.noise.count) == 0
    other = Batch(3 * data.x + 1)
    yields(learner, other, 0), yields(learner, other, 1)
    torch.testing.assert_close(learner.noise.centre, other.x.mean(0))


def test_the_kernel_of_samples_is_one_of_two():
    with pytest.raises(UsageError, match=r"unknown chain\.kernel 'hmc': choose from langevin, mala"):
        SamplingConfig(kernel="hmc")

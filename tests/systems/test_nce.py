"""The NCE system: its two parts, its normalised density, what it refuses, log Z on a toy against a grid."""

from __future__ import annotations

import math

import pytest
import torch

import gibbsian as gb
from gibbsian.core.config import override
from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator
from gibbsian.core.records import Batch
from gibbsian.data.toy import toy
from gibbsian.energies.grid import Grid
from gibbsian.mcmc.langevin import Langevin
from gibbsian.mcmc.mala import MALA
from gibbsian.recipes.nce import NCEConfig
from gibbsian.systems.base import sample
from gibbsian.systems.nce import NCE

MLP = {"net.name": "mlp", "net.hidden": [8], "flow.hidden": [8], "flow.blocks": 2}
SHIFT = 0.5


def make(**changes):
    return NCE(override(NCEConfig(), {**MLP, **changes}), (2,), generator(0))


def batch(n=256, seed=0):
    x = torch.randn(n, 2, generator=generator(seed))
    return Batch(x @ torch.tensor([[0.6, 0.0], [0.3, 0.2]]) + 0.5)


@pytest.fixture
def known():
    """q = N(0, I) tilted by net = SHIFT x_1: the model is N(-SHIFT e_1, I), log Z = SHIFT^2 / 2."""
    system = make(tilt=True, **{"chain.steps": 40, "chain.step_size": 0.5})
    system.net.forward = lambda x: SHIFT * x[:, 0]
    with torch.no_grad():
        system.log_z.c.fill_(SHIFT**2 / 2)
    return system.eval()


def yields(system, data, step):
    return [(group, loss) for group, loss in system.losses(data, step, generator(1))]


def test_the_gaussian_is_fitted_first_and_then_stays() -> None:
    system = make(**{"noise.updates": 3, "noise.ridge": 1e-6})
    assert system.stages() == (3,)
    for step in range(3):
        assert yields(system, batch(seed=step), step) == []
    seen = torch.cat([batch(seed=step).x for step in range(3)])
    groups = [group for group, _ in yields(system, batch(seed=7), 3)]
    assert groups == ["energy", "log_partition"]
    wanted = torch.distributions.MultivariateNormal(seen.mean(0), torch.cov(seen.T, correction=0))
    x = batch(5, seed=9).x
    torch.testing.assert_close(system.noise.log_density(x), wanted.log_prob(x), rtol=1e-3, atol=1e-3)
    before = system.noise.log_density(x)
    yields(system, batch(seed=8), 4)
    assert torch.equal(system.noise.log_density(x), before) and int(system.noise.count) == len(seen)


def test_c_begins_where_data_and_noise_look_alike_and_is_then_left_to_learning() -> None:
    system, data = make(**{"noise.law": "uniform", "noise.widen": 2.0}), batch()
    yields(system, data, 0)
    h = -system.energy(data.x) - system.log_z.c - system.noise.log_density(data.x)
    assert abs(float(h.mean().detach())) < 1e-5
    with torch.no_grad():
        system.log_z.c.fill_(4.0)
    yields(system, data, 1)
    assert float(system.log_z.c.detach()) == 4.0


def test_a_flow_leads_and_then_goes_along() -> None:
    system = make(**{"noise.law": "flow", "noise.updates": 2, "objective": "ranking"})
    assert [g for g, _ in yields(system, batch(), 0)] == ["noise"]
    assert [g for g, _ in yields(system, batch(), 2)] == ["noise", "energy"]
    assert set(system.groups()) == {"energy", "noise"}
    assert make(**{"noise.law": "uniform"}).stages() == ()


def test_each_loss_trains_its_own_group() -> None:
    system = make(tilt=True, **{"noise.law": "flow", "noise.updates": 0})
    for group, loss in system.losses(batch(), 0, generator(1)):
        system.zero_grad()
        loss.value.backward()
        touched = {name.split(".")[0] for name, p in system.named_parameters() if p.grad is not None}
        assert touched == {{"noise": "noise", "energy": "net", "log_partition": "log_z"}[group]}
    assert (system.rate("log_partition", 0), system.rate("energy", 0)) == (10.0, 1.0)


def test_surprisal_is_a_normalised_density(known) -> None:
    x = batch(6).x
    truth = torch.distributions.MultivariateNormal(torch.tensor([-SHIFT, 0.0]), torch.eye(2))
    torch.testing.assert_close(known.surprisal(x), -truth.log_prob(x))
    assert Grid(-8, 8).log_z(known.surprisal) == pytest.approx(0, abs=1e-4)


def test_own_measures_are_those_of_the_known_tilt(known) -> None:
    """The likelihood of own draws is -entropy = -1 - log 2 pi; weights have variance exp(SHIFT^2) - 1."""
    x = torch.randn(20_000, 2, generator=generator(5)) - torch.tensor([SHIFT, 0.0])
    found = known.own_measures(x, generator(1))
    assert found["log_partition"] == pytest.approx(SHIFT**2 / 2)
    sd = math.sqrt((math.exp(SHIFT**2) - 1) / 10_000)
    assert abs(found["log_partition_importance"] - SHIFT**2 / 2) < 5 * sd
    assert abs(found["log_likelihood"] + 1 + math.log(2 * math.pi)) < 5 / math.sqrt(20_000)


def test_without_c_the_likelihood_takes_the_draws() -> None:
    system = make(tilt=True, objective="ranking")
    system.net.forward = lambda x: 0 * x[:, 0] + 3.0
    x = torch.zeros(4, 2)
    found = system.own_measures(x, generator(0))
    assert found == pytest.approx(
        {"log_likelihood": -math.log(2 * math.pi), "log_partition_importance": -3.0}, abs=1e-5
    )
    assert float(system.surprisal(x)[0].detach()) == pytest.approx(3 + math.log(2 * math.pi))


def test_samples_follow_the_model(known) -> None:
    """MALA from draws of q: means of n = 2,000 at z < 5."""
    x = sample(known, 2000, rng=generator(3)).x
    assert ((x.mean(0) + torch.tensor([SHIFT, 0.0])).abs() * math.sqrt(2000)).max() < 5


def test_chains_are_mala_but_for_bf16() -> None:
    system = make()
    assert isinstance(next(system.plan(2, generator(0))).kernel, MALA)
    system.precision = "bf16"
    assert isinstance(next(system.plan(2, generator(0))).kernel, Langevin)


def test_data_beyond_the_box_are_refused() -> None:
    with pytest.raises(UsageError, match="beyond the box of the noise"):
        yields(make(**{"noise.law": "uniform", "noise.widen": 0.0}), batch(), 0)
    conditional = {"noise.law": "uniform", "noise.widen": 0.0, "objective": "conditional"}
    assert yields(make(**conditional), batch(), 0)  # its loss has no q


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"net.classes": 3}, "set net.classes to 0"),
        ({"tilt": True, "noise.law": "uniform"}, "tilt of a uniform law"),
        ({"flow.name": "mlp"}, "only a flow has a density"),
        ({"noise.updates": 0}, "needs at least 1 batch"),
        ({"noise.ratio": 0}, "noise.ratio is 0"),
        ({"noise.law": "normal"}, "noise.law"),
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
    system = gb.fit("nce", "toy:ring", preset=preset, progress=False)
    ring, grid = toy("ring"), Grid(-6, 6)
    with torch.no_grad():
        assert abs(float(system.log_z.c) - grid.log_z(system.energy)) < 0.05
        assert abs(grid.log_z(system.surprisal)) < 0.05
        assert grid.kl(lambda x: -ring.log_density(x), system.surprisal) < 0.1


def test_uniform_noise_puts_a_wall_where_the_energy_has_met_nothing() -> None:
    """An energy that falls away from the centre: without the wall chains would leave for good."""
    system = make(**{"noise.law": "uniform", "chain.steps": 300, "chain.step_size": 0.3})
    system.net.forward = lambda x: -x.square().sum(1)
    edge = system.noise.high
    inside, outside = torch.full((1, 2), 0.99 * edge), torch.full((1, 2), 1.01 * edge)
    assert math.isfinite(float(system.energy(inside))) and float(system.surprisal(outside)) == math.inf
    drawn = sample(system.eval(), 200, rng=generator(1)).x
    assert float(drawn.abs().max()) <= edge and float(drawn.abs().mean()) > 0.6 * edge
    assert make(**{"noise.law": "uniform", "objective": "conditional"}).wall is None


def test_weights_of_another_run_leave_its_noise_behind() -> None:
    system, data = make(**{"noise.updates": 1}), batch()
    yields(system, data, 0), yields(system, data, 1)
    system.begin_anew()
    assert not system.begun and int(system.noise.count) == 0
    other = Batch(3 * data.x + 1)
    yields(system, other, 0), yields(system, other, 1)
    torch.testing.assert_close(system.noise.centre, other.x.mean(0))

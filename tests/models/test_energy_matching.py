"""Energy matching: its two phases, its rising temperature, and the density that it ends with."""

from __future__ import annotations

import pytest
import torch

from experiments.grid import Grid
from gibbsian.core.config import override
from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator
from gibbsian.core.records import Batch
from gibbsian.data.load import load
from gibbsian.data.toy import toy
from gibbsian.mcmc import Heun
from gibbsian.models.energy_matching.config import EnergyMatchingConfig
from gibbsian.models.energy_matching.learner import EnergyMatching, Rising, build, training_kernel
from gibbsian.objectives.flow import flow_loss, transported
from gibbsian.train.fit import finished, prepare
from gibbsian.train.recipes import presets, resolve

X = torch.randn((8, 2), generator=generator(0))


def make(**changes: object) -> EnergyMatching:
    changes = {
        **{"net.name": "mlp", "net.hidden": [8], "flow.updates": 2, "contrast.steps": 3},
        **changes,
    }
    return build(override(EnergyMatchingConfig(), changes), (2,), generator(0))


def one(learner: EnergyMatching, step: int):
    return next(iter(learner.losses(Batch(X), step, generator(1))))[1]


def test_the_temperature_is_0_then_rises_to_epsilon_at_time_1() -> None:
    rising = Rising(epsilon=0.2, cutoff=0.5, dt=0.1)
    assert [rising(k) for k in (0, 5)] == [0.0, 0.0]
    assert rising(6) == pytest.approx(0.04) and rising(8) == pytest.approx(0.12)
    assert rising(10) == rising(40) == pytest.approx(0.2)


def test_a_cutoff_of_1_is_a_jump() -> None:
    rising = Rising(epsilon=0.2, cutoff=1.0, dt=0.1)
    assert [rising(k) for k in (0, 9, 10, 11)] == [0.0, 0.0, 0.2, 0.2]


def test_weights_of_another_run_are_no_density_yet() -> None:
    learner = make(**{"contrast.weight": 1.0, "flow.weight": 0.0})
    learner.model.claims_density = True
    learner.setup(None)
    assert not learner.model.claims_density


def test_the_flow_comes_first_and_the_contrast_joins_it() -> None:
    learner = make()
    assert learner.milestones() == (2,)
    assert "energy_gap" not in one(learner, 1).metrics
    assert {"flow", "energy_gap"} <= set(one(learner, 2).metrics)
    assert "flow" not in one(make(**{"flow.weight": 0.0}), 2).metrics
    assert "energy_gap" not in one(make(**{"contrast.weight": 0.0}), 9).metrics


def test_the_contrast_is_weighted_bounded_and_trimmed() -> None:
    changes = {"flow.weight": 0.0, "contrast.weight": 0.5}
    loss = one(make(**changes), 5)
    assert float(loss.value.detach()) == pytest.approx(0.5 * float(loss.metrics["energy_gap"]), rel=1e-5)
    learner = make(**{**changes, "contrast.weight": 100.0, "contrast.floor": 1e-6})
    learner.model.net.forward = lambda x: (
        10 * x.square().sum(1)
    )  # chains from noise fall in, data stay outside
    assert float(one(learner, 5).value) >= -1e-6
    trimmed = make(**{"contrast.trim": 0.25})._trimmed(torch.tensor([4.0, 1.0, 3.0, 2.0]))
    assert trimmed.tolist() == [1.0, 2.0, 3.0]


def test_training_chains_are_constant_at_data_and_rising_from_noise() -> None:
    config = make().config
    assert training_kernel(config, "constant").at(0).temperature == config.contrast.epsilon
    ramp = training_kernel(config, "ramp")
    assert ramp.temperature_schedule is not None and ramp.at(0).temperature == 0.0
    assert ramp.at(0).step_size == 2 * config.contrast.dt


@pytest.mark.parametrize(("dt", "other"), [(0.05, 0.02), (0.02, 0.05), (0.1, 0.01)])
def test_each_ramp_rises_in_the_time_of_its_own_chain(dt, other) -> None:
    """Half way from the cutoff to time 1 the temperature is half of epsilon."""
    step = round(0.8 / dt)
    train = make(**{"contrast.dt": dt, "flow.dt": other, "contrast.cutoff": 0.6}).config
    kernel = training_kernel(train, "ramp")
    sampling = make(**{"contrast.dt": other, "flow.dt": dt, "contrast.cutoff": 0.6}).model
    for ramp in (kernel, sampling.sampler("langevin").kernel):
        assert ramp.at(0).temperature == 0 and ramp.at(0).step_size == 2 * dt
        assert ramp.at(step).temperature == pytest.approx(train.contrast.epsilon / 2)
        assert ramp.at(round(1 / dt) + 1).temperature == train.contrast.epsilon


@pytest.mark.parametrize("blur", [0.001, 0.1, 10.0])
def test_pairs_are_coupled_at_its_blur(blur) -> None:
    learner, rng = make(**{"flow.blur": blur}), generator(1)
    x_0 = learner.noise.draw(len(X), rng).position
    x_1 = transported(x_0, X, rng, blur=blur)
    wanted = flow_loss(learner.model.energy, x_0, x_1, torch.rand(len(X), generator=rng))
    torch.testing.assert_close(one(learner, 0).value, wanted.value)


def test_the_papers_numbers() -> None:
    recipe = presets("energy_matching")["cifar10-paper"]
    flow, contrast, train = recipe.model.flow, recipe.model.contrast, recipe.train
    assert (flow.blur, flow.updates, flow.weight, flow.time, flow.dt) == (0.001, 145_000, 1, 3.25, 0.01)
    assert (contrast.epsilon, contrast.cutoff, contrast.weight, contrast.floor) == (0.01, 1, 1e-3, 0.02)
    assert (contrast.trim, contrast.steps, contrast.dt, contrast.clamp) == (0.1, 200, 0.01, True)
    assert (train.lr, train.beta1, train.beta2, train.batch_size) == (1.2e-3, 0.9, 0.95, 512)


@pytest.mark.parametrize("weight", [0.25, 1.0, 3.0])
def test_the_flow_is_weighed_beside_the_contrast(weight) -> None:
    changes = {"contrast.weight": 0.5, "contrast.floor": 0.0}
    loss = one(make(**{**changes, "flow.weight": weight}), 5)
    wanted = 0.5 * loss.metrics["energy_gap"] + weight * loss.metrics["flow"]
    torch.testing.assert_close(loss.value.detach(), wanted)
    alone = one(make(**{**changes, "contrast.weight": 0.0, "flow.weight": weight}), 5)
    assert float(alone.value.detach()) == pytest.approx(float(alone.metrics["flow"]))


@pytest.mark.parametrize("epsilon", [0.01, 0.1, 2.0])
def test_its_density_is_at_temperature_epsilon(epsilon) -> None:
    model = make(**{"contrast.epsilon": epsilon}).model
    torch.testing.assert_close(model.neg_log_prob(X), model.net(X) / epsilon)


@pytest.mark.parametrize(
    ("changes", "claimed"),
    [
        ({}, True),
        ({"flow.weight": 1.0}, False),
        ({"contrast.steps": 100}, False),
        ({"contrast.data_chains": "ramp"}, False),
        ({"contrast.clamp": True}, False),
        ({"contrast.weight": 0.0}, False),
        ({"contrast.trim": 0.1}, False),
        ({"contrast.floor": 0.02}, False),
    ],
)
def test_a_density_is_claimed_only_where_chains_keep_it(changes: dict, claimed: bool) -> None:
    learner = make(**{"flow.weight": 0.0, "contrast.steps": 200, **changes})
    one(learner, 1)
    assert not learner.model.claims_density  # the flow alone is no density
    one(learner, 2)
    assert learner.model.claims_density is claimed
    assert learner.model.temperature == learner.config.contrast.epsilon


def test_a_batch_of_one_row_is_refused() -> None:
    with pytest.raises(UsageError, match="no half: raise train.batch_size"):
        next(iter(make().losses(Batch(X[:1]), 5, generator(1))))


def test_both_ways_to_sample() -> None:
    learner = make()
    stage = next(learner.model.sampler().stages(3, generator(0)))
    assert isinstance(stage.kernel, Heun) and stage.steps == 50
    other = next(learner.model.sampler("langevin").stages(3, generator(0), steps=7))
    assert other.kernel.temperature_schedule is not None and other.steps == 7
    assert set(make(**{"flow.sampler": "langevin"}).model.samplers) == {"default", "heun"}
    x = torch.ones(3, 2)
    for sampler in learner.model.samplers.values():
        chain = sampler.from_data(x, generator(0))
        assert torch.equal(chain.position, x) and chain.kernel == training_kernel(learner.config, "constant")
        assert sampler.temperature == learner.config.contrast.epsilon


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"net.classes": 3}, "unconditional"),
        ({"net.activation": "relu"}, "net.activation is relu"),
        ({"contrast.cutoff": 1.1}, "contrast.cutoff is 1.1"),
        ({"contrast.trim": 1.0}, "trim 1.0: .* second in"),
        ({"flow.dt": 2.0}, "must fit"),
        ({"contrast.epsilon": 0.0}, "contrast.epsilon"),
    ],
)
def test_bad_settings_are_one_line(changes: dict, words: str) -> None:
    with pytest.raises(UsageError, match=words) as error:
        make(**changes)
    assert "\n" not in str(error.value)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_density_of_eight_gaussians_comes_out_within_a_kl_of_05() -> None:
    config = resolve("energy_matching", data="toy:ring", changes={"train.sample_every": 0})
    made = prepare(config, load("toy:ring"))
    made.trainer.fit(progress=False)
    model, density = finished(made.trainer), toy("ring")
    grid = Grid(-4, 4, 200)
    with torch.no_grad():
        assert grid.kl(lambda x: -density.log_density(x.double()).float(), model.neg_log_prob) < 0.05

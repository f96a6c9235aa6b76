"""Rollouts of models whose steps are known: paths, whole paths, goals, measures, what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import gibbsian as gb
from gibbsian.core.errors import GibbsianError
from gibbsian.core.random import generator
from gibbsian.core.spec import DataSpec
from gibbsian.models.chain_sampler import ChainSampler
from gibbsian.models.net_energy import NetEnergy
from gibbsian.models.snl.config import SNLConfig
from gibbsian.tasks.rollout.joint import PathEnergy, towards
from gibbsian.tasks.rollout.measure import Windows, compare
from gibbsian.tasks.rollout.steps import sequential, steps_of

RNG = np.random.default_rng(0)
WALKS = [0.5 * RNG.normal(size=(30, 2)).cumsum(0) + [3, -1] for _ in range(10)]
ACTS = [RNG.normal(size=(30, 1)) for _ in WALKS]


class Steps(nn.Module):
    """E(x, c) of standardised steps N(0, 1), whatever the condition."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Parameter(torch.ones(()))

    def forward(self, x, c):
        return self.one * x.square().sum(1) / 2


def walker(data) -> NetEnergy:
    made = data.transitions
    spec = DataSpec((made.size,), -4, 4, condition=(made.width,))
    model = NetEnergy(Steps(), spec)
    start = gb.GaussianNoise((made.size,))
    model.samplers["default"] = ChainSampler(model, gb.MALA(0.5), 5, start)
    return model


KINDS = {
    "plain": lambda split: gb.transitions(WALKS, split=split, memory=False),
    "memory": lambda split: gb.transitions(WALKS, split=split, memory=True),
    "actions": lambda split: gb.transitions(WALKS, ACTS, split=split, memory=False),
}
kinds = pytest.mark.parametrize("kind", KINDS)


@kinds
def test_paths_begin_at_the_state_and_spread_as_the_steps_do(kind) -> None:
    data = KINDS[kind]("test")
    made = data.transitions
    found = gb.rollout(walker(data), data, start=3, n=3000, horizon=4)
    i, t = made.place(3)
    assert found.paths.shape == (3000, 5, 2) and torch.equal(found.paths[0, 0], made.states[i][t])
    assert torch.equal(found.true, made.states[i][t : t + 5])
    moved = (found.paths[:, -1] - found.paths[:, 0] - 4 * made.step.shift) / made.step.scale
    assert float(moved.mean().abs()) < 0.15 and float(moved.std()) == pytest.approx(2, rel=0.05)
    assert found.to_dict()["outside"] < 1 and "futures" in found.text()


@kinds
def test_conditions_are_of_the_present_and_of_what_is_done(kind) -> None:
    """A draw that hands its condition back shows what it was given at every step."""
    data = KINDS[kind]("all")
    made, seen = data.transitions, []

    def draw(c, rng):
        seen.append(c)
        return torch.ones(len(c), 2)

    windows = Windows.of(made, 4, 3)
    paths = sequential(draw, made, windows.past, 3, generator(0), windows.actions)
    assert torch.equal(paths[:, 0], windows.true[:, 0])
    for t, c in enumerate(seen):
        before = paths[:, t - 1] if t else windows.past[:, -2 if made.lag > 1 else -1]
        past = torch.stack([before, paths[:, t]], 1)[:, -made.lag :]
        done = None if windows.actions is None else windows.actions[:, t]
        torch.testing.assert_close(c, made.condition(past, done))


@kinds
def test_the_energy_of_a_path_is_the_sum_of_its_steps(kind) -> None:
    data = KINDS[kind]("all")
    made, model = data.transitions, walker(data)
    model.net.forward = lambda x, c: x.square().sum(1) + (c * torch.arange(c.shape[1])).sum(1)
    windows = Windows.of(made, 5, 6)
    wanted = torch.zeros(5)
    path = torch.cat([windows.past[:, :-1], windows.true], 1)
    for t in range(6):
        past = path[:, t : t + made.lag]
        x = made.step.standardised(path[:, t + made.lag] - path[:, t + made.lag - 1])
        done = None if windows.actions is None else windows.actions[:, t]
        wanted += model.neg_log_prob(x, made.condition(past, done)).detach()
    for goal in (None, windows.true[:, -1]):
        energy = PathEnergy(model, made, windows.past, windows.actions, goal)
        z = energy.free(windows.true)
        assert z.shape[1] == (6 if goal is None else 5)
        torch.testing.assert_close(energy(z).detach(), wanted, rtol=1e-4, atol=1e-3)
        torch.testing.assert_close(energy.rows(slice(1, 3))(z[1:3]), energy(z)[1:3])
        torch.testing.assert_close(energy.path(z), path, rtol=1e-4, atol=1e-4)


def test_whole_paths_towards_a_goal_are_a_bridge() -> None:
    """Of Gaussian steps: the middle of a path of 4 has the mean of its ends and the variance of one step."""
    data = KINDS["plain"]("test")
    made = data.transitions
    start = made.states[0][0]
    goal = start + 3 * made.step.scale
    found = gb.rollout(walker(data), data, start=start, goal=goal, n=600, horizon=4, steps=400)
    torch.testing.assert_close(found.paths[:, -1], goal.expand(600, 2), rtol=1e-4, atol=1e-4)
    middle = (found.paths[:, 2] - start) / made.step.scale
    assert float((middle.mean(0) - 1.5).abs().max()) < 0.25
    assert float(middle.var(0).mean()) == pytest.approx(1, rel=0.25)
    assert 0.3 < found.about["acceptance"] <= 1 and found.about["joint"]


def test_whole_paths_without_a_goal_spread_as_sequential_ones() -> None:
    data = KINDS["memory"]("test")
    found = gb.rollout(walker(data), data, n=500, horizon=3, joint=True, steps=200)
    made = data.transitions
    moved = (found.paths[:, -1] - found.paths[:, 0] - 3 * made.step.shift) / made.step.scale
    assert float(moved.std()) == pytest.approx(3**0.5, rel=0.15)


@pytest.mark.parametrize("n", [1, 3, 7])
def test_the_nearest_paths_are_led_to_the_goal(n) -> None:
    paths = torch.arange(8.0)[:, None, None] * torch.linspace(0, 1, 5)[None, :, None]
    found = towards(paths, torch.tensor([3.0]), n, torch.ones(1))
    assert found.shape == (n, 5, 1) and bool((found[:, -1] == 3).all()) and bool((found[:, 0] == 0).all())
    assert torch.equal(found[0], paths[3])


def test_near_begins_at_no_step_and_within_keeps_the_range() -> None:
    data = KINDS["plain"]("test")
    made, model = data.transitions, walker(data)
    c = torch.zeros(50, 2)
    still = steps_of(model, made, steps=1, near=0.0)
    model.samplers["default"].kernel = gb.MALA(1e-8)
    wanted = made.step.standardised(torch.zeros(2)).expand(50, 2)
    torch.testing.assert_close(still(c, generator(0)), wanted, atol=1e-3, rtol=0)
    away = sequential(lambda c, rng: torch.full((len(c), 2), 9.0), made, made.states[0][None, :1], 20,
                      generator(0), within=True)  # fmt: skip
    assert torch.equal(away[0, -1], made.high)


def test_measures_of_the_truth_are_those_of_the_truth() -> None:
    """Drawing the true steps again gives distance 0 and the share outside of the data themselves."""
    made = gb.transitions(WALKS, split="test", memory=False).transitions
    windows = Windows.of(made, 12, 5)
    steps = iter([*made.step.standardised(windows.true.diff(dim=1)).unbind(1)] * 2)
    found = compare(lambda c, rng: next(steps), made, torch.cat(made.states), 12, 5, generator(0))
    assert max(found["steps"]["frechet"]) < 1e-5 and max(found["steps"]["score"]) < 1e-5
    assert found["shares"]["outside"] == pytest.approx(found["shares"]["outside_true"], abs=0.05)
    assert found["windows"] == 12 and len(found["steps"]["floor"]) == 5


def test_measures_of_a_model_and_its_nats() -> None:
    """Standard normal steps against the walk's own: nats of a Gaussian; the mass of a proposal alone is 1."""
    data = KINDS["plain"]("test")
    learner = gb.build("snl", {"net": {"name": "mlp", "hidden": [4], "condition": [2]}}, (2,))
    learner.model.net.forward = lambda x, c: 0 * x[:, 0]
    found = gb.measure_rollouts(learner.model, data, n=20, horizon=5, steps=3)
    x, _ = data.transitions.rows()
    wanted = float(0.5 * x.square().sum(1).mean()) + np.log(2 * np.pi)
    assert found.nats.estimate == pytest.approx(wanted, rel=1e-4) and found.mass.estimate == pytest.approx(1)
    assert "test part" in found.text() and "nats a step" in found.text()
    assert "train part" in gb.measure_rollouts(learner.model, KINDS["plain"]("train"), n=2, horizon=2).text()
    assert found.to_dict()["per_step"]["score"][0] > 0
    assert gb.measure_rollouts(walker(data), data, n=10, horizon=3).nats is None
    assert SNLConfig().claims_density


def test_pictures_of_one_two_and_more_coordinates() -> None:
    pytest.importorskip("matplotlib")
    for d in (1, 2, 5):
        paths = [RNG.normal(size=(12, d)).cumsum(0) for _ in range(4)]
        data = gb.transitions(paths, split="test", memory=False)
        figure = gb.rollout(walker(data), data, n=3, horizon=4, goal=paths[0][5]).figure()
        assert len(figure.axes) == (1 if d == 1 else 2)


DATA = gb.transitions(WALKS, split="test", memory=False)
ACTED = gb.transitions(WALKS, ACTS, split="test", memory=False)
BAD = {
    "row": (DATA, {"start": 58}, "has rows 0 to 57"),
    "negative row": (DATA, {"start": -1}, "has rows 0 to 57"),
    "state": (DATA, {"start": torch.zeros(3)}, "a state here is 2 finite numbers"),
    "words": (DATA, {"start": [["a"]]}, "no row of numbers"),
    "file": (DATA, {"start": "nowhere.csv"}, "cannot be read as a state"),
    "goal": (DATA, {"goal": torch.zeros(1)}, "goal has shape"),
    "goal row": (DATA, {"goal": 1000}, "goal 1000"),
    "horizon": (DATA, {"horizon": 0}, "horizon"),
    "n": (DATA, {"n": 0}, "n is 0"),
    "near": (DATA, {"near": -1.0}, "near is -1"),
    "no actions": (ACTED, {"start": torch.zeros(2)}, "give actions of 50 steps"),
    "few actions": (ACTED, {"start": 0}, "smaller horizon"),
    "wrong actions": (ACTED, {"start": 0, "actions": np.zeros((50, 2))}, "one a step"),
    "actions of none": (DATA, {"actions": np.zeros((50, 1))}, "leave actions out"),
    "no data": (None, {}, "name its transitions"),
    "other data": (gb.from_arrays(np.zeros((4, 2))), {}, "holds no transitions"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_is_one_line(name) -> None:
    data, how, words = BAD[name]
    model = walker(DATA if name in ("no data", "other data") else data)
    with pytest.raises(GibbsianError, match=words) as caught:
        gb.rollout(model, data, **how)
    assert "\n" not in str(caught.value)


def test_models_of_other_transitions_are_refused() -> None:
    with pytest.raises(GibbsianError, match="this model takes steps"):
        gb.rollout(walker(ACTED), DATA)
    with pytest.raises(GibbsianError, match="longest held-out episode has 29 steps"):
        gb.measure_rollouts(walker(DATA), DATA, horizon=50)

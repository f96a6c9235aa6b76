"""Recovery likelihood on Gaussian data, whose conditionals are known at every level."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from gibbsian.core.config import override
from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator
from gibbsian.core.records import Batch
from gibbsian.mcmc import MALA, run
from gibbsian.models.drl import learner as module
from gibbsian.models.drl.config import DRLConfig
from gibbsian.models.drl.learner import DRL, build
from gibbsian.models.drl.model import Descent

MEAN, SPREAD = 0.4, 0.7
CHAINS = 4000


def make(**changes: object) -> DRL:
    changes = {"net.name": "mlp", "net.hidden": [8], "ladder.steps": 2, **changes}
    return build(override(DRLConfig(), changes), (2,), generator(0))


def marginal(learner: DRL, level: int) -> tuple[float, float]:
    """Mean and variance of x_t for data N(MEAN, SPREAD^2)."""
    bar = learner.model.ladder.sigma_bar[level]
    return math.sqrt(1 - bar**2) * MEAN, (1 - bar**2) * SPREAD**2 + bar**2


def exact(learner: DRL) -> DRL:
    """The learner with b_t^2 times -log p(y_t) as its network."""

    def energy(y: Tensor, level: Tensor) -> Tensor:
        out = []
        for row, t in zip(y, level.tolist(), strict=True):
            a, b2 = learner.model.numbers[t].factor, learner.model.numbers[t].b2
            mean, variance = marginal(learner, t)
            out.append(b2 * (row - a * mean).square().sum() / (2 * a**2 * variance))
        return torch.stack(out)

    learner.model.net.forward = energy
    return learner


def recovered(learner: DRL, x_next: float, level: int) -> tuple[float, float]:
    """Mean and variance of x_t given x_{t+1}; the last level's is the marginal."""
    mean, variance = marginal(learner, level)
    if level == learner.model.ladder.levels - 1:
        return mean, variance
    a, sigma = learner.model.ladder.a[level + 1], learner.model.ladder.sigma[level + 1]
    precision = 1 / variance + a**2 / sigma**2
    return (mean / variance + a * x_next / sigma**2) / precision, 1 / precision


class Quadratic(torch.nn.Module):
    """The exact energy of one level, quick for many chains."""

    def __init__(self, learner: DRL, level: int) -> None:
        super().__init__()
        a = learner.model.numbers[level].factor
        mean, variance = marginal(learner, level)
        self.centre, self.scale = a * mean, learner.model.numbers[level].b2 / (2 * a**2 * variance)

    def forward(self, y: Tensor, level: Tensor) -> Tensor:
        return self.scale * (y - self.centre).square().sum(1)


@pytest.mark.parametrize("level", range(6))
def test_the_exact_energy_keeps_the_conditional_at_every_level(level: int) -> None:
    """MALA from exact draws; bounds of z < 5 on four moments: false alarms below 3e-6 a level."""
    learner, rng = make(), generator(level)
    learner.model.net = Quadratic(learner, level)
    x_next = 0.9
    mean, variance = recovered(learner, x_next, level)
    start = mean + math.sqrt(variance) * torch.randn(CHAINS, 2, generator=rng)
    energy = learner.model.conditional(torch.full((1, 2), x_next), level)
    end = run(MALA(0.8 * variance), energy, start, steps=30, rng=rng).position
    assert not torch.equal(end, start)
    error = (end - mean) / math.sqrt(variance)
    assert float((error.mean(0) * math.sqrt(CHAINS)).abs().max()) < 5
    assert float(((error.square().mean(0) - 1) * math.sqrt(CHAINS / 2)).abs().max()) < 5


def test_the_chain_moves_by_b2_in_y_and_training_by_1_in_units_of_b() -> None:
    model = make().model
    for t, (factor, b2) in enumerate((of.factor, of.b2) for of in model.numbers):
        assert model.kernel(t).step_size * factor**2 == pytest.approx(b2)
    assert model.numbers[-1].factor == 1.0 and model.numbers[-1].tether == 0.0
    assert model.kernel(2, noise=0.99).temperature == pytest.approx(0.99**2)


def test_neighbours_lie_on_one_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """x_{t+1} - a x_t has the deviation sigma_{t+1}, as it has not for pairs drawn apart.

    The variance of 8,000 numbers: z < 5, false alarms below 6e-7 a level.
    """
    learner, rng = make(), generator(3)
    x = torch.full((4000, 2), MEAN)
    for t in range(6):
        x_t = learner.model.noised(x, t, rng)
        signal = math.sqrt(1 - learner.model.ladder.sigma_bar[t] ** 2)
        error = (x_t - signal * x) / learner.model.ladder.sigma_bar[t]
        assert abs(float(error.square().mean()) - 1) < 5 * math.sqrt(2 / 8000)
    seen = watch(learner, x, monkeypatch)
    for t in range(6):
        rows = seen["level"] == t
        gap = (seen["x_next"] - learner.model.ladder.a[t + 1] * seen["x_t"])[
            rows
        ] / learner.model.ladder.sigma[t + 1]
        assert abs(float(gap.square().mean()) - 1) < 5 * math.sqrt(2 / gap.numel())


def watch(learner: DRL, x: Tensor, monkeypatch: pytest.MonkeyPatch) -> dict[str, Tensor]:
    """Levels, x_t and x_{t+1} of one update."""
    seen: dict[str, Tensor] = {}
    noised, chains = learner.model.noised, module.chain_ends

    def keep_clean(data: Tensor, level: Tensor, rng: torch.Generator) -> Tensor:
        seen["level"], seen["x_t"] = level, noised(data, level, rng)
        return seen["x_t"]

    def keep_noisy(*arguments, energy, **more):  # noqa: ANN202
        seen["x_next"] = energy.centre
        return chains(*arguments, energy=energy, **more)

    monkeypatch.setattr(learner.model, "noised", keep_clean)
    monkeypatch.setattr(module, "chain_ends", keep_noisy)
    next(iter(learner.losses(Batch(x), 0, generator(4))))
    return seen


def test_loss_weights_and_data_enter_as_in_the_paper() -> None:
    """With E(y, t) = sum y the loss is the weighted difference of sums: chains then drift by -K / 2 each."""
    learner = make(**{"ladder.steps": 1})
    learner.model.net.forward = lambda y, level: y.sum(1)
    loss = next(iter(learner.losses(Batch(torch.zeros(64, 2)), 0, generator(5))))[1]
    assert set(loss.metrics) >= {"energy_gap", "value_function", "drift", "redrawn"}
    # Negatives have moved by -1/2 a coordinate (b^2 / 2 times the slope 1 / b^2), so the gap is positive.
    assert float(loss.metrics["energy_gap"]) > 0.1


@pytest.mark.parametrize("levels", [2, 4, 6])
def test_each_level_has_its_weight_in_the_loss(levels) -> None:
    """An energy of 1 everywhere leaves the mean weight of the levels drawn."""
    learner = make(**{"ladder.levels": levels})
    learner.model.net.forward = lambda y, level: 1 + 0 * y.sum(1)
    loss = next(iter(learner.losses(Batch(torch.zeros(64, 2)), 0, generator(5))))[1]
    drawn = torch.randint(levels, (64,), generator=generator(5))
    weights = torch.tensor(learner.model.ladder.weights)
    assert weights[0] > weights[-1] and len(drawn.unique()) == levels
    assert float(loss.metrics["energy_pos"]) == pytest.approx(float(weights[drawn].mean()))
    assert float(loss.metrics["energy_neg"]) == pytest.approx(float(weights[drawn].mean()))


def test_sampling_goes_down_from_any_level() -> None:
    learner = exact(make(**{"ladder.steps": 1, "ladder.noise_factor": 1.0}))
    drawn = learner.model.sample(3, rng=generator(6))
    assert len(drawn.chains) == 6
    x, config = torch.zeros(3, 2), learner.config.ladder
    from_two = learner.model.sample(3, rng=generator(6), sampler=Descent(learner.model, config, x, 2))
    assert len(from_two.chains) == 2 and from_two.x.shape == (3, 2)
    with pytest.raises(UsageError, match="2 chains from 3 rows"):
        learner.model.sample(3, sampler=Descent(learner.model, config, x, 2), chunk=2)
    with pytest.raises(UsageError, match="level is 7"):
        Descent(learner.model, config, x, 7)


def test_every_chain_begins_at_y_equal_to_its_noisier_neighbour() -> None:
    """As in training: a chain begun at x = x_next has y = a x_next, and K steps do not forget it."""
    learner, x = make(), torch.ones(2, 2)
    for t in range(6):
        stage = next(Descent(learner.model, learner.config.ladder, x, t + 1).stages(2, generator(0)))
        torch.testing.assert_close(learner.model.numbers[t].factor * stage.position, x)
        torch.testing.assert_close(stage.energy.centre, x)


def test_neg_log_prob_is_that_of_the_cleanest_marginal() -> None:
    """-log density of N(MEAN, SPREAD^2) blurred by .01, up to a constant."""
    learner = exact(make())
    x = torch.tensor([[0.0, 0.0], [1.0, -1.0]])
    mean, variance = marginal(learner, 0)
    wanted = (x - mean).square().sum(1) / (2 * variance)
    torch.testing.assert_close(learner.model.neg_log_prob(x), wanted, rtol=1e-4, atol=1e-4)
    assert not learner.model.claims_density and learner.model.temperature == learner.model.numbers[0].b2


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"net.classes": 3}, "unconditional"),
        ({"net.classes": 2, "net.head": "logits"}, "unconditional"),
        ({"ladder.levels": 1}, "ladder.levels is 1"),
        ({"ladder.steps": 0}, "ladder.steps"),
        ({"ladder.noise_factor": -1.0}, "noise_factor"),
    ],
)
def test_bad_settings_are_one_line(changes: dict, words: str) -> None:
    with pytest.raises(UsageError, match=words) as error:
        make(**changes)
    assert "\n" not in str(error.value)

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
from gibbsian.recipes.drl import DRLConfig
from gibbsian.systems import drl
from gibbsian.systems.base import sample
from gibbsian.systems.drl import DRL

MEAN, SPREAD = 0.4, 0.7
CHAINS = 4000


def make(**changes: object) -> DRL:
    changes = {"net.name": "mlp", "net.hidden": [8], "ladder.steps": 2, **changes}
    return DRL(override(DRLConfig(), changes), (2,), generator(0))


def marginal(system: DRL, level: int) -> tuple[float, float]:
    """Mean and variance of x_t for data N(MEAN, SPREAD^2)."""
    bar = system.ladder.sigma_bar[level]
    return math.sqrt(1 - bar**2) * MEAN, (1 - bar**2) * SPREAD**2 + bar**2


def exact(system: DRL) -> DRL:
    """The system with b_t^2 times -log p(y_t) as its network."""

    def energy(y: Tensor, level: Tensor) -> Tensor:
        out = []
        for row, t in zip(y, level.tolist(), strict=True):
            a, b2 = system.constants["factor"][t], system.constants["b2"][t]
            mean, variance = marginal(system, t)
            out.append(b2 * (row - a * mean).square().sum() / (2 * a**2 * variance))
        return torch.stack(out)

    system.net.forward = energy
    return system


def recovered(system: DRL, x_next: float, level: int) -> tuple[float, float]:
    """Mean and variance of x_t given x_{t+1}; the last level's is the marginal."""
    mean, variance = marginal(system, level)
    if level == system.ladder.levels - 1:
        return mean, variance
    a, sigma = system.ladder.a[level + 1], system.ladder.sigma[level + 1]
    precision = 1 / variance + a**2 / sigma**2
    return (mean / variance + a * x_next / sigma**2) / precision, 1 / precision


class Quadratic(torch.nn.Module):
    """The exact energy of one level, quick for many chains."""

    def __init__(self, system: DRL, level: int) -> None:
        super().__init__()
        a = system.constants["factor"][level]
        mean, variance = marginal(system, level)
        self.centre, self.scale = a * mean, system.constants["b2"][level] / (2 * a**2 * variance)

    def forward(self, y: Tensor, level: Tensor) -> Tensor:
        return self.scale * (y - self.centre).square().sum(1)


@pytest.mark.parametrize("level", range(6))
def test_the_exact_energy_keeps_the_conditional_at_every_level(level: int) -> None:
    """MALA from exact draws; bounds of z < 5 on four moments: false alarms below 3e-6 a level."""
    system, rng = make(), generator(level)
    system.net = Quadratic(system, level)
    x_next = 0.9
    mean, variance = recovered(system, x_next, level)
    start = mean + math.sqrt(variance) * torch.randn(CHAINS, 2, generator=rng)
    energy = system.conditional(torch.full((1, 2), x_next), level)
    end = run(MALA(0.8 * variance), energy, start, steps=30, rng=rng).position
    assert not torch.equal(end, start)
    error = (end - mean) / math.sqrt(variance)
    assert float((error.mean(0) * math.sqrt(CHAINS)).abs().max()) < 5
    assert float(((error.square().mean(0) - 1) * math.sqrt(CHAINS / 2)).abs().max()) < 5


def test_the_chain_moves_by_b2_in_y_and_training_by_1_in_units_of_b() -> None:
    system = make()
    for t, (factor, b2) in enumerate(zip(system.constants["factor"], system.constants["b2"], strict=True)):
        assert system.kernel(t).step_size * factor**2 == pytest.approx(b2)
    assert system.constants["factor"][-1] == 1.0 and system.constants["precision"][-1] == 0.0
    assert system.kernel(2, noise=0.99).temperature == pytest.approx(0.99**2)


def test_neighbours_lie_on_one_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """x_{t+1} - a x_t has the deviation sigma_{t+1}, as it has not for pairs drawn apart.

    The variance of 8,000 numbers: z < 5, false alarms below 6e-7 a level.
    """
    system, rng = make(), generator(3)
    x = torch.full((4000, 2), MEAN)
    for t in range(6):
        x_t = system.noised(x, t, rng)
        signal = math.sqrt(1 - system.ladder.sigma_bar[t] ** 2)
        error = (x_t - signal * x) / system.ladder.sigma_bar[t]
        assert abs(float(error.square().mean()) - 1) < 5 * math.sqrt(2 / 8000)
    seen = watch(system, x, monkeypatch)
    for t in range(6):
        rows = seen["level"] == t
        gap = (seen["x_next"] - system.ladder.a[t + 1] * seen["x_t"])[rows] / system.ladder.sigma[t + 1]
        assert abs(float(gap.square().mean()) - 1) < 5 * math.sqrt(2 / gap.numel())


def watch(system: DRL, x: Tensor, monkeypatch: pytest.MonkeyPatch) -> dict[str, Tensor]:
    """Levels, x_t and x_{t+1} of one update."""
    seen: dict[str, Tensor] = {}
    noised, chains = system.noised, drl.negatives

    def keep_clean(data: Tensor, level: Tensor, rng: torch.Generator) -> Tensor:
        seen["level"], seen["x_t"] = level, noised(data, level, rng)
        return seen["x_t"]

    def keep_noisy(system, energy, *rest):  # noqa: ANN202
        seen["x_next"] = energy.centre
        return chains(system, energy, *rest)

    monkeypatch.setattr(system, "noised", keep_clean)
    monkeypatch.setattr(drl, "negatives", keep_noisy)
    next(iter(system.losses(Batch(x), 0, generator(4))))
    return seen


def test_loss_weights_and_data_enter_as_in_the_paper() -> None:
    """With E(y, t) = sum y the loss is the weighted difference of sums: chains then drift by -K / 2 each."""
    system = make(**{"ladder.steps": 1})
    system.net.forward = lambda y, level: y.sum(1)
    loss = next(iter(system.losses(Batch(torch.zeros(64, 2)), 0, generator(5))))[1]
    assert set(loss.metrics) >= {"energy_gap", "value_function", "drift", "redrawn"}
    # Negatives have moved by -1/2 a coordinate (b^2 / 2 times the slope 1 / b^2), so the gap is positive.
    assert float(loss.metrics["energy_gap"]) > 0.1


def test_sampling_goes_down_from_any_level() -> None:
    system = exact(make(**{"ladder.steps": 1, "ladder.noise_factor": 1.0}))
    drawn = sample(system, 3, rng=generator(6))
    assert len(drawn.chains) == 6
    x = torch.zeros(3, 2)
    from_two = sample(system, 3, rng=generator(6), plan=lambda n, rng, **k: system.descend(x, 2))
    assert len(from_two.chains) == 2 and from_two.x.shape == (3, 2)
    with pytest.raises(UsageError, match="level is 7"):
        next(system.descend(x, 7))


def test_every_chain_begins_at_y_equal_to_its_noisier_neighbour() -> None:
    """As in training: a chain begun at x = x_next has y = a x_next, and K steps do not forget it."""
    system, x = make(), torch.ones(2, 2)
    for t in range(6):
        leg = next(system.descend(x, t + 1))
        torch.testing.assert_close(system.constants["factor"][t] * leg.position, x)
        torch.testing.assert_close(leg.energy.centre, x)


def test_surprisal_is_the_cleanest_marginal() -> None:
    """-log density of N(MEAN, SPREAD^2) blurred by .01, up to a constant."""
    system = exact(make())
    x = torch.tensor([[0.0, 0.0], [1.0, -1.0]])
    mean, variance = marginal(system, 0)
    wanted = (x - mean).square().sum(1) / (2 * variance)
    torch.testing.assert_close(system.surprisal(x), wanted, rtol=1e-4, atol=1e-4)
    assert not system.matched and system.temperature == 1.0


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

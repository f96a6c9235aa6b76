"""Adversarial contrastive divergence on a linear generator and energies whose best generator is known."""

from __future__ import annotations

import math

import pytest
import torch
from known import Bowl, LinearGenerator
from torch import Tensor

from gibbsian.core.config import override
from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator
from gibbsian.core.records import Batch
from gibbsian.mcmc.base import run
from gibbsian.models.acd.config import ACDConfig
from gibbsian.models.acd.learner import ACD, Noisy, drawn
from gibbsian.models.build import build
from gibbsian.train.recipes import presets

POINTS = {
    **{"net.name": "mlp", "net.hidden": [8], "net.activation": "swish"},
    **{"generator.latent": 2, "generator.hidden": [8], "chain.steps": 4, "chain.step_size": 0.1},
}


def make(event: tuple[int, ...] = (2,), **changes: object) -> ACD:
    return build("acd", override(ACDConfig(), {**POINTS, **changes}), event, generator(0))


def known(slope: float, curve: float, **changes: object) -> ACD:
    sigma = {"sigma": 0.3, "particles": 100, "spread": 2.0}
    learner = make(**{**sigma, "width": (1 + slope**2 / 0.09) ** -0.5, **changes})
    learner.model.generator = Noisy(LinearGenerator(slope), 0.3, 0.01, 0.3)
    learner.model.of_data.net = Bowl(curve)
    return learner


def losses(learner: ACD, x: Tensor, seed: int = 1) -> dict:
    found = {}
    for group, loss in learner.losses(Batch(x), 0, generator(seed)):
        loss.value.backward()
        found[group] = loss
    return found


@pytest.mark.parametrize(("curve", "weight"), [(1.0, 1.0), (3.0, 0.5)])
def test_the_generator_rests_at_the_density_of_its_temperature(curve, weight) -> None:
    """q = N(0, slope^2 + sigma^2) is exp(-E/w) / Z where that is w / curve: there neither the slope nor sigma
    has a mean gradient; without entropy it would be curve slope E|z|^2. n = 20,000. The pulls of
    E and of the score cancel draw by draw but for the particles: over 8 seeds .002 to .009 of them stayed,
    with a spread of .001, so most of it is bias. Without entropy 5 standard errors are .05 (false alarm
    6e-7)."""
    slope = math.sqrt(weight / curve - 0.3**2)
    learner = known(slope, curve, entropy_weight=weight, penalty=0.0)
    assert learner.model.temperature == weight and learner.model.claims_density
    losses(learner, torch.zeros(20_000, 2))
    pull = 2 * curve * slope
    assert abs(float(learner.model.generator.mean.slope.grad)) < 0.02 * pull
    assert abs(float(learner.model.generator.log_sigma.grad)) < 0.02 * pull
    plain = known(slope, curve, entropy_weight=0.0)
    losses(plain, torch.zeros(20_000, 2))
    assert float(plain.generator.mean.slope.grad) == pytest.approx(pull, rel=0.07)


def test_the_energy_descends_the_likelihood_against_the_generator() -> None:
    """d/d curve of mean E(x_pos) - E_q[E] is (|x|^2 - 2 (slope^2 + sigma^2)) / 2; 5 standard errors."""
    learner = known(0.8, 1.0, penalty=0.0)
    losses(learner, torch.full((20_000, 2), 1.5))
    variance = 0.8**2 + 0.3**2
    wanted = 1.5**2 - variance
    assert abs(float(learner.model.net.curve.grad) - wanted) < 5 * variance / math.sqrt(20_000)


@pytest.mark.parametrize(("on", "wanted"), [("data", 0.5 * 2.25 * 2 * 4), ("between", None)])
def test_penalties(on, wanted) -> None:
    """|grad E|^2 = curve^2 |x|^2: half of it at the data; between data and the generator's points less."""
    learner = known(0.01, 2.0, penalty=3.0, penalty_on=on)
    found = losses(learner, torch.full((4000, 2), 1.5))["energy"]
    gap, size = found.metrics["energy_gap"], found.metrics["penalty"]
    assert float(found.value.detach()) == pytest.approx(float(gap + 3 * size), rel=1e-5)
    if wanted is None:  # x = 1.5 u (1, 1) up to the noise: 2 * 4 * 2.25 E u^2, and 2 * 4 * .09 E (1 - u)^2
        wanted = 8 * (2.25 + 0.09) / 3
        assert float(size) == pytest.approx(wanted, rel=0.07)
    else:
        assert float(size) == pytest.approx(wanted)


def test_the_plain_game_logs_its_value_and_has_no_entropy() -> None:
    learner = make(entropy_weight=0.0, **{"generator.norm": "batch"}).train()
    assert set(learner.parameter_groups()) == {"energy", "base"}
    assert learner.model.temperature == 0 and not learner.model.claims_density
    x = torch.randn(32, 2, generator=generator(2))
    found = losses(learner, x)
    energy, base = found["energy"].metrics, found["base"].metrics
    assert float(energy["value_function"]) == float(energy["energy_neg"] - energy["energy_pos"])
    value = (found["base"].value - learner.model.energy(x).mean()).detach()
    assert float(base["value_function_base"]) == pytest.approx(float(value), abs=1e-6)
    assert "particles" not in base


@pytest.mark.parametrize(
    ("changes", "claimed"),
    [({"penalty": 0.0}, True), ({}, False), ({"penalty": 0.0, "entropy_weight": 0.0}, False)],
)
def test_matched_only_with_an_entropy_and_nothing_else(changes, claimed) -> None:
    assert make(**changes).model.claims_density is claimed


def test_sigma_stays_in_its_range_and_keeps_its_gradient() -> None:
    learner = make()
    x = torch.randn(16, 2, generator=generator(0))
    for value, bound in ((5.0, 0.3), (-9.0, 0.01)):
        with torch.no_grad():
            learner.model.generator.log_sigma.fill_(value)
        assert float(learner.model.generator.sigma.detach()) == pytest.approx(bound)
        losses(learner, x)
        assert float(learner.model.generator.log_sigma.detach()) == pytest.approx(math.log(bound))
        assert float(learner.model.generator.log_sigma.grad) != 0
        learner.model.generator.log_sigma.grad = None


def test_the_entropy_term_leaves_energy_and_width_alone() -> None:
    """Each yield trains its own group: the generator's brings no gradient to E, the width's none to g."""
    learner = make()
    steps = learner.losses(Batch(torch.randn(8, 2, generator=generator(0))), 0, generator(1))
    for group, loss in steps:
        learner.zero_grad()
        loss.value.backward()
        moved = {
            name
            for name, m in learner.parameter_groups().items()
            if any(p.grad is not None for p in m.parameters())
        }
        assert moved == {group}
        assert all(p.requires_grad for p in learner.parameters())


def test_the_generator_learns_when_its_turn_has_come() -> None:
    learner = make(energy_steps=3)
    x = Batch(torch.randn(8, 2, generator=generator(0)))
    turns = [[g for g, _ in learner.losses(x, step, generator(1))] for step in range(6)]
    assert turns == 2 * [["energy"], ["energy"], ["energy", "base", "width"]]


@pytest.mark.parametrize(("w", "step"), [(0.25, 0.1), (1.0, 0.02), (1e-4, 2.0)])
def test_the_refining_chain_has_the_temperature_of_the_density(w, step) -> None:
    """Noise root(w step): whatever chain.noise says, the chain samples exp(-E / w)."""
    changes = {"chain.step_size": step, "chain.noise": 0.7, "entropy_weight": w, "refine": True}
    learner = make(**changes)
    assert learner.model.sampler().kernel.temperature == pytest.approx(w)
    assert learner.model.temperature == w
    plain = make(**{**changes, "entropy_weight": 0.0})
    assert plain.model.sampler().kernel.temperature == pytest.approx(0.7**2 / step)


def test_rates_of_the_released_code() -> None:
    """Adam's 3e-5 of the energy, 6e-5 of the generator, and .02 of the posterior's width."""
    recipe = presets("acd")["cifar10-paper"]
    learner = make(base_rate=recipe.model.base_rate, width_rate=recipe.model.width_rate)
    rates = {k: recipe.train.lr * learner.lr_multiplier(k, 0) for k in learner.parameter_groups()}
    assert rates == pytest.approx({"energy": 3e-5, "base": 6e-5, "width": 0.02})


@pytest.mark.parametrize("entropy", [0.0, 1e-4])
def test_one_draw_of_the_generator_serves_all_losses_of_an_update(entropy) -> None:
    """As in VERA's code; the particles of the entropy's gradient are others, around it."""
    learner, seen = make(entropy_weight=entropy), []
    learner.generator.register_forward_pre_hook(lambda module, given: seen.append(given))
    losses(learner, torch.randn(8, 2, generator=generator(0)))
    assert len(seen) == (3 if entropy else 2)
    assert all(torch.equal(a, b) for given in seen for a, b in zip(given, seen[0], strict=True))


def test_samplers() -> None:
    """The generator's draws, refined where asked for; `output` mean leaves its noise out."""
    model, rng = make(refine=True).eval().model, generator(5)
    model = model
    with torch.no_grad():
        x = model.generator(*drawn(model.generator, (2,), 6, rng))
    base = model.sample(6, rng=generator(5), sampler="base")
    assert torch.equal(base.x, x)
    chain = run(model.sampler().kernel, model.energy, x, steps=4, rng=rng)
    assert torch.equal(model.sample(6, rng=generator(5)).x, chain.position)
    plain = make(output="mean").eval().model
    assert set(plain.samplers) == {"default"}
    with torch.no_grad():
        z, _ = drawn(plain.generator, (2,), 6, generator(5))
        assert torch.equal(plain.sample(6, rng=generator(5)).x, plain.generator.mean(z))
    assert plain.sample(2, rng=generator(5), steps=3).chains[0].info.steps == 3


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"generator.norm": "batch"}, "set generator.norm to none, or entropy_weight to 0"),
        ({"sigma": 0.5}, "between sigma_low 0.01 and sigma_high 0.3"),
        ({"particles": 1}, "particles is 1"),
        ({"entropy_weight": -1.0}, "entropy_weight is -1"),
        ({"penalty_on": "model"}, "penalty_on"),
        ({"net.classes": 3}, "set net.classes to 0"),
    ],
)
def test_bad_settings_are_one_line(changes, words) -> None:
    with pytest.raises(UsageError, match=words):
        make(**changes)

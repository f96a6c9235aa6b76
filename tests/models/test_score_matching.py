"""Score matching: its ladder, chain and last jump, what it refuses, what its toy preset learns."""

from __future__ import annotations

import math

import pytest
import torch

import gibbsian as gb
from experiments.grid import Grid, sample_kl
from gibbsian.core.config import override
from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator
from gibbsian.core.records import Batch
from gibbsian.data.toy import toy
from gibbsian.energies.analytic import GaussianMixture
from gibbsian.mcmc.langevin import Langevin
from gibbsian.models.build import build
from gibbsian.models.sampler import RunOptions
from gibbsian.models.score_matching.config import MatchingConfig, ScoreMatchingConfig

MLP = {"net.name": "mlp", "net.hidden": [8]}
LADDER = {
    **MLP,
    **{"matching.levels": 4, "matching.sigma_max": 0.8, "matching.sigma_min": 0.1},
    **{"chain.steps": 120, "chain.step_size": 0.004, "chain.noise": 0.004**0.5},
}


def make(event_shape=(2,), **changes):
    return build(
        "score_matching", override(ScoreMatchingConfig(), {**MLP, **changes}), event_shape, generator(0)
    )


def at_the_origin(**changes):
    """The optimum for data that all lie at 0: E = |x|^2 / 2 sigma_0^2."""
    learner = make((3,), **{**LADDER, **changes})
    learner.model.net.forward = lambda x: x.square().sum(1) / 2
    return learner


def test_ladder_is_geometric_and_ends_at_the_smallest_noise() -> None:
    sigmas = MatchingConfig(sigma_max=0.8, sigma_min=0.1, levels=4).sigmas
    assert sigmas == pytest.approx((0.8, 0.4, 0.2, 0.1)) and sigmas[-1] == 0.1
    assert MatchingConfig(sigma_max=0.8, sigma_min=0.3).sigmas == (0.3,)


def test_second_differences_are_never_taken_in_bf16() -> None:
    batch = Batch(torch.randn(8, 2, generator=generator(3)))
    grads = {}
    for precision in ("fp32", "bf16"):
        learner = make(**{"matching.method": "finite_difference", "net.activation": "swish"})
        learner.options = RunOptions(precision)
        ((_, loss),) = learner.losses(batch, 0, generator(1))
        weights = list(learner.model.net.parameters())
        grads[precision] = torch.autograd.grad(loss.value, weights, allow_unused=True)
    same = zip(grads["fp32"], grads["bf16"], strict=True)
    assert all(a is b or torch.equal(a, b) for a, b in same)


def test_every_level_is_learnt_alike() -> None:
    learner = make(**LADDER)
    counts = learner._levels(12, generator(0)).unique(return_counts=True)
    assert counts[0].tolist() == [0, 1, 2, 3] and counts[1].tolist() == [3, 3, 3, 3]
    assert learner.config.matching.sigmas == pytest.approx([0.8, 0.4, 0.2, 0.1])
    assert len(torch.stack([learner._levels(1, generator(s)) for s in range(40)]).unique()) == 4


def test_data_at_a_point_leave_no_residual() -> None:
    learner = at_the_origin()
    ((group, loss),) = learner.losses(Batch(torch.zeros(8, 3)), 0, generator(1))
    assert group == "energy" and float(loss.value.detach()) < 1e-9


@pytest.mark.parametrize("spread", [None, 0.1, 0.5, 2.0])
def test_high_noise_weighs_more_where_the_data_spread_less(spread) -> None:
    """A flat energy leaves |eps|^2 / 2 a row, times 1 + sigma^2 / spread^2."""
    learner = make((3,), **{**LADDER, "matching.spread": spread})
    learner.model.net.forward = lambda x: 0 * x.sum(1)
    ((_, loss),) = learner.losses(Batch(torch.zeros(16, 3)), 0, generator(1))
    rng = generator(1)
    sigma = torch.tensor(learner.config.matching.sigmas)[learner._levels(16, rng)]
    row = torch.randn(16, 3, generator=rng).square().sum(1) / 2
    weight = 1.0 if spread is None else 1 + (sigma / spread) ** 2
    torch.testing.assert_close(loss.value.detach(), (weight * row).mean())


def test_the_sampler_anneals_temperature_at_one_step_size() -> None:
    """s_i = s T_i of the score at noise sigma_i: gamma_i = gamma sigma_i^2 / sigma_L^2."""
    model = at_the_origin().model
    made = model.sampler().stages(5, generator(0), steps=10)
    stages = [next(made)]
    while len(stages) < 4:
        stages.append(made.send(stages[-1].position))
    kernels = [stage.kernel for stage in stages]
    assert all(isinstance(k, Langevin) and k.step_size == 0.004 for k in kernels)
    assert [k.temperature for k in kernels] == pytest.approx([64.0, 16.0, 4.0, 1.0])
    assert sum(stage.steps for stage in stages) == 10


def test_annealed_chain_ends_at_the_smoothed_data_and_the_jump_takes_the_noise_off() -> None:
    """N(0, sigma_0^2) with ULA's bias 1 / (1 - s / 4 sigma_0^2); the variance of 3 n numbers at z < 5."""
    n, s = 2000, 0.004
    x = at_the_origin().model.sample(n, rng=generator(2)).x
    variance = 0.01 / (1 - s / 0.04)
    z = (float(x.square().mean()) / variance - 1) / math.sqrt(2 / (3 * n))
    assert abs(z) < 5
    jumped = at_the_origin(jump=True).model.sample(8, rng=generator(2)).x
    assert float(jumped.abs().max()) < 1e-6


@pytest.mark.parametrize("sigma", [0.8, 0.4, 0.25, 0.1])
def test_the_score_at_a_level_is_read_at_its_temperature(sigma) -> None:
    """For data at 0 it is -x / sigma^2, whatever the noise; without a ladder that of the one level."""
    x = torch.randn(5, 3, generator=generator(7))
    sampler = at_the_origin().model.sampler()
    torch.testing.assert_close(sampler.noisy_score(x, sigma), -x / sigma**2)
    single = at_the_origin(**{"matching.levels": 1}).model.sampler()
    torch.testing.assert_close(single.noisy_score(x, sigma), -x)


def test_the_terms_of_levels_are_the_loss_at_each() -> None:
    """Nothing is left for data at 0; at distance d from it |d|^2 / 2 sigma_i^2, and no cross term."""
    sampler, x = at_the_origin().model.sampler(), torch.zeros(400, 3)
    assert float(sampler.level_terms(x, generator(1)).max()) < 1e-9
    sigmas = torch.tensor(at_the_origin().config.matching.sigmas)
    found = sampler.level_terms(x + torch.tensor([0.3, 0.0, -0.4]), generator(1))
    torch.testing.assert_close(found, (0.125 / sigmas.square()).expand(400, 4))
    for level, sigma in enumerate(sigmas.flip(0)):  # counted from the smallest
        noised = sampler.noised(torch.ones(20_000, 3), level, generator(2)) - 1
        assert float(noised.std()) == pytest.approx(float(sigma), rel=0.02)


def test_temperature_and_match_follow_from_the_loss_not_from_the_chain() -> None:
    cold = make(**{"chain.noise": 0.001})
    assert cold.model.temperature == 1.0 and cold.model.claims_density
    assert all(
        make(**{"matching.method": m, "net.activation": "swish"}).model.claims_density
        for m in ("exact", "sliced")
    )
    assert not make(**LADDER).model.claims_density


def test_the_network_is_in_units_of_squared_distance_on_a_ladder_only() -> None:
    x = torch.randn(4, 2, generator=generator(1))
    single, ladder = make(), make(**LADDER)
    assert torch.equal(single.model.energy(x), single.model.net(x))
    torch.testing.assert_close(ladder.model.energy(x), ladder.model.net(x) / 0.01)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"net.classes": 3}, "set net.classes to 0"),
        ({"start.kind": "persistent"}, "start from noise"),
        ({"matching.method": "sliced", "net.activation": "leaky_relu"}, "use swish"),
        ({"matching.method": "sliced", "matching.levels": 3}, "has no noise"),
        ({"matching.method": "exact", "jump": True}, "jump needs a noise"),
        ({"matching.levels": 3, "matching.sigma_min": 2.0}, "must lie below"),
        ({**LADDER, "chain.decay": 0.5}, "chain.decay anneal"),
        ({"matching.method": "score"}, "matching.method"),
        ({"matching.sigma_min": 0.0}, "matching.sigma_min is 0"),
    ],
)
def test_settings_are_checked(changes, words) -> None:
    with pytest.raises(UsageError, match=words):
        make(**changes)


def test_exact_refuses_many_coordinates_when_it_learns() -> None:
    learner = make((1, 9, 9), **{"matching.method": "exact"})
    with pytest.raises(UsageError, match="81 coordinates"):
        next(learner.losses(Batch(torch.zeros(2, 1, 9, 9)), 0, generator(0)))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_toy_preset_learns_the_smoothed_ring() -> None:
    """KL of exp(-E) and of samples (exact draws would have about .02) to p * N(0, sigma^2), not to p."""
    model = gb.fit("score_matching", "toy:ring", preset="toy", progress=False)
    ring = toy("ring")
    blurred = GaussianMixture(torch.ones(8), ring.modes, std=math.hypot(ring.spread, 0.1))
    with torch.no_grad():
        to_blurred = Grid(-3, 3).kl(blurred, model.neg_log_prob)
        assert to_blurred < 0.03 < Grid(-3, 3).kl(lambda x: -ring.log_density(x), model.neg_log_prob)
        assert sample_kl(model.sample(4000, seed=1).x, blurred, Grid(-3, 3)) < 0.06

"""The Generalized EBM on a base and an energy with a known tilt, and the rules of its training."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from gibbsian.core.config import override
from gibbsian.core.errors import GibbsianError, UsageError
from gibbsian.core.records import Batch
from gibbsian.mcmc.settings import LatentConfig
from gibbsian.models.build import build
from gibbsian.models.gebm.config import GEBMConfig
from gibbsian.models.gebm.learner import GEBM

POINTS = {
    "net.name": "mlp",
    "net.hidden": [8],
    "generator.latent": 2,
    "generator.hidden": [8],
    "energy_first": 0,
    "energy_steps": 1,
}
SHIFT = 0.8


def make(event: tuple[int, ...] = (2,), **changes: object) -> GEBM:
    return build(
        "gebm", override(GEBMConfig(), {**POINTS, **changes}), event, torch.Generator().manual_seed(0)
    )


def batch() -> Batch:
    return Batch(torch.randn(16, 2, generator=torch.Generator().manual_seed(3)))


class Identity(nn.Module):
    """G(z) = z."""

    latent = 2

    def forward(self, z: Tensor) -> Tensor:
        return z


class Slope(nn.Module):
    """E(x) = SHIFT x_1, so that N(0, I) tilted by it is N((-SHIFT, 0), I) and A = SHIFT^2 / 2."""

    def forward(self, x: Tensor) -> Tensor:
        return SHIFT * x[:, 0]


@pytest.fixture
def known() -> GEBM:
    learner = make()
    learner.model.generator, learner.model.learnt.net = Identity(), Slope()
    return learner.eval()


KINDS = {
    "langevin": LatentConfig("langevin", 60, 0.2),
    "mala": LatentConfig("mala", 40, 1.0),
    "hmc": LatentConfig("hmc", 12, 0.5),
    "kinetic": LatentConfig("kinetic", 60, 0.5, friction=0.5),
    "kinetic-baoab": LatentConfig("kinetic", 60, 0.5, friction=0.5, splitting="baoab"),
    "independent": LatentConfig("independent", 60),
    "importance": LatentConfig("importance", candidates=50),
    "rejection": LatentConfig("rejection"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_way_of_drawing_finds_the_tilted_density(kind, known) -> None:
    """n = 8,000: the mean within 5 sd of it, .056 (false alarm 6e-7)."""
    sampler = known.model.sampler_with(KINDS[kind])
    x = known.model.sample(8000, rng=torch.Generator().manual_seed(1), sampler=sampler, chunk=8000).x
    assert abs(float(x[:, 0].mean()) + SHIFT) < 0.056
    assert abs(float(x[:, 1].mean())) < 0.056
    variance = 1 / (1 - 0.2 / 4) if kind == "langevin" else 1.0
    assert float(x[:, 1].var()) == pytest.approx(variance, abs=0.08)  # 5 sd of a variance, sqrt(2/8000)


@pytest.mark.parametrize("kind", ["mala", "hmc", "independent", "importance", "rejection"])
@pytest.mark.parametrize("beta", [0.5, 1.25])
def test_every_way_follows_beta(kind, beta, known) -> None:
    """n = 4,000: 5 sd of the mean are .08."""
    sampler = known.model.sampler_with(replace(KINDS[kind], beta=beta, steps=2 * KINDS[kind].steps))
    x = known.model.sample(4000, rng=torch.Generator().manual_seed(1), sampler=sampler, chunk=4000).x
    assert float(x[:, 0].mean()) == pytest.approx(-beta * SHIFT, abs=0.08)


def test_shrinking_steps_end_small(known) -> None:
    sampler = known.model.sampler_with(LatentConfig("langevin", 20, 0.2, shrink=0.1, shrink_every=5))
    drawn = known.model.sample(10, rng=torch.Generator().manual_seed(0), sampler=sampler, thin=1)
    trace = drawn.chains[0].trace
    assert isinstance(trace, Tensor)
    moves = (trace[1:] - trace[:-1]).norm(dim=2).mean(1)
    assert float(moves[-1]) < 0.1 * float(moves[0])


def test_kale_and_the_log_partition_are_those_of_the_known_tilt(known) -> None:
    """On data from the model itself KALE is KL = SHIFT^2 / 2, and c begins at A = SHIFT^2 / 2."""
    rng = torch.Generator().manual_seed(2)
    x = torch.randn(20_000, 2, generator=rng) - torch.tensor([SHIFT, 0.0])
    sd = math.sqrt(SHIFT**2 / 20_000 + (math.exp(SHIFT**2) - 1) / 10_000)
    assert abs(known.model.extra_metrics(x, rng)["kale"] - SHIFT**2 / 2) < 5 * sd
    known._begin_partition(rng)
    assert abs(float(known.model.log_partition.detach()) - SHIFT**2 / 2) < 5 * sd * 1.5


@pytest.mark.parametrize("c", [-1.0, 0.3, 2.0])
def test_the_error_of_c_is_measured_and_no_part_of_the_likelihood(c) -> None:
    """log q(x) takes A of 10,000 base samples, whatever c was learnt."""
    learner = make(**{"generator.name": "flow", "generator.hidden": [8], "generator.blocks": 2})
    learner.model.learnt.net = Slope()
    x = torch.randn(50, 2, generator=torch.Generator().manual_seed(0))
    found = []
    for value in (0.0, c):
        with torch.no_grad():
            learner.model.log_partition.fill_(value)
        found.append(learner.model.extra_metrics(x, torch.Generator().manual_seed(1)))
    a = -found[0]["log_partition_error"]
    assert found[1]["log_partition_error"] == pytest.approx(c - a, abs=1e-5)
    with torch.no_grad():
        e, base = learner.model.energy(x), learner.model.base_log_density(x)
    assert found[1]["log_likelihood"] == pytest.approx(float((base - e).mean()) - a, abs=1e-4)
    assert found[0]["log_likelihood"] == pytest.approx(found[1]["log_likelihood"], abs=1e-5)


@pytest.mark.parametrize("rate", [0.5, 1.0, 4.0])
def test_the_base_learns_at_its_own_rate(rate) -> None:
    learner = make(base_rate=rate)
    assert {k: learner.lr_multiplier(k, 7) for k in learner.parameter_groups()} == {"energy": 1, "base": rate}


@pytest.mark.parametrize("step", [3, 4, 9])
def test_the_penalty_has_another_weight_once_the_base_is_frozen(step) -> None:
    learner = make(penalty=2.0, frozen_base_penalty=0.5, freeze_base_at=4)
    _, loss = next(iter(learner.losses(batch(), step, torch.Generator().manual_seed(1))))
    weight = 2.0 if step < 4 else 0.5
    wanted = weight * loss.metrics["penalty"] - loss.metrics["divergence"]
    assert loss.metrics["penalty"] > 1e-4
    torch.testing.assert_close(loss.value.detach(), wanted)


@pytest.mark.parametrize(
    ("first", "every", "period", "due"),
    [
        (4, 2, 3, [3, 7, 9, 13, 15, 17, 21, 23]),
        (5, 2, 3, [4, 9, 11, 16, 18, 20]),
        (5, 3, 2, [4, 9, 14, 17, 22]),
        (3, 1, 9, [2, *range(5, 13), *range(15, 24)]),
        (5, 2, 1, [4, 9, 14, 19]),
        (0, 4, 9, [3, 7, 11, 15, 19, 23]),
    ],
)
def test_the_base_learns_when_its_turn_has_come(first, every, period, due) -> None:
    learner = make(energy_first=first, energy_steps=every, period=period)
    assert [step for step in range(24) if learner.base_due(step)] == due
    assert all(make().base_due(step) for step in range(10))


def test_gradients_are_squashed_as_the_released_code_does() -> None:
    learner = make()
    weight = next(learner.model.net.parameters())
    weight.grad = torch.full_like(weight, 3.0)
    learner.model.log_partition.grad = torch.tensor(-1.0)
    learner.transform_gradients("energy")
    assert torch.allclose(weight.grad, torch.tensor(0.6))
    assert float(learner.model.log_partition.grad) == pytest.approx(-0.5)
    plain = make(gradient_squash=False)
    plain.model.log_partition.grad = torch.tensor(-1.0)
    plain.transform_gradients("energy")
    assert float(plain.model.log_partition.grad) == -1.0


def test_the_transform_of_c_stays_finite_where_the_weights_vanish() -> None:
    """With c far too large mean exp(-(E + c)) rounds to 0, and g / (1 - g) was 1 / 0."""
    learner = make()
    learner.model.log_partition.grad = torch.tensor(1.0)
    learner.transform_gradients("energy")
    assert 1e3 < float(learner.model.log_partition.grad) < math.inf


def test_donsker_keeps_the_partition_that_it_computed() -> None:
    """c has no gradient there, and would stay where it began while the energy moves on."""
    learner = make(divergence="donsker", energy_first=9)
    batch = Batch(torch.randn(16, 2, generator=torch.Generator().manual_seed(3)))
    with torch.no_grad():
        learner.model.log_partition.fill_(5.0)
    ((_, loss),) = learner.losses(batch, 1, torch.Generator().manual_seed(1))
    assert float(learner.model.log_partition.detach()) == float(loss.metrics["log_partition"]) != 5.0
    loss.value.backward()


def test_energy_has_a_floor(known) -> None:
    assert float(known.model.energy(torch.tensor([[-100.0, 0.0]]))) == -known.config.floor
    assert float(known.model.energy(torch.tensor([[-1.0, 0.0]]))) == pytest.approx(-SHIFT)


def test_a_flow_base_gives_a_density() -> None:
    model = make(**{"generator.name": "flow", "base": "likelihood"}).model
    assert model.generator.latent == 2
    with torch.no_grad():
        model.log_partition.fill_(0.7)
    x = torch.randn(5, 2)
    wanted = model.energy(x) + model.log_partition - model.generator.log_density(x)
    torch.testing.assert_close(model.neg_log_prob(x), wanted)
    with pytest.raises(UsageError, match="has no density"):
        make().model.base_log_density(x)
    with pytest.raises(UsageError, match="set generator.name to flow"):
        make(base="likelihood")


def test_a_base_that_never_passes_is_told(known) -> None:
    latent = LatentConfig("rejection", gamma=200.0)
    with pytest.raises(GibbsianError, match="lower latent.beta or latent.gamma"):
        known.model.sample(5, rng=torch.Generator().manual_seed(0), sampler=known.model.sampler_with(latent))


def test_the_base_is_the_generator_alone(known) -> None:
    drawn = known.model.sample(6, rng=torch.Generator().manual_seed(0), sampler="base")
    assert torch.equal(drawn.x, torch.randn(6, 2, generator=torch.Generator().manual_seed(0)))
    assert drawn.energy.shape == (6,)


def test_only_a_flow_has_a_density() -> None:
    assert not make().model.claims_density
    assert make(**{"generator.name": "flow"}).model.claims_density


@pytest.mark.parametrize("base", ("frozen", "divergence"))
def test_statistics_of_a_base_that_does_not_learn_stay(base) -> None:
    learner = make(**{"generator.norm": "batch", "base": base}).train()
    means = [m.running_mean.clone() for m in learner.model.generator.modules() if hasattr(m, "running_mean")]
    next(learner.losses(Batch(torch.rand(16, 2)), 1, torch.Generator().manual_seed(0)))
    after = [m.running_mean for m in learner.model.generator.modules() if hasattr(m, "running_mean")]
    assert means and all(torch.equal(a, b) for a, b in zip(means, after, strict=True)) == (base == "frozen")

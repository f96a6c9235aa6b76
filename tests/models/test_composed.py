"""Models made of models: their densities against the algebra of energies, exact samples, and refusals."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

import gibbsian as gb
from gibbsian.core.errors import UsageError
from gibbsian.core.spec import DataSpec
from gibbsian.models.chain_sampler import ChainSampler
from gibbsian.models.model import EnergyModel
from gibbsian.models.sampler import next_stage

SPEC = DataSpec((2,), -6.0, 6.0)


class Bowl(EnergyModel):
    """The Gaussian N(mean, sd^2) as a model at a temperature: E = T |x - mean|^2 / 2 sd^2, to divide by T."""

    def __init__(self, mean=(0.0, 0.0), sd=1.0, temperature=1.0, steps=400, step=0.05):
        super().__init__(SPEC, temperature, claims_density=True)
        self.mean, self.sd = nn.Parameter(torch.tensor(mean)), sd
        noise = gb.UniformNoise((2,), -3, 3)
        kernel = gb.Langevin(step / temperature, temperature=temperature)
        self.samplers["default"] = ChainSampler(self, kernel, steps, noise)

    def energy(self, x, y=None):
        return self.temperature * self.neg_log_prob(x)

    def neg_log_prob(self, x, y=None):
        return (x - self.mean).square().sum(1) / (2 * self.sd**2)


def spread(x: torch.Tensor) -> float:
    return float(x.var(0).mean())


def near(found: float, right: float, n: int = 2000, step: float = 0.05) -> bool:
    """Within four standard errors of the variance that Langevin chains of this step have on a Gaussian."""
    right = right / (1 - step / (4 * right))
    return abs(found - right) < right * 4 * math.sqrt(1 / n)


@pytest.mark.parametrize("temperature", [1.0, 1e-3])
def test_a_product_is_sampled_at_the_temperatures_of_its_parts(temperature) -> None:
    a, b = Bowl((1.0, 0.0), 1.0), Bowl((-1.0, 0.0), 0.5, temperature)
    drawn = gb.product(a, b).sample(2000, seed=1).x
    precision = 1 + 4
    assert near(spread(drawn), 1 / precision)
    assert torch.allclose(drawn.mean(0), torch.tensor([(1 - 4) / precision, 0.0]), atol=0.05)


def test_weights_are_powers() -> None:
    x = torch.randn(7, 2)
    a, b = Bowl(), Bowl((1.0, 1.0), 0.5, 0.1)
    both = gb.product(a, b, weights=[0.5, 2.0])
    assert torch.allclose(both.neg_log_prob(x), 0.5 * a.neg_log_prob(x) + 2 * b.neg_log_prob(x))
    assert near(spread(both.sample(2000, seed=0).x), 1 / (0.5 + 2 * 4))


def test_a_mixture_has_the_shares_asked_for() -> None:
    a, b = Bowl((-3.0, 0.0), 0.5), Bowl((3.0, 0.0), 0.25)
    log_z = [math.log(2 * math.pi * m.sd**2) for m in (a, b)]
    both = gb.mixture(a, b, weights=[3, 1], log_z=log_z)
    x = torch.linspace(-6, 6, 121)
    grid = torch.stack(torch.meshgrid(x, x, indexing="ij"), -1).reshape(-1, 2)
    assert float((-both.neg_log_prob(grid)).exp().sum().detach() * 0.1**2) == pytest.approx(1, abs=0.01)
    right = (both.sample(2000, seed=0).x[:, 0] > 0).float().mean()
    assert abs(float(right) - 0.25) < 4 * math.sqrt(0.25 * 0.75 / 2000)


def test_a_mixture_without_constants_claims_nothing() -> None:
    a, b = Bowl(), Bowl((1.0, 0.0))
    assert not gb.mixture(a, b).claims_density and gb.mixture(a, b, log_z=[0, 0]).claims_density
    for model in (a, b):
        model.log_partition = nn.Parameter(torch.zeros(()))
    assert gb.mixture(a, b).claims_density


def test_a_negation_moves_away() -> None:
    a, b = Bowl((0.0, 0.0), 1.0), Bowl((2.0, 0.0), 2.0)
    drawn = gb.negation(a, b, alpha=0.5).sample(2000, seed=0).x
    precision = 1 - 0.5 / 4
    assert torch.allclose(drawn.mean(0), torch.tensor([-0.5 * 2 / 4 / precision, 0.0]), atol=0.1)
    assert near(spread(drawn), 1 / precision)


@pytest.mark.parametrize("make", [
    lambda: gb.negation(Bowl(sd=1.0), Bowl(sd=0.5), alpha=1.0),
    lambda: gb.product(Bowl(sd=2.0), Bowl(sd=1.0), weights=[1.0, -0.5]),
    lambda: gb.product(Bowl(), Bowl(), weights=[-1.0, 0.5]),
])  # fmt: skip
def test_what_has_no_normaliser_is_refused(make) -> None:
    with pytest.raises(UsageError, match="has no normaliser: its energy falls from"):
        make()


def test_the_refusal_names_a_power_that_passes() -> None:
    a, b = Bowl(sd=1.0), Bowl(sd=0.5)  # precision 1 against 4: powers below 1/4 have a normaliser
    with pytest.raises(UsageError, match=r"alpha 0\.125 has one; or give a ceiling"):
        gb.negation(a, b, alpha=1.0)
    gb.negation(a, b, alpha=0.125)


def test_signals_are_looked_at_as_points_are() -> None:
    a, b = Bowl(), Bowl()
    for model in (a, b):
        model.spec = DataSpec((1, 8), -6.0, 6.0)
        model.mean = nn.Parameter(torch.zeros(1, 8))
        model.neg_log_prob = lambda x, y=None, m=model: (x - m.mean).flatten(1).square().sum(1) / 2
    with pytest.raises(UsageError, match=r"has no normaliser.*alpha 0\.75 has one"):
        gb.negation(a, b, alpha=1.5)
    assert gb.negation(a, b, alpha=0.5).spec.event_shape == (1, 8)


def test_images_end_at_walls() -> None:
    """A negation whose energy falls without end beyond the range stays in it, by either kind of chain."""
    free = {"steps": 1, "progress": False, "chain__clamp": False}
    parts = [gb.fit("short_run", "digits", train__seed=seed, **free) for seed in (0, 1)]
    made = gb.negation(*parts, alpha=5.0)
    beyond = torch.full((2, 1, 8, 8), 1.5)
    assert made.neg_log_prob(beyond).isinf().all() and made.neg_log_prob(0 * beyond).isfinite().all()
    assert next(made.sampler().stages(1, gb.generator(0))).kernel.clamp == (-1, 1)
    for drawn in (made.sample(4, steps=5), gb.sample(made, 4, kernel=gb.MALA(0.01), steps=20)):
        assert float(drawn.x.abs().max()) <= 1


def test_models_of_one_table_are_composed_in_its_units() -> None:
    """Columns of other scales: chains move standardised columns, samples and densities are in units."""
    rows = torch.randn(400, 2, generator=gb.generator(0)) * torch.tensor([1.0, 1000.0]) + torch.tensor(
        [5.0, 9e4]
    )
    a, b = (gb.fit("nce", rows, steps=3, progress=False, train__seed=s) for s in (0, 1))
    assert torch.equal((a.inner + b).energy(rows[:3]), (a.inner + b.inner).energy(rows[:3]))
    for both in (a + b, gb.product(a, b)):
        x = rows[:3]
        found, right = both.neg_log_prob(x), a.neg_log_prob(x) + b.neg_log_prob(x)
        assert torch.allclose(found - found[0], right - right[0], atol=1e-3)
        drawn = both.sample(64, seed=0, steps=5).x
        assert 8.5e4 < float(drawn[:, 1].mean()) < 9.5e4
    other = gb.fit("nce", 2 * rows, steps=1, progress=False)
    with pytest.raises(UsageError, match="learnt columns in other units"):
        gb.product(a, other)


def test_a_ceiling_makes_a_negation_proper() -> None:
    a, b = Bowl(sd=1.0), Bowl(sd=0.5)
    made = gb.negation(a, b, alpha=1.0, ceiling=3.0)
    x = torch.tensor([[5.0, 0.0]])
    assert made.neg_log_prob(x).item() == pytest.approx(12.5 - 3.0)


class Factors(EnergyModel):
    """Two of four Gaussians a factor: p(x) = sum over all causes, p(x | c) one or two of its components."""

    joint = True

    def __init__(self):
        super().__init__(DataSpec((2,), -6.0, 6.0, 2), 1.0, claims_density=True)

    def energy(self, x, y=None):
        e = torch.stack([(x - c).square().sum(1) / 2 for c in torch.tensor([[-2.0, 0.0], [2.0, 0.0]])], 1)
        return -torch.logsumexp(-e, 1) if y is None else e.gather(1, y[:, None]).squeeze(1)

    def neg_log_prob(self, x, y=None):
        return self.energy(x, y)


def test_a_conjunction_takes_away_what_is_counted_twice() -> None:
    model, x = Factors(), torch.randn(9, 2)
    one, two = gb.conditional(model, 0), gb.conditional(model, 1)
    right = one.energy(x) + two.energy(x) - model.energy(x)
    assert torch.allclose(gb.conjunction(model, [0, 1]).neg_log_prob(x), right)
    weighed = gb.conjunction(model, [0, 1], weights=[2.0, 0.5]).neg_log_prob(x)
    assert torch.allclose(weighed, 2 * one.energy(x) + 0.5 * two.energy(x) - 1.5 * model.energy(x))


def test_classes_left_out_in_training_give_the_background() -> None:
    changes = {"net.middle": 8, "net.classes": 10, "sampling.steps": 3}
    model, x = gb.fit("noise_energy", "digits", steps=2, progress=False, **changes), torch.randn(4, 1, 8, 8)
    parts = [model.energy(x, torch.full((4,), c)) for c in (3, 8)]
    both = gb.conjunction(model, [3, 8])
    assert torch.allclose(both.neg_log_prob(x), sum(parts) - model.energy(x), atol=1e-3)
    assert gb.sample(both, 2, seed=0).x.isfinite().all()
    whole = gb.fit("noise_energy", "digits", steps=2, progress=False, label_dropout=0.0, **changes)
    with pytest.raises(UsageError, match="noise_energy with label_dropout"):
        gb.conjunction(whole, [3, 8])


def test_a_conditional_is_the_model_at_its_class() -> None:
    learner = gb.fit("jem", "digits", steps=2, progress=False, chain__steps=2, sample__steps=2)
    seven = gb.conditional(learner, 7)
    x = torch.zeros(3, 1, 8, 8)
    assert torch.equal(seven.energy(x), learner.energy(x, torch.full((3,), 7)))
    assert torch.equal(seven.sample(2, seed=3).x, learner.sample(2, y=7, seed=3).x)
    with pytest.raises(UsageError, match="class 12 is unknown: this model has classes 0 to 9"):
        gb.conditional(learner, 12)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: gb.product(Bowl()), "needs two models or more, got 1"),
        (lambda: gb.product(), "needs two models"),
        (lambda: gb.product(Bowl(), torch.sin), "one is of type builtin_function_or_method"),
        (lambda: gb.product(Bowl(), Bowl(), weights=[1.0]), "give a finite one for each of 2"),
        (lambda: gb.product(Bowl(), Bowl(), weights=[1.0, math.nan]), "finite"),
        (lambda: gb.mixture(Bowl(), Bowl(), weights=[1.0, 0.0]), "weights"),
        (lambda: gb.conjunction(Bowl(), [0, 1]), "this model has no classes"),
        (lambda: gb.conjunction(Factors(), [1]), "two classes or more"),
        (lambda: gb.conditional(Bowl(), 0), "this model has no classes"),
    ],
)
def test_what_cannot_be_composed_is_one_line(make, words) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        make()
    assert "\n" not in str(caught.value)


def test_exact_chains_stay_exact() -> None:
    """Two models whose own kernel is MALA: so is that of their product, at the least step s T."""
    parts = Bowl(), Bowl(sd=0.5, temperature=0.1)
    for part, step in zip(parts, (0.25, 5.0), strict=True):
        kernel = gb.MALA(step, temperature=part.temperature)
        part.samplers["default"] = ChainSampler(part, kernel, 200, gb.UniformNoise((2,), -3, 3))
    drawn = gb.product(*parts).sample(2000, seed=0)
    assert drawn.chains[0].info.acceptance is not None and near(spread(drawn.x), 1 / 5, step=0)
    assert gb.product(*parts).samplers["default"].stages(1, gb.generator(0)).send(None).kernel == gb.MALA(
        0.25
    )


def test_ladders_are_composed_level_by_level() -> None:
    """Each stage of a product of two ladders moves on the sum of both energies of that level over T."""
    one, two = (gb.fit("drl", "toy:ring", steps=1, progress=False, train__seed=s) for s in (0, 1))
    stages = [m.sampler().stages(3, gb.generator(0)) for m in (one, two, one + two)]
    x, count = torch.randn(3, 2), 0
    found = [next(s) for s in stages]
    while all(found):
        parts = [stage.energy(x) / stage.kernel.temperature for stage in found[:2]]
        assert torch.allclose(found[2].energy(x), sum(parts), rtol=1e-5, atol=1e-5)
        assert found[2].kernel.temperature == 1
        found, count = [next_stage(s, x) for s in stages], count + 1
    assert found == [None] * 3 and count == one.levels


def test_chains_that_do_not_fit_ask_for_a_kernel() -> None:
    still = Bowl()
    still.samplers["default"] = ChainSampler(still, gb.MALA(0.1), 5, gb.UniformNoise((2,), -3, 3))
    with pytest.raises(UsageError, match="neither all Langevin nor all MALA.*give a kernel"):
        gb.product(Bowl(), still).sample(2)
    cold = Bowl()
    cold.samplers["default"] = ChainSampler(cold, gb.Langevin(0.1, temperature=0), 5, gb.UniformNoise((2,)))
    with pytest.raises(UsageError, match="do not all have noise"):
        gb.product(Bowl(), cold).sample(2)
    drawn = gb.sample(gb.product(Bowl(), cold), 2000, kernel=gb.MALA(0.5), steps=200)
    assert near(spread(drawn.x), 0.5, step=0)

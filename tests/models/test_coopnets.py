"""Cooperative networks where everything is known: a quadratic energy, a linear generator."""

from __future__ import annotations

import math

import pytest
import torch
from known import Bowl, LinearGenerator
from torch import Tensor, nn

from gibbsian.core.config import override
from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator
from gibbsian.core.records import Batch
from gibbsian.mcmc.base import run
from gibbsian.models.coopnets.config import CoopNetsConfig
from gibbsian.models.coopnets.learner import CoopNets, GeneratorPoints, build
from gibbsian.models.generated_energy import Generated

POINTS = {
    **{"net.name": "mlp", "net.hidden": [8], "generator.latent": 2, "generator.hidden": [8]},
    **{"chain.steps": 5, "chain.step_size": 0.1, "chain.noise": 0.05},
}
SLOPE, CURVE, SIGMA = 1.5, 2.0, 0.3


class Burst(nn.Module):
    """E(x) = x_1, but with an infinite slope right of 0."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.where(x[:, 0] > 0, math.inf, 1.0) * x[:, 0]


def make(event: tuple[int, ...] = (2,), **changes: object) -> CoopNets:
    return build(override(CoopNetsConfig(), {**POINTS, **changes}), event, generator(0))


def known(curve: float = CURVE, **changes: object) -> CoopNets:
    learner = make(**changes)
    model = learner.model
    model.generator, model.of_data.net = LinearGenerator(SLOPE), Bowl(curve)
    learner.start = Generated(
        model, GeneratorPoints(model.generator, SIGMA if changes.get("noisy_start") else 0.0)
    )
    return learner


def both(learner: CoopNets, n: int = 64, seed: int = 1) -> dict:
    """The losses of one update on standard normal data."""
    return dict(learner.losses(Batch(torch.randn(n, 2, generator=generator(9))), 0, generator(seed)))


@pytest.mark.parametrize("norm", ["none", "batch"])
def test_a_flat_energy_without_noise_teaches_nothing(norm) -> None:
    """The fixed point: what is refined is what was generated. With another z the error is of order 1."""
    learner = make(**{"chain.noise": 0.0, "generator.norm": norm})
    for p in learner.model.net.parameters():
        nn.init.zeros_(p)
    loss = both(learner.train())["base"]
    loss.value.backward()
    assert float(loss.value.detach()) == 0 == float(loss.metrics["distance"])
    assert all(float(p.grad.abs().max()) == 0 for p in learner.model.generator.parameters())


def test_the_generator_learns_from_the_latents_that_began_the_chains() -> None:
    """x_K = r slope z + noise, r = (1 - s curve / 2)^K: so with the same z the loss, and its gradient by the
    slope, are slope^2 (1 - r)^2 and slope (1 - r) times E|z|^2 / sigma^2. With z drawn anew the loss would be
    slope^2 (1 + r^2), four times as much. n = 20,000, 5 standard errors (false alarm 1e-6 for the two)."""
    learner, n = known(), 20_000
    loss = both(learner, n)["base"]
    loss.value.backward()
    s, k, noise = (getattr(learner.config.chain, f) for f in ("step_size", "steps", "noise"))
    r = 1 - s * CURVE / 2
    added = noise**2 * sum(r ** (2 * j) for j in range(k))
    per_axis = SLOPE**2 * (1 - r**k) ** 2 + added
    assert float(loss.value.detach()) == pytest.approx(per_axis / SIGMA**2, rel=5 / math.sqrt(n))
    wanted = SLOPE * (1 - r**k) * 2 / SIGMA**2
    error = wanted * math.sqrt(2 / (2 * n)) + 2 * math.sqrt(added / (2 * n)) / SIGMA**2
    assert abs(float(learner.model.generator.slope.grad) - wanted) < 5 * error


def test_noise_is_averaged_away_so_that_the_pair_rests_at_a_flat_energy() -> None:
    """Data N(0, v I), v = slope^2 + K noise^2, and E = 0: neither the energy nor the generator has a mean
    gradient, although exp(-E/T) is not the data's distribution. n = 20,000, 5 standard errors each."""
    learner, n = known(curve=0.0), 20_000
    chain = learner.config.chain
    v = SLOPE**2 + chain.steps * chain.noise**2
    x = math.sqrt(v) * torch.randn(n, 2, generator=generator(3))
    for group, loss in learner.losses(Batch(x), 0, generator(4)):
        learner.parameter_groups()[group].zero_grad()
        loss.value.backward()
    curve, slope = float(learner.model.net.curve.grad), float(learner.model.generator.slope.grad)
    assert abs(curve) < 5 * v * math.sqrt(
        2 / n
    )  # the difference of two means of |x|^2 / 2, each of variance v^2 / n
    assert abs(slope) < 5 * math.sqrt(2 * chain.steps / n) * chain.noise / SIGMA**2
    assert not learner.model.claims_density


@pytest.mark.parametrize("noisy", [False, True])
def test_chains_begin_at_the_generator(noisy) -> None:
    model = make(noisy_start=noisy).eval().model
    drawn = model.sample(6, rng=generator(5))
    rng = generator(5)
    with torch.no_grad():
        x = model.generator(torch.randn(6, 2, generator=rng))
    x = x + SIGMA * torch.randn(6, 2, generator=rng) if noisy else x
    base = model.sample(6, rng=generator(5), sampler="base")
    assert torch.equal(base.x, x)
    chain = run(model.sampler().kernel, model.energy, x, steps=5, rng=rng)
    assert torch.equal(drawn.x, chain.position)
    assert model.sample(3, rng=generator(5), steps=2).chains[0].info.steps == 2


def test_inferred_latents_follow_the_posterior() -> None:
    """For g(z) = slope z the posterior of z given x is N(slope x / (slope^2 + sigma^2), sigma^2 / (...)).

    8,000 chains of two coordinates: 5 standard errors of mean and variance, and the step's own bias.
    """
    s = 0.02
    learner = known(infer_steps=200, infer_step_size=s)
    x = torch.tensor([1.0, -0.5]).expand(8000, 2)
    with torch.no_grad():
        z = learner.inferred(torch.zeros(8000, 2), x, generator(0))
    scale = SLOPE**2 + SIGMA**2
    curve = scale / SIGMA**2
    variance = 1 / (curve * (1 - s * curve / 4))
    assert (z.mean(0) - SLOPE * x[0] / scale).abs().max() < 5 * math.sqrt(variance / 8000)
    assert (z.var(0) / variance - 1).abs().max() < 5 * math.sqrt(2 / 8000)


def test_with_inferred_latents_the_generator_learns_by_maximum_likelihood() -> None:
    """Refined points N(0, v I): the mean gradient by the slope is that of EM, (a E z^2 - E z x) / sigma^2
    under the posterior, and not the 14 of the latents that began the chains. n = 20,000, and each term's
    spread is below 4: 5 standard errors are .2 (false alarm 6e-7)."""
    s = 0.005
    learner = known(infer_steps=150, infer_step_size=s, **{"chain.noise": 0.0})
    both(learner, 20_000)["base"].value.backward()
    scale, v = SLOPE**2 + SIGMA**2, SLOPE**2 * 0.9**10
    posterior = SIGMA**2 / scale / (1 - s * scale / SIGMA**2 / 4)
    wanted = 2 * SLOPE * (posterior + SLOPE**2 * v / scale**2 - v / scale) / SIGMA**2
    assert 0.5 < wanted < 1.5
    assert abs(float(learner.model.generator.slope.grad) - wanted) < 0.2


def test_lost_chains_are_drawn_anew_and_teach_nothing() -> None:
    """Of those that stay, left of 0, each moves by K s / 2 = .25 and teaches that alone."""
    learner = known(**{"chain.noise": 0.0})
    learner.model.of_data.net = Burst()
    losses = both(learner, 400)
    lost = float(losses["energy"].metrics["redrawn"])
    assert 0.3 < lost < 0.7
    wanted = (1 - lost) * 0.25**2 / (2 * SIGMA**2)
    assert float(losses["base"].value.detach()) == pytest.approx(wanted, rel=1e-4)


def test_the_value_function_is_logged() -> None:
    metrics = both(known())["energy"].metrics
    assert float(metrics["value_function"]) == -float(metrics["energy_gap"]) != 0


def test_the_reference_is_added_to_the_energy_over_its_temperature() -> None:
    learner = known(reference_sigma=0.5)
    t = 0.05**2 / 0.1
    x = torch.randn(4, 2, generator=generator(0))
    wanted = (CURVE / 2 / t + 2) * x.square().sum(1)
    model = learner.model
    assert torch.allclose(model.conditioned()(x), wanted, rtol=1e-5)
    assert torch.allclose(model.neg_log_prob(x), wanted, rtol=1e-5)
    assert torch.allclose(model.energy(x), CURVE / 2 * x.square().sum(1))
    kernel = learner.kernel.at(0)
    assert model.sampler().kernel == learner.kernel
    assert kernel.step_size == pytest.approx(0.1 * t) and kernel.temperature == pytest.approx(1)
    assert model.temperature == pytest.approx(t) and model.sampler().temperature == 1
    assert not model.claims_density


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"sigma": 0.0}, "sigma is 0"),
        ({"infer_steps": -1}, "infer_steps is -1"),
        ({"net.classes": 3}, "set net.classes to 0"),
        ({"reference_sigma": 1.0, "chain.noise": 0.0}, "needs a temperature"),
    ],
)
def test_bad_settings_are_one_line(changes, words) -> None:
    with pytest.raises(UsageError, match=words):
        make(**changes)

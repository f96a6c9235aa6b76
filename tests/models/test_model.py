"""Models: products of their densities, samplers of other papers, models written by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import gibbsian as gb
from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator
from gibbsian.core.spec import DataSpec
from gibbsian.mcmc.base import run
from gibbsian.models.capabilities import Scalable, offered
from gibbsian.models.chain_sampler import ChainSampler
from gibbsian.models.model import EnergyModel
from gibbsian.models.net_energy import NetEnergy
from gibbsian.models.sampler import RunOptions
from gibbsian.starts.noise import UniformNoise

SPEC = DataSpec((2,), -2.0, 2.0)
NET = {"net.name": "mlp", "net.hidden": [8], "net.activation": "swish"}


class Bowl(nn.Module):
    """E(x) = curve |x - centre|^2 / 2: at temperature T a normal of precision curve / T."""

    def __init__(self, curve: float, centre: float) -> None:
        super().__init__()
        self.curve, self.centre = nn.Parameter(torch.tensor(curve)), centre

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        e = self.curve * (x - self.centre).square().sum(1) / 2
        return e if y is None else e + y


def bowl(curve: float, centre: float, temperature: float, spec: DataSpec = SPEC) -> NetEnergy:
    model = NetEnergy(Bowl(curve, centre), spec, temperature=temperature)
    model.claims_density = True
    return model


@pytest.fixture
def pair() -> tuple[NetEnergy, NetEnergy]:
    """Precisions 4 about .5 and .5 about -1: their product has 4.5 about 1/3, bare ones 3 about 0."""
    return bowl(2.0, 0.5, 0.5), bowl(1.0, -1.0, 2.0)


# -- the gradient of its log-density -----------------------------------------------------------------------


def test_the_score_of_a_model_has_its_temperature_and_base(pair) -> None:
    x = torch.randn(6, 2, generator=generator(0))
    torch.testing.assert_close(gb.score_function(pair[0], x), -2.0 * (x - 0.5) / 0.5)
    torch.testing.assert_close(gb.score_function(pair[0].energy, x, temperature=2.0), -(x - 0.5))
    torch.testing.assert_close(gb.score_function(sum(pair[1:], pair[0]), x), -4 * (x - 0.5) - (x + 1) / 2)
    tilted = NetEnergy(Bowl(2.0, 0.5), SPEC, base=gb.Gaussian([0.0, 0.0], torch.eye(2)), temperature=0.5)
    torch.testing.assert_close(gb.score_function(tilted, x), -2.0 * (x - 0.5) / 0.5 - x)
    assert gb.score_function.__name__ == "score_function" and gb.score_function.__module__.endswith(
        "core.energy"
    )


@pytest.mark.parametrize(
    ("x", "more", "told"),
    [
        (torch.zeros(3, 2), {"temperature": 1.0}, "a model has its own"),
        (torch.zeros(3, 2, dtype=torch.uint8), {}, "x is of type uint8.*-2, 2"),
        (torch.zeros(3, 2, dtype=torch.long), {}, "x is of type int64"),
        (torch.zeros(3, 5), {}, r"shape \(3, 5\): this model takes points of shape \(B, 2\)"),
        (torch.zeros(2), {}, r"shape \(2,\)"),
        (np.zeros((3, 2)), {}, "torch.as_tensor makes a tensor"),
    ],
)
def test_points_that_have_no_score_are_refused_in_one_line(pair, x, more, told) -> None:
    with pytest.raises(UsageError, match=told):
        gb.score_function(pair[0], x, **more)


# -- products --------------------------------------------------------------------------------------------


def test_a_product_is_the_sum_of_neg_log_probs(pair) -> None:
    a, b = pair
    x = torch.randn(6, 2, generator=generator(0))
    wanted = a.energy(x) / 0.5 + b.energy(x) / 2.0
    for both in (gb.product(a, b), a + b):
        torch.testing.assert_close(both.neg_log_prob(x), wanted)
        torch.testing.assert_close(both.energy(x), wanted)
        assert both.temperature == 1.0 and both.claims_density and both.spec == SPEC
    torch.testing.assert_close(gb.product(a, b, a).neg_log_prob(x), wanted + a.neg_log_prob(x))
    b.claims_density = False
    assert not (a + b).claims_density


def test_a_product_of_two_temperatures_is_sampled_by_mala(pair) -> None:
    """Means and variances of 4,000 chains in two coordinates: z < 5, false alarm 3e-6."""
    n = 4000
    drawn = gb.sample(gb.product(*pair), n, kernel=gb.MALA(0.3), steps=80, seed=1)
    z = (drawn.x.mean(0) - 1 / 3).abs() * math.sqrt(4.5 * n)
    spread = (drawn.x.var(0) * 4.5 - 1).abs() * math.sqrt(n / 2)
    assert float(z.max()) < 5 and float(spread.max()) < 5
    torch.testing.assert_close(drawn.energy, gb.product(*pair).neg_log_prob(drawn.x).detach())


def test_what_is_no_product(pair) -> None:
    a, b = pair
    with pytest.raises(UsageError, match="two models or more, got 1"):
        gb.product(a)
    with pytest.raises(UsageError, match="all must be of data of one shape"):
        gb.product(a, bowl(1.0, 0.0, 1.0, DataSpec((3,), -1.0, 1.0)))
    with pytest.raises(UsageError, match="no sampler of its own: give a kernel"):
        (a + b).sample(4)
    with pytest.raises(UsageError, match="no labels"):
        (a + b).neg_log_prob(torch.zeros(2, 2), torch.zeros(2))
    with pytest.raises(UsageError, match="built by hand"):
        (a + b).save("nowhere")


def test_a_product_holds_its_parts_frozen_while_chains_run(pair) -> None:
    both, seen = gb.product(*pair).train(), []

    class Watched(gb.MALA):
        def step(self, *arguments, **more):
            seen.append((both.training, any(p.requires_grad for p in both.parameters())))
            return super().step(*arguments, **more)

    gb.sample(both, 2, kernel=Watched(0.1), steps=2)
    assert set(seen) == {(False, False)} and both.training and all(p.requires_grad for p in both.parameters())


# -- kernels and samplers of others ----------------------------------------------------------------------


def test_a_kernel_moves_on_the_density_of_the_label() -> None:
    model = bowl(1.0, 0.0, 0.5, DataSpec((2,), -2.0, 2.0, 3))
    drawn = gb.sample(model, 5, kernel=gb.MALA(0.2), steps=3, y=2)
    assert drawn.y.tolist() == [2] * 5
    torch.testing.assert_close(drawn.energy, model.neg_log_prob(drawn.x, drawn.y).detach())
    with pytest.raises(UsageError, match="class 3 is unknown"):
        gb.sample(model, 5, kernel=gb.MALA(0.2), y=3)


def test_any_sampler_of_a_kind_draws_from_any_model_of_it(tiny_run) -> None:
    """A model of score matching, drawn by the persistent chain of another paper."""
    model = tiny_run("score_matching", "toy:ring", NET).trainer.model
    noise = UniformNoise((2,), model.spec.low, model.spec.high)
    chain = ChainSampler(model, gb.Langevin(0.1), 4, noise)
    drawn = model.sample(3, rng=generator(2), sampler=chain)
    rng = generator(2)
    start = noise.draw(3, rng).position
    assert torch.equal(
        drawn.x, run(gb.Langevin(0.1), model.energy, start, steps=4, rng=rng).position.detach()
    )
    assert chain.temperature == model.temperature == 1.0


@pytest.mark.parametrize("name", ["nce", "score_matching"])
def test_a_metropolis_test_in_bfloat16_is_refused(name: str, tiny_run) -> None:
    """It would be one of rounding."""
    model = tiny_run(name, "toy:ring", NET).trainer.model
    with pytest.raises(UsageError, match="bf16") as caught:
        gb.sample(model, 2, kernel=gb.MALA(0.1), steps=2, options=RunOptions("bf16"))
    assert "\n" not in str(caught.value)


def test_energies_of_more_than_one_network_offer_no_scale(tiny_run) -> None:
    changes = {**NET, "generator.latent": 2, "generator.hidden": [8], "energy_first": 0}
    assert offered(tiny_run("gebm", "toy:ring", changes).trainer.model, Scalable) is None
    cold = bowl(1.0, 0.0, 0.0)
    assert offered(cold, Scalable) is cold  # it is one network, without a temperature
    with pytest.raises(UsageError, match="temperature 0"):
        cold.scale()
    assert bowl(1.0, 0.0, 0.5).scale() == 2.0


# -- models by hand --------------------------------------------------------------------------------------


class Flat(EnergyModel):
    """E(x) = 0, without a weight."""

    def energy(self, x, y=None):
        return 0 * x.sum(1)

    def neg_log_prob(self, x, y=None):
        return self.energy(x)


def test_a_model_without_weights_is_sampled_on_the_cpu() -> None:
    drawn = gb.sample(Flat(SPEC), 7, kernel=gb.Langevin(0.1), steps=2)
    assert drawn.x.shape == (7, 2) and drawn.x.device.type == "cpu"


def test_a_model_is_an_energy_wherever_a_callable_is(pair) -> None:
    a, _ = pair
    x = torch.zeros(3, 2)
    assert torch.equal(a(x), a.energy(x)) and gb.Product([a, a])(x).shape == (3,)
    assert gb.run(gb.MALA(0.02), a, x, steps=2, rng=0).position.shape == (3, 2)


@pytest.mark.parametrize("other", (1, nn.Linear(2, 1)))
def test_a_product_with_what_is_no_model_names_the_way(pair, other) -> None:
    with pytest.raises(UsageError, match=r"is of type \w+: for other energies take gibbsian.Product"):
        _ = pair[0] + other


def test_a_conditional_model_makes_no_density_of_a_product(pair) -> None:
    labelled = bowl(1.0, 0.0, 1.0, DataSpec((2,), -2.0, 2.0, 3))
    assert (pair[0] + pair[1]).claims_density and not (pair[0] + labelled).claims_density

"""Tuning: reaches its target from both sides, measures the metric, survives dead chains."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import Tensor, nn

from gibbsian.core.errors import GibbsianError, UsageError
from gibbsian.core.random import generator
from gibbsian.energies.analytic import Gaussian
from gibbsian.mcmc import HMC, MALA, Langevin, Underdamped, run, tune
from gibbsian.mcmc.tuning import _Moments

F64 = torch.float64
TARGET = Gaussian([0.0, 0.0, 0.0], [[1.0, 0.3, 0.0], [0.3, 0.5, 0.0], [0.0, 0.0, 2.0]], dtype=F64)
GHMC = Underdamped(0.1, friction=1.0, splitting="obabo", metropolis=True, leapfrogs=2)


def start(n: int = 200) -> Tensor:
    return TARGET.draw(n, generator(1))


@pytest.mark.parametrize("first", [1e-4, 1.0, 100.0])
@pytest.mark.parametrize(("kernel", "goal"), [(MALA(1.0), 0.574), (HMC(1.0, 3), 0.65), (GHMC, 0.8)])
def test_the_target_is_reached_from_both_sides(kernel, goal, first):
    kernel = dataclasses.replace(kernel, step_size=first)
    tuned = tune(kernel, TARGET, start(), generator(2), steps=150)
    assert type(tuned) is type(kernel)
    assert dataclasses.replace(tuned, step_size=first) == kernel
    chain = run(tuned, TARGET, start(), steps=20, rng=generator(3))
    assert chain.info.acceptance.mean() == pytest.approx(goal, abs=0.06)


def test_another_target():
    tuned = tune(MALA(0.1), TARGET, start(), generator(2), steps=150, target=0.9)
    acceptance = run(tuned, TARGET, start(), steps=20, rng=generator(3)).info.acceptance
    assert acceptance.mean() == pytest.approx(0.9, abs=0.03)


@pytest.mark.parametrize("kernel", [MALA(0.1), HMC(0.1, 3), GHMC], ids=["mala", "hmc", "ghmc"])
def test_dead_chains_poison_nothing(kernel):
    """A NaN leaf ruins ebmkit's shared step size for ever; here it changes nothing worth speaking of."""
    x = start(100)
    sound = tune(kernel, TARGET, x, generator(2), steps=150)
    x[0] = float("inf")
    x[1:40] = float("nan")
    tuned = tune(kernel, TARGET, x, generator(2), steps=150)
    assert tuned.step_size == pytest.approx(sound.step_size, rel=0.1)


def test_nan_proposals_count_as_rejections():
    def walled(x: Tensor) -> Tensor:
        return torch.where(x[:, 0].abs() > 1, float("nan"), x[:, 0] * 0)

    x = torch.zeros(200, 1, dtype=F64)
    tuned = tune(MALA(100.0), walled, x, generator(0), steps=200)
    acceptance = run(tuned, walled, x, steps=50, rng=generator(1)).info.acceptance.mean()
    assert acceptance == pytest.approx(0.574, abs=0.05)


def test_the_metric_is_the_variance_up_to_a_factor():
    """Scales from .01 to 100: with the metric one step size serves all coordinates, 20 times the first."""
    var = torch.tensor([1e-4, 1.0, 1e4], dtype=F64)
    x = torch.randn(200, 3, generator=generator(1), dtype=F64) * var.sqrt()
    x[0] = float("nan")
    tuned = tune(
        HMC(0.01, leapfrogs=5), lambda x: (x**2 / var / 2).sum(1), x, generator(2), steps=200, metric=True
    )
    (metric,) = tuned.metric
    assert metric.shape == (3,) and metric.log().mean().abs() < 1e-9
    assert torch.allclose(metric / var, (metric / var)[0].expand(3), rtol=0.3)
    assert tuned.step_size > 0.2


def test_moments_of_batches_are_those_of_all_rows():
    x = torch.randn(60, 3, generator=generator(0)) * torch.tensor([0.1, 1.0, 10.0])
    x[40:] += 5
    moments = _Moments()
    for part in x.split([10, 30, 20]):
        moments.add(part)
    variance = x.double().var(0, correction=0)
    torch.testing.assert_close(moments.metric(), ((variance / variance.log().mean().exp()).float(),))


def test_the_metric_of_a_pair_has_a_tensor_a_leaf():
    def energy(pair: tuple[Tensor, Tensor]) -> Tensor:
        return (pair[0] ** 2 / 2).sum(1) + (pair[1] ** 2 / 0.02).flatten(1).sum(1)

    x = (torch.randn(100, 2, generator=generator(1)), 0.1 * torch.randn(100, 2, 2, generator=generator(2)))
    tuned = tune(MALA(0.01), energy, x, generator(0), steps=100, metric=True)
    assert [tuple(m.shape) for m in tuned.metric] == [(2,), (2, 2)]
    assert all(m.dtype == torch.float32 for m in tuned.metric)
    assert tuned.metric[0].mean() > 20 * tuned.metric[1].mean()


def test_the_start_is_left_alone_and_the_kernel_is_new():
    x, kernel = start(), MALA(0.1)
    before = x.clone()
    assert tune(kernel, TARGET, x, generator(0), steps=20) is not kernel
    assert torch.equal(x, before) and kernel.step_size == 0.1


@pytest.mark.parametrize(
    ("kernel", "options", "message"),
    [
        (Langevin(0.1), {}, "nothing to tune"),
        (Underdamped(0.1, 1.0), {}, "nothing to tune"),
        (GHMC, {"metric": True}, "no metric"),
        (MALA(0.1), {"steps": 5}, "steps is 5"),
        (MALA(0.1), {"target": 1.0}, "target is 1"),
    ],
)
def test_bad_requests_are_refused(kernel, options, message):
    with pytest.raises(UsageError, match=message):
        tune(kernel, TARGET, start(5), generator(0), **options)


def test_no_living_chain_is_an_expected_failure():
    with pytest.raises(GibbsianError, match="no chain has a finite energy"):
        tune(MALA(0.1), TARGET, torch.full((3, 3), float("nan")), generator(0))


def test_tuning_takes_a_seed_and_freezes_the_network():
    net = nn.Sequential(nn.Linear(2, 4), nn.SiLU(), nn.Dropout(0.5), nn.Linear(4, 1))
    x, stream = torch.ones(16, 2), torch.get_rng_state()

    def energy(x):
        return net(x)[:, 0] + x.square().sum(1)

    kernels = [tune(MALA(0.5), energy, x, 0, steps=20) for _ in range(2)]
    assert kernels[0] == kernels[1] and net.training
    assert torch.equal(torch.get_rng_state(), stream)

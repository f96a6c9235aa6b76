"""log Z by annealing, against closed forms, a grid, and faults of its parts."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

import gibbsian as gb
from gibbsian.core.errors import GibbsianError, UsageError
from gibbsian.core.random import generator
from gibbsian.energies.analytic import Gaussian, GaussianMixture
from gibbsian.energies.binary import RBM, Ising
from gibbsian.mcmc.annealed import Annealed
from gibbsian.tasks.partition import path as path_module
from gibbsian.tasks.partition.measure import log_partition
from gibbsian.tasks.partition.quadrature import quadrature
from gibbsian.tasks.partition.result import Run, above, summed

F64 = torch.float64


def gaussian(d: int) -> Gaussian:
    rng = generator(d)
    a = torch.randn(d, d, generator=rng, dtype=F64)
    return Gaussian(3 * torch.randn(d, generator=rng, dtype=F64), a @ a.T / d + 0.1 * torch.eye(d, dtype=F64))


@pytest.mark.parametrize(
    ("d", "within"), [(2, 0.05), (10, 0.05), pytest.param(100, 0.1, marks=pytest.mark.slow)]
)
def test_gaussians_have_their_constant(d, within):
    target = gaussian(d)
    found = log_partition(target, event_shape=(d,), rng=1)
    assert abs(found.value - target.log_z) < within and abs(found.gap) < 2 * within
    assert found.low - 0.02 < target.log_z < found.high + 0.02


def test_modes_apart_are_all_counted():
    mixture = GaussianMixture([0.5, 0.3, 0.2], [[-3.0, 0.0], [3.0, 0.0], [0.0, 4.0]], std=0.6)
    found = log_partition(mixture, event_shape=(2,), rng=1)
    assert abs(found.value) < 0.1 and abs(found.gap) < 0.2


def test_a_network_in_the_plane_against_a_grid():
    """And a constant added to an energy is taken off log Z."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = nn.Sequential(nn.Linear(2, 32), nn.SiLU(), nn.Linear(32, 1)).requires_grad_(False)
        net[0].weight.mul_(3)
        net[2].weight.mul_(3)

    def energy(x: Tensor) -> Tensor:
        return net(x).squeeze(1) + x.square().sum(1) / 4

    truth = quadrature(energy, event_shape=(2,)).value
    found = log_partition(energy, event_shape=(2,), rng=2)
    assert abs(found.value - truth) < 0.05
    moved = log_partition(lambda x: energy(x) + 7, event_shape=(2,), rng=2)
    assert abs(moved.value + 7 - found.value) < 0.01  # float32


def test_temperature_and_events_of_any_shape():
    """exp(-|x|^2 / 2T) on images of 2 x 2."""
    found = log_partition(
        lambda x: x.square().flatten(1).sum(1) / 2, event_shape=(1, 2, 2), temperature=3.0, rng=0
    )
    assert abs(found.value - 2 * math.log(2 * math.pi * 3)) < 0.05


def test_seeds_repeat_it():
    target = gaussian(2)
    assert log_partition(target, event_shape=(2,), rng=5) == log_partition(target, event_shape=(2,), rng=5)


def test_it_is_a_name_of_the_library():
    assert gb.log_partition(gaussian(2), event_shape=(2,), rng=5) == log_partition(
        gaussian(2), event_shape=(2,), rng=5
    )


@pytest.mark.parametrize(
    "options", [{"temperature": 0.0}, {"particles": 9}, {"runs": 1}, {"kept": 1.0}, {"moves": 0}]
)
def test_arguments_out_of_range(options):
    with pytest.raises(UsageError, match=next(iter(options))):
        log_partition(gaussian(2), event_shape=(2,), **options)


def test_an_energy_that_is_nowhere_finite():
    with pytest.raises(GibbsianError, match="finite at none"):
        log_partition(lambda x: x.sum(1) * torch.nan, event_shape=(2,), rng=0)


def test_a_density_that_cannot_be_normalised_is_told(monkeypatch):
    monkeypatch.setattr(path_module, "MOST", 20)
    with pytest.raises(GibbsianError, match="integrable"):
        log_partition(lambda x: -10 * x.square().sum(1), event_shape=(2,), rng=0)


@pytest.mark.parametrize(("coupling", "field"), [(0.4, 0.0), (0.44, 0.1), (0.7, -0.2)])
def test_ising_is_bracketed(coupling, field):
    target = Ising(4, 4, coupling, field)
    found = log_partition(target, event_shape=(4, 4), values=(-1, 1), rng=1, particles=2000)
    assert abs(found.value - target.log_z) < 0.04 and abs(found.thermodynamic - target.log_z) < 0.05
    assert found.low - 0.01 < target.log_z < found.high + 0.01
    assert found.lower - 0.03 < target.log_z < min(found.upper, found.upper_forward) + 0.05


def test_an_rbm_is_bracketed():
    rng = generator(0)
    parts = [torch.randn(n, generator=rng) for n in ((12, 6), (12,), (6,))]
    target = RBM(*parts)
    found = log_partition(target, event_shape=(12,), values=(0, 1), rng=1)
    assert abs(found.value - target.log_z) < 0.05 and abs(found.thermodynamic - target.log_z) < 0.05
    assert found.low - 0.02 < target.log_z < found.high + 0.02


def test_the_integral_and_the_bound_of_a_gaussian():
    target = gaussian(10)
    found = log_partition(target, event_shape=(10,), rng=3)
    assert abs(found.thermodynamic - target.log_z) < 0.05 and abs(found.upper_forward - target.log_z) < 0.05


@pytest.mark.parametrize("target", [gaussian(10), Ising(4, 4, 0.44, 0.1)], ids=["gaussian", "ising"])
def test_annealed_importance_sampling_without_resampling(target):
    values = (-1, 1) if isinstance(target, Ising) else None
    found = log_partition(target, event_shape=target.event, values=values, rng=2, resampling=0.0)
    assert abs(found.value - target.log_z) < 0.05 and 0.05 < found.ess < 1
    assert found.lower - 0.05 < target.log_z < found.upper + 0.05
    with pytest.raises(UsageError, match="resampling is 2"):
        log_partition(target, event_shape=target.event, resampling=2)


def test_labelled_rows_to_begin_at_find_modes_that_noise_does_not():
    """Two modes 60 apart: from N(0, I) one is found, from rows of both classes both are."""
    target = GaussianMixture([0.5, 0.5], [[-30.0, 0.0], [30.0, 0.0]], std=0.5)
    x, y = target.draw(1000, 0), torch.zeros(1000, dtype=torch.long)
    found = log_partition(target, event_shape=(2,), rng=1, start=(x, (x[:, 0] > 0).long() + y))
    assert abs(found.value) < 0.03


def test_the_bound_holds_whatever_the_other_run_said():
    assert above(2.0, 2.0) == 2.0 and above(2.0, 1.0) > 2.0 and above(2.0, 3.0) > 2.0
    assert above(2000.0, 1.0) == math.inf


@pytest.mark.parametrize(
    "start",
    [torch.zeros(5, 3), torch.zeros(1, 2), (torch.zeros(5, 2), torch.zeros(4))],
)
def test_rows_to_begin_at_that_do_not_fit(start):
    with pytest.raises(UsageError, match="start has"):
        log_partition(gaussian(2), event_shape=(2,), start=start)


def test_bits_begin_at_bits():
    with pytest.raises(UsageError, match="independent bits"):
        log_partition(Ising(2, 2), event_shape=(2, 2), values=(-1, 1), start=torch.zeros(5, 2, 2))


def test_the_interval_is_over_runs_and_holds_the_gap():
    def made(log_z: float) -> Annealed:
        return Annealed(torch.full((4,), log_z, dtype=F64), torch.zeros(4, 2), 0.5)

    found = summed([Run(made(1.0), 1.2, 1.0), Run(made(1.1), 1.3, 2.0)], 7, 1.0)
    assert (found.lower, found.upper) == pytest.approx((1.05, 1.25)) and found.value == pytest.approx(1.15)
    assert found.high - found.value == pytest.approx(12.706 * 0.1 / 2, rel=1e-3)
    apart = summed([Run(made(1.0), 3.0, 1.0)] * 2, 7, 1.0)
    assert (apart.low, apart.high) == pytest.approx((1.0, 3.0)) and apart.gap == pytest.approx(2.0)
    assert found.ess == pytest.approx(1.0) and found.largest == pytest.approx(0.25)
    assert found.thermodynamic == pytest.approx(1.5)
    assert found.upper_forward == pytest.approx((1.0 + above(1.1, 1.0)) / 2)
    assert "log Z = 1.15" in str(found)

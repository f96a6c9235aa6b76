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
from gibbsian.mcmc import HMC
from gibbsian.mcmc.annealed import Annealed
from gibbsian.tasks import tempering
from gibbsian.tasks.partition import log_partition, summed
from gibbsian.tasks.tempering import Level, Normal, fitted, longest, path, path_back

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

    side = torch.linspace(-12, 12, 600)
    grid = torch.cartesian_prod(side, side)
    truth = float((-energy(grid).double()).logsumexp(0)) + 2 * math.log(float(side[1] - side[0]))
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
    monkeypatch.setattr(tempering, "MOST", 20)
    with pytest.raises(GibbsianError, match="integrable"):
        log_partition(lambda x: -10 * x.square().sum(1), event_shape=(2,), rng=0)


# Parts.


def test_the_normal_is_normalised_and_draws_itself():
    rng = generator(0)
    factor = torch.tensor([[2.0, 0.0], [0.5, 0.3]], dtype=F64)
    base = Normal((2, 1), torch.tensor([1.0, -2.0], dtype=F64), factor)
    x = base.draw(20_000, rng, F64)
    expected = torch.distributions.MultivariateNormal(base.mean, scale_tril=factor).log_prob(x.flatten(1))
    torch.testing.assert_close(-base(x), expected)
    torch.testing.assert_close(torch.cov(x.flatten(1).T), factor @ factor.T, rtol=0.05, atol=0.02)


def test_the_fitted_normal_is_a_little_wider():
    x = gaussian(3).draw(5000, generator(1)).reshape(5000, 3, 1)
    base = fitted(x, (3, 1))
    cov = tempering.WIDER**2 * torch.cov(x.flatten(1).double().T)
    torch.testing.assert_close(base.factor @ base.factor.T, cov, rtol=1e-3, atol=1e-3)
    alone = fitted(x[:20], (3, 1))  # too few for a covariance
    assert torch.equal(alone.factor, alone.factor.diagonal().diag())


def test_the_longest_step_keeps_the_share():
    rate = torch.randn(1000, generator=generator(0), dtype=F64)
    step = longest(rate, 10.0, 0.8)
    w = (step * rate).softmax(0)
    assert abs(float(1 / w.square().sum()) / 1000 - 0.8) < 1e-3
    assert longest(rate, 0.01, 0.8) == 0.01


def test_the_way_back_is_the_way_there_backwards():
    base = Normal((2,), torch.zeros(2, dtype=F64), torch.eye(2, dtype=F64))
    target = gaussian(2)
    levels = [Level(share, HMC(h, leapfrogs=1)) for share, h in ((0.25, 0.1), (0.5, 0.2), (1.0, 0.3))]
    there, back = (make(base, target, levels, 2) for make in (path, path_back))
    x = torch.randn(4, 2, generator=generator(0), dtype=F64)
    quarter = 0.75 * base(x) + 0.25 * target(x)
    torch.testing.assert_close(there[0].to(x), quarter)
    torch.testing.assert_close(back[-1].energy(x), quarter)
    assert there[0].energy is base and there[-1].to is target and back[0].energy is target
    assert back[-1].to is base
    assert [s.kernel.step_size for s in there] == [0.1, 0.2, 0.3]
    # A kernel keeps the energy where its step ends, and so the one before on the way back.
    assert [s.kernel.step_size for s in back] == [0.2, 0.1, 0.1]


def test_the_interval_is_over_runs_and_holds_the_gap():
    def made(log_z: float) -> Annealed:
        return Annealed(torch.full((4,), log_z, dtype=F64), torch.zeros(4, 2), 0.5)

    found = summed([(made(1.0), 1.2), (made(1.1), 1.3)], 7)
    assert (found.lower, found.upper) == pytest.approx((1.05, 1.25)) and found.value == pytest.approx(1.15)
    assert found.high - found.value == pytest.approx(12.706 * 0.1 / 2, rel=1e-3)
    apart = summed([(made(1.0), 3.0), (made(1.0), 3.0)], 7)
    assert (apart.low, apart.high) == pytest.approx((1.0, 3.0)) and apart.gap == pytest.approx(2.0)
    assert found.ess == pytest.approx(1.0) and found.largest == pytest.approx(0.25)
    assert "log Z = 1.15" in str(found)

"""Sums over a grid, against closed forms and SciPy."""

from __future__ import annotations

import math

import pytest
import torch
from scipy import integrate

import gibbsian as gb
from gibbsian.core.errors import GibbsianError, UsageError
from gibbsian.tasks.partition.quadrature import quadrature

F64 = torch.float64


@pytest.mark.parametrize("d", [1, 2, 3])
def test_gaussians(d):
    rng = gb.generator(d)
    a = torch.randn(d, d, generator=rng, dtype=F64)
    target = gb.Gaussian(20 * torch.randn(d, generator=rng, dtype=F64), a @ a.T / d + 0.1 * torch.eye(d))
    found = quadrature(target, event_shape=(d,), dtype=F64)
    assert found.value == pytest.approx(target.log_z, abs=1e-6) and found.error <= 1e-4


def test_a_quartic_against_scipy_and_a_temperature():
    def energy(x):
        return (x[..., 0] ** 4 / 4 - x[..., 0]).flatten()

    truth = math.log(integrate.quad(lambda t: math.exp(-(t**4 / 4 - t) / 2), -10, 10)[0])
    found = quadrature(energy, event_shape=(1,), temperature=2.0, dtype=F64)
    assert found.value == pytest.approx(truth, abs=1e-8)


def test_a_box_of_ones_own_and_its_half_cells_at_the_ends():
    """A density that does not vanish at the ends: exp(-x) on [0, 1] by the trapezoid rule."""
    found = quadrature(lambda x: x.sum(1), event_shape=(1,), box=((0.0, 1.0),), dtype=F64)
    assert found.value == pytest.approx(math.log(1 - math.exp(-1)), abs=1e-6)


def test_events_of_any_shape_and_walls():
    def disc(x):
        r = x.flatten(1).square().sum(1)
        return torch.where(r < 1, 0.0, math.inf)

    found = quadrature(disc, event_shape=(1, 1, 2), tolerance=1e-3)
    assert found.value == pytest.approx(math.log(math.pi), abs=2e-3)


def test_a_model_in_its_own_type():
    net = gb.MLP((2,), gb.MLPConfig(hidden=(8,)))
    tied = gb.Product([net, gb.Tether(torch.zeros(1, 2), 1.0)])
    assert math.isfinite(quadrature(tied, event_shape=(2,)).value)


@pytest.mark.parametrize(
    "options",
    [
        {"event_shape": (4,)},
        {"event_shape": (2,), "temperature": 0.0},
        {"event_shape": (2,), "box": ((0, 1),)},
        {"event_shape": (1,), "box": ((1, 0),)},
    ],
)
def test_arguments_out_of_range(options):
    with pytest.raises(UsageError, match="box is|event_shape is"):
        quadrature(lambda x: x.square().flatten(1).sum(1), **options)


def test_what_has_no_integral_is_told():
    with pytest.raises(GibbsianError, match="not integrable"):
        quadrature(lambda x: x[:, 0] * 0, event_shape=(1,))
    with pytest.raises(GibbsianError, match="finite nowhere"):
        quadrature(lambda x: x[:, 0] * math.nan, event_shape=(1,))


def test_a_needle_is_told():
    with pytest.raises(GibbsianError, match="give box="):
        quadrature(lambda x: 1e12 * x.square().sum(1), event_shape=(3,), box=((-1, 1),) * 3)

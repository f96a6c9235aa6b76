"""Kernels of `sample --kernel`."""

from __future__ import annotations

import pytest
import torch

from gibbsian.cli.kernels import KERNELS, HmcOptions, MalaOptions, UnderdampedOptions, build, kernel_options
from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator
from gibbsian.energies.algebra import Tempered
from gibbsian.energies.analytic import Skewed
from gibbsian.mcmc.base import run

T = 0.01
CHOICES = [
    ("mala", MalaOptions(0.3)),
    ("hmc", HmcOptions(0.2, 3, 0.2)),
    ("underdamped", UnderdampedOptions(0.2, 1.5, 2)),
]


@pytest.mark.parametrize(("name", "options"), CHOICES, ids=[c[0] for c in CHOICES])
def test_options_are_those_of_energy_over_temperature(name, options):
    """(E, T) and (E/T, 1) are one chain, draw by draw."""
    target = Skewed((2.0, 0.7), dtype=torch.float64)
    x = target.draw(50, generator(0))

    def cold(x):
        return T * target(x)

    ends = []
    for energy, temperature in ((cold, T), (Tempered(cold, T), 1.0)):
        kernel = build(name, options, temperature, energy, x, generator(1))
        ends.append(run(kernel, energy, x, steps=20, rng=generator(2)).position)
    assert (ends[0] - ends[1]).abs().max() < 1e-9
    assert (ends[0] - x).abs().max() > 0.1


@pytest.mark.parametrize("name", [n for n, line in KERNELS.items() if line.exact])
def test_without_a_step_size_the_kernel_is_tuned(name):
    target = Skewed((2.0, 0.7), dtype=torch.float64)
    x = target.draw(200, generator(0))
    kernel = build(name, KERNELS[name].options(), 1.0, target, x, generator(1))
    info = run(kernel, target, x, steps=10, rng=generator(2)).info
    assert kernel.exact and 0.4 < float(info.acceptance.mean()) < 0.95


def test_options_without_a_kernel_are_refused():
    assert kernel_options(None, {}) is None
    with pytest.raises(UsageError, match="needs a kernel"):
        kernel_options(None, {"kernel.step_size": 1.0})
    assert kernel_options("hmc", {"kernel.leapfrogs": 3}) == HmcOptions(leapfrogs=3)

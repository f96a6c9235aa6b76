"""Kernels of `sample --kernel`."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from gibbsian.cli.kernels import (
    KERNELS,
    STILL,
    HmcOptions,
    LangevinOptions,
    MalaOptions,
    UnderdampedOptions,
    build,
    kernel_options,
    with_kernel,
)
from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator
from gibbsian.energies.algebra import Tempered
from gibbsian.energies.analytic import Skewed
from gibbsian.mcmc.base import run
from gibbsian.mcmc.underdamped import Underdamped
from gibbsian.models.sampler import WrappedSampler
from gibbsian.models.samples import draw_samples

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
        kernel = build(options, temperature, energy, x, generator(1))
        ends.append(run(kernel, energy, x, steps=20, rng=generator(2)).position)
    assert (ends[0] - ends[1]).abs().max() < 1e-9
    assert (ends[0] - x).abs().max() > 0.1


@pytest.mark.parametrize("name", [n for n, line in KERNELS.items() if line.exact])
def test_without_a_step_size_the_kernel_is_tuned(name):
    target = Skewed((2.0, 0.7), dtype=torch.float64)
    x = target.draw(200, generator(0))
    kernel = build(KERNELS[name].options(), 1.0, target, x, generator(1))
    info = run(kernel, target, x, steps=10, rng=generator(2)).info
    assert kernel.exact and 0.4 < float(info.acceptance.mean()) < 0.95


def test_options_without_a_kernel_are_refused():
    assert kernel_options(None, {}) is None
    with pytest.raises(UsageError, match="needs a kernel"):
        kernel_options(None, {"kernel.step_size": 1.0})
    assert kernel_options("hmc", {"kernel.leapfrogs": 3}) == HmcOptions(leapfrogs=3)


@pytest.mark.parametrize("pair", [False, True])
@pytest.mark.parametrize("start", ["default", "base"])
@pytest.mark.parametrize("name", ["langevin", *[n for n, line in KERNELS.items() if line.exact]])
def test_latents_are_moved_on_after_any_sampler(tilted, name, start, pair):
    """Pairs of latents, and samplers whose last stage has no steps: then a hundred are made."""
    model = tilted((2,), pair, steps=4)
    sampler = with_kernel(model, model.sampler(start), name, KERNELS[name].options(0.2), None)
    chains = draw_samples(model, sampler, 5, rng=generator(0)).chains
    own = 4 if start == "default" else 0
    wanted = [own] if name == "langevin" else [own, own or STILL]
    assert [c.info.steps for c in chains] == wanted
    assert isinstance(chains[-1].position, tuple) == pair
    if name != "langevin":
        assert chains[-1].info.acceptance.mean() > 0.3
        short = draw_samples(model, sampler, 5, rng=generator(0), steps=3).chains[-1]
        assert short.info.steps == 3


@pytest.mark.parametrize("name", ["mala", "hmc", "underdamped"])
def test_kernels_are_tuned_on_pairs(tilted, name):
    model = tilted((2,), pair=True, steps=4)
    sampler = with_kernel(model, model.sampler(), name, KERNELS[name].options(), None)
    last = draw_samples(model, sampler, 200, rng=generator(0), steps=10).chains[-1]
    acceptance = last.info.acceptance
    assert 0.3 < float(acceptance.mean()) < 0.97


def test_a_chain_with_velocity_is_not_replaced_by_langevin(tilted):
    model = tilted((2,))

    def kinetic(n, rng, *, y=None, steps=None):
        yield replace(next(model.sampler().stages(n, rng)), kernel=Underdamped(0.1, 1.0))

    moved = WrappedSampler(model.sampler(), kinetic)
    with pytest.raises(UsageError, match="no Langevin chain"):
        draw_samples(
            model, with_kernel(model, moved, "langevin", LangevinOptions(), None), 5, rng=generator(0)
        )

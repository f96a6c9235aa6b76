"""Problems are the same each time they are built, and are what they say."""

from __future__ import annotations

import pytest
import torch

from benchmarks.problems import chains, latent_chains, updates
from gibbsian.energies.latent import PullBack
from gibbsian.mcmc.settings import ChainConfig
from gibbsian.nets.settings import ConvConfig, MLPConfig

CPU = torch.device("cpu")
NET = MLPConfig(hidden=(8,))
CONV = ConvConfig(channels=(2,), kernels=(5,), strides=(4,), pool="flatten", activation="swish")


def same_weights(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def test_chains_are_built_alike_and_apart():
    one, other = (chains(NET, (2,), 5, 3, 0.01, 0.1, CPU) for _ in range(2))
    assert torch.equal(one.x0, other.x0) and same_weights(one.energy, other.energy)
    assert one.energy is not other.energy
    assert one.x0.shape == (5, 2) and one.temperature == pytest.approx(1.0)


def test_images_start_in_the_range_of_pixels():
    x0 = chains(CONV, (1, 8, 8), 50, 3, 2.0, 0.01, CPU).x0
    assert x0.shape == (50, 1, 8, 8)
    assert -1 <= float(x0.min()) < -0.9 and 0.9 < float(x0.max()) <= 1


def test_a_pull_back_is_that_of_the_library():
    problem = latent_chains(CONV, (1, 28, 28), 3, 2, 0.01, CPU)
    energy = problem.energy
    expected = PullBack(energy.energy, energy.generator)(problem.x0)
    torch.testing.assert_close(energy(problem.x0), expected, rtol=0, atol=0)
    assert energy.generator(problem.x0).shape == (3, 1, 28, 28)


def test_updates_are_built_alike_and_keep_plain_chains():
    one, other = (updates(NET, (2,), 4, ChainConfig(3, 0.01, 0.1), 2, CPU, capacity=16) for _ in range(2))
    assert torch.equal(one.batch.x, other.batch.x) and same_weights(one.learner, other.learner)
    config = one.learner.config
    assert config.chain.samples_density and config.pixels.noise == 0 and config.loss.energy_l2 == 0


def test_building_leaves_the_global_stream_alone():
    before = torch.random.get_rng_state()
    updates(NET, (2,), 4, ChainConfig(3, 0.01, 0.1), 2, CPU, capacity=16)
    latent_chains(CONV, (1, 28, 28), 3, 2, 0.01, CPU)
    assert torch.equal(before, torch.random.get_rng_state())

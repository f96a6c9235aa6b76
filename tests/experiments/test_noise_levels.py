"""What docs/noise-energy.md is measured by: the grid's answers on densities that are known."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from experiments.noise_levels import wells
from experiments.noise_levels.plane import known, measured

SIGMA = 0.1


class Truth(nn.Module):
    """-log p of the noised data by brute force, as a model, with something wrong."""

    def __init__(self, density, shift=0.0, tilt=0.0):
        super().__init__()
        self.density, self.shift, self.tilt = density, shift, tilt

    def neg_log_prob(self, x):
        offsets = SIGMA * torch.randn(400, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        found = [
            (self.density.log_density((x[:, None].double() - part).flatten(0, 1)).view(len(x), -1)).exp()
            for part in offsets.split(50)
        ]
        return -(torch.cat(found, 1).mean(1) + 1e-30).log() + self.shift + self.tilt * x[:, 0].double()


@pytest.fixture
def coarse(monkeypatch):
    monkeypatch.setattr("experiments.noise_levels.plane.POINTS", 100)


def test_the_truth_has_no_error_and_an_offset_is_log_z(coarse):
    ring = known("ring")
    found = measured(Truth(ring.density, shift=0.7), ring, SIGMA)
    assert found["kl"] == pytest.approx(0, abs=0.01)
    assert found["weights"] < 0.01
    assert found["log_z"] == pytest.approx(-0.7, abs=0.02)


def test_wrong_weights_are_seen(coarse):
    ring = known("ring")
    found = measured(Truth(ring.density, tilt=0.5), ring, SIGMA)
    assert found["kl"] > 0.02
    assert found["weights"] > 0.02


@pytest.mark.parametrize(("name", "modes"), [("ring", 8), ("checkerboard", 8), ("moons", 2)])
def test_every_mode_has_its_share_of_the_rows(name, modes):
    truth = known(name)
    assert truth.modes.shape == (modes, 2)
    near = torch.cdist(truth.draw(8000), truth.modes.float()).argmin(1)
    shares = near.bincount(minlength=modes) / 8000
    want = torch.arange(1, 9) / 36 if name == "ring" else torch.full((modes,), 1 / modes)
    assert float((shares - want).abs().max()) < (0.04 if name == "moons" else 0.02)


def test_the_true_energy_of_two_wells():
    x = torch.zeros(1, wells.D)
    narrow = wells.D / 2 * math.log(2 * math.pi * (1 / 9 + 0.01)) + math.log(2)
    assert float(wells.true_energy(x, 0.1)) == pytest.approx(narrow, rel=1e-6)

"""What docs/noise-energy.md is measured by: the grid's answers on densities that are known."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

import gibbsian as gb
from experiments.noise_levels import wells
from experiments.noise_levels.likelihood import Flow, Normal, fitted, gaussians
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


def test_class_gaussians_are_a_mixture_with_shares():
    digits = gb.dataset("digits")
    rows, x = torch.arange(300), digits.batch(torch.arange(300, 320), -1.0, 1.0).x
    alone = [gaussians(digits, [part], x, 0.2) for part in rows.split([100, 200])]
    both = gaussians(digits, list(rows.split([100, 200])), x, 0.2)
    torch.testing.assert_close(both, torch.stack(alone).logsumexp(0))
    one = digits.batch(rows, -1.0, 1.0).x.flatten(1).double()
    density = torch.distributions.MultivariateNormal(one.mean(0), one.T.cov() + 0.04 * torch.eye(64))
    want = density.log_prob(x.flatten(1).double()) + math.log(300 / len(digits))
    torch.testing.assert_close(gaussians(digits, [rows], x, 0.2), want, rtol=0, atol=0.1)


def test_the_bound_of_the_vae_is_below_log_p():
    """Of data that are normal, whose log p is known, with the VAE trained for a second."""
    torch.manual_seed(0)
    grey = (127.5 + 25 * torch.randn(4000, 4, 4)).clamp(0, 255).byte()
    data = gb.dataset(grey)
    x = data.batch(torch.arange(500), -1.0, 1.0).x + 0.1 * torch.randn(500, 1, 4, 4)
    model = Normal(data.event_shape, 0.1)
    updates = fitted(model, data, x, 0.1, 1 / 15, 0)
    deviation = ((25 / 127.5) ** 2 + 0.01) ** 0.5
    exact = float(torch.distributions.Normal(0.0, deviation).log_prob(x).flatten(1).sum(1).mean())
    bound = float(model.log_prob(x, torch.Generator().manual_seed(0)).detach().mean())
    assert updates > 5
    assert exact - 20 < bound < exact + 0.5
    flow = Flow(data.batch(torch.arange(4000), -1.0, 1.0).x, 0.1)  # the Gaussian, until it is trained
    assert float(flow.log_prob(x, torch.Generator()).detach().mean()) == pytest.approx(exact, abs=0.1)
    fitted(flow, data, x, 0.1, 1 / 120, 0)
    assert float(flow.log_prob(x, torch.Generator()).detach().mean()) > exact - 1

"""The exactness tests on compiled chains: moments stay, and known biases are the known ones.

As in `test_invariance`: N independent chains, each moment a mean of N numbers, |z| < 4.5. False alarms
6.8e-6 a moment, below 5e-4 for the about 65 moments of this file; the seeds are fixed, so a failure means a
change. Code is really generated, which takes some ten seconds a test.
"""

from __future__ import annotations

import os
import shutil

import pytest
import torch
from torch import Tensor

from gibbsian.core.random import generator
from gibbsian.energies.analytic import Gaussian, Skewed
from gibbsian.mcmc import HMC, MALA, Langevin, Underdamped, run
from gibbsian.mcmc.engine.engine import ENGINE

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(shutil.which(os.environ.get("CXX", "g++")) is None, reason="no C++ compiler here"),
    pytest.mark.filterwarnings("ignore:.torch.jit.*is deprecated:DeprecationWarning"),
]

Z = 4.5
F64 = torch.float64
CHAINS = 60_000
GAUSSIAN = Gaussian([0.5, -1.0, 0.0], [[1.0, 0.6, 0.2], [0.6, 0.8, -0.1], [0.2, -0.1, 0.3]], dtype=F64)
SKEWED = Skewed((2.0, 0.7), dtype=F64)
EXACT = {
    "mala": lambda s: MALA(s),
    "hmc": lambda s: HMC(s**0.5 * 0.8, leapfrogs=3, jitter=0.5),
    "ghmc": lambda s: Underdamped(
        s**0.5 * 0.8, friction=1.0, splitting="obabo", metropolis=True, leapfrogs=2
    ),
}
exact_kernels = pytest.mark.parametrize("name", EXACT)


@pytest.fixture(autouse=True)
def nothing_failed():
    """Each test must really have been compiled."""
    ENGINE.forget_failures()
    yield
    assert not ENGINE.failed


def z_scores(samples: Tensor, truth: Tensor) -> Tensor:
    """Standardised errors of the mean of `samples` `(N, ...)` against `truth`."""
    return (samples.mean(0) - truth) / (samples.std(0) / samples.shape[0] ** 0.5)


def monomials(x: Tensor) -> Tensor:
    """All x_i, x_i x_j (i <= j) and x_i^3, `(N, M)`."""
    i, j = torch.triu_indices(x.shape[1], x.shape[1])
    return torch.cat([x, x[:, i] * x[:, j], x**3], dim=1)


@exact_kernels
def test_gaussian_with_full_covariance(name):
    mean, cov = GAUSSIAN.mean, GAUSSIAN.cov
    i, j = torch.triu_indices(3, 3)
    truth = torch.cat([mean, cov[i, j] + mean[i] * mean[j], mean**3 + 3 * mean * cov.diagonal()])
    start = GAUSSIAN.draw(CHAINS, generator(20))
    chain = run(EXACT[name](0.5), GAUSSIAN, start, steps=8, rng=generator(21), compile=True)
    assert 0.25 < chain.info.acceptance.mean() < 0.97
    assert z_scores(monomials(chain.position), truth).abs().max() < Z


@exact_kernels
def test_smooth_skewed_target(name):
    """Asymmetric, so that a sign error cannot cancel."""
    mean, var, third = SKEWED.mean, SKEWED.var, torch.polygamma(2, SKEWED.shape)
    second = torch.stack([var[0] + mean[0] ** 2, mean[0] * mean[1], var[1] + mean[1] ** 2])
    truth = torch.cat([mean, second, third + 3 * mean * var + mean**3])
    start = SKEWED.draw(CHAINS, generator(22))
    chain = run(EXACT[name](1.0), SKEWED, start, steps=8, rng=generator(23), compile=True)
    assert 0.25 < chain.info.acceptance.mean() < 0.97
    assert z_scores(monomials(chain.position), truth).abs().max() < Z


@pytest.mark.parametrize("scheduled", [False, True])
@pytest.mark.parametrize("precision", [0.5, 2.0])
def test_unadjusted_langevin_has_its_closed_form_bias(precision, scheduled):
    """Variance T / (lambda (1 - s lambda / 4)), with numbers of the kernel or of a schedule."""
    s, temperature = 0.8, 0.7
    truth = temperature / (precision * (1 - s * precision / 4))
    kernel = Langevin(s, temperature)
    if scheduled:
        kernel = Langevin(
            0.1, 9.0, step_size_schedule=lambda k: s, temperature_schedule=lambda k: temperature
        )
    start = torch.randn(40_000, 1, generator=generator(24), dtype=F64) * truth**0.5
    chain = run(
        kernel, lambda x: precision * x[:, 0] ** 2 / 2, start, steps=40, rng=generator(25), compile=True
    )
    assert z_scores(chain.position**2, torch.tensor([truth], dtype=F64)).abs().max() < Z


@pytest.mark.parametrize(
    ("splitting", "var_x", "var_v"), [("baoab", 1.0, 1 - 0.25), ("obabo", 1 / (1 - 0.25), 1.0)]
)
def test_splittings_have_their_closed_form_variances(splitting, var_x, var_v):
    """On N(0, 1) at T = 2 and h = 1, so that every variance doubles."""
    start = torch.randn(40_000, 1, generator=generator(26), dtype=F64) * 2**0.5
    kernel = Underdamped(1.0, friction=1.0, temperature=2.0, splitting=splitting)
    chain = run(kernel, lambda x: x[:, 0] ** 2 / 2, start, steps=41, rng=generator(27), compile=True)
    for value, truth in ((chain.position, var_x), (chain.state.velocity, var_v)):
        assert z_scores(value**2, torch.tensor([2.0 * truth], dtype=F64)).abs().max() < Z

"""Chains started at exact draws must keep every moment: the test that sees biased kernels.

N independent chains start at the target and take a few steps, so each moment is a mean of N independent
numbers, known up to its standard error; the truth is the analytic moment (not another sample).
Bounds are |z| < 4.5: false alarms 6.8e-6 a moment, below 3e-3 for the about 390 moments of this file; the
seeds are fixed, so a failure means a change.
"""

from __future__ import annotations

import pytest
import torch
from targets import Bounded, GaussianField
from torch import Tensor

from gibbsian.core.random import generator
from gibbsian.energies.analytic import Gaussian, Skewed
from gibbsian.mcmc import HMC, MALA, NUTS, IndependentMH, Langevin, Underdamped, run

Z = 4.5
F64 = torch.float64


def ghmc(h: float, friction: float = 1.0, leapfrogs: int = 2) -> Underdamped:
    return Underdamped(h, friction=friction, splitting="obabo", metropolis=True, leapfrogs=leapfrogs)


def z_scores(samples: Tensor, truth: Tensor) -> Tensor:
    """Standardised errors of the mean of `samples` `(N, ...)` against `truth`."""
    return (samples.mean(0) - truth) / (samples.std(0) / samples.shape[0] ** 0.5)


def monomials(x: Tensor) -> Tensor:
    """All x_i, x_i x_j (i <= j) and x_i^3, `(N, M)`."""
    i, j = torch.triu_indices(x.shape[1], x.shape[1])
    return torch.cat([x, x[:, i] * x[:, j], x**3], dim=1)


GAUSSIAN = Gaussian([0.5, -1.0, 0.0], [[1.0, 0.6, 0.2], [0.6, 0.8, -0.1], [0.2, -0.1, 0.3]], dtype=F64)
SKEWED = Skewed((2.0, 0.7), dtype=F64)
BOUNDED = Bounded(dim=2, dtype=F64)
FIELD = GaussianField((3, 8, 8), dtype=F64)
METRIC = (torch.tensor([1.0, 0.5, 0.2], dtype=F64),)

FLAT_KERNELS = {
    "mala": lambda s: MALA(s),
    "hmc": lambda s: HMC(s**0.5 * 0.8, leapfrogs=3),
    "hmc-jitter": lambda s: HMC(s**0.5 * 0.8, leapfrogs=3, jitter=0.5),
    "nuts": lambda s: NUTS(s**0.5 * 0.8),
    "nuts-short": lambda s: NUTS(s**0.5 * 0.8, depth=2),
    "ghmc": lambda s: ghmc(s**0.5 * 0.8),
    "ghmc-low-friction": lambda s: ghmc(s**0.5, friction=0.1, leapfrogs=1),
    "independent": lambda s: IndependentMH(),
}
flat_kernels = pytest.mark.parametrize("name", FLAT_KERNELS)


def gaussian_moments(target: Gaussian) -> Tensor:
    mean, cov = target.mean, target.cov
    i, j = torch.triu_indices(len(mean), len(mean))
    return torch.cat([mean, cov[i, j] + mean[i] * mean[j], mean**3 + 3 * mean * cov.diagonal()])


def skewed_moments(target: Skewed) -> Tensor:
    mean, var, third = target.mean, target.var, torch.polygamma(2, target.shape)
    i, j = torch.triu_indices(len(mean), len(mean))
    second = mean[i] * mean[j] + torch.where(i == j, var[i], torch.zeros_like(var[i]))
    return torch.cat([mean, second, third + 3 * mean * var + mean**3])


@flat_kernels
def test_gaussian_with_full_covariance(name):
    start = GAUSSIAN.draw(60_000, generator(0))
    chain = run(FLAT_KERNELS[name](0.5), GAUSSIAN, start, steps=8, rng=generator(1))
    assert 0.1 < chain.info.acceptance.mean() < 0.97
    assert z_scores(monomials(chain.position), gaussian_moments(GAUSSIAN)).abs().max() < Z


@pytest.mark.parametrize(
    "kernel",
    [MALA(0.7, metric=METRIC), HMC(0.6, leapfrogs=3, metric=METRIC), NUTS(0.6, metric=METRIC)],
    ids=["mala", "hmc", "nuts"],
)
def test_gaussian_with_a_metric(kernel):
    start = GAUSSIAN.draw(60_000, generator(2))
    chain = run(kernel, GAUSSIAN, start, steps=8, rng=generator(3))
    assert 0.25 < chain.info.acceptance.mean() < 0.97
    assert z_scores(monomials(chain.position), gaussian_moments(GAUSSIAN)).abs().max() < Z


@flat_kernels
def test_smooth_skewed_target(name):
    """Asymmetric, so that a sign error cannot cancel."""
    start = SKEWED.draw(60_000, generator(4))
    chain = run(FLAT_KERNELS[name](1.0), SKEWED, start, steps=8, rng=generator(5))
    assert 0.1 < chain.info.acceptance.mean() < 0.97
    assert z_scores(monomials(chain.position), skewed_moments(SKEWED)).abs().max() < Z


@flat_kernels
def test_bounded_target_with_a_nan_wall(name):
    """exp(-x^2/2 + sqrt(4 - x^2)): trajectories that leave are NaN and must count as rejections.

    torchebm 0.8.9 repairs them with nan_to_num and gives a standard deviation of .556 for .750.
    """
    start = BOUNDED.draw(60_000, generator(6))
    chain = run(FLAT_KERNELS[name](0.6), BOUNDED, start, steps=8, rng=generator(7))
    x = chain.position
    assert x.isfinite().all() and (x.abs() < 2).all() and not (x == 0).any()
    assert 0.01 < chain.info.divergent.double().mean()
    assert abs(float(BOUNDED.var[0]) ** 0.5 - 0.750) < 5e-4
    assert z_scores(x, BOUNDED.mean).abs().max() < Z
    assert z_scores(x**2, BOUNDED.var).abs().max() < Z


def test_a_wall_of_infinity_is_no_divergence():
    """The half line x > 0 of a normal: mean sqrt(2/pi), second moment 1."""

    def half_normal(x: Tensor) -> Tensor:
        return torch.where(x[:, 0] > 0, x[:, 0] ** 2 / 2, float("inf"))

    start = torch.randn(60_000, 1, generator=generator(8), dtype=F64).abs()
    for kernel in (MALA(0.8), HMC(0.5, leapfrogs=4), NUTS(0.5), ghmc(0.6), IndependentMH()):
        chain = run(kernel, half_normal, start, steps=8, rng=generator(9))
        assert not chain.info.divergent.any() and (chain.position > 0).all()
        truth = torch.tensor([(2 / torch.pi) ** 0.5, 1.0], dtype=F64)
        moments = torch.cat([chain.position, chain.position**2], dim=1)
        assert z_scores(moments, truth).abs().max() < Z


@pytest.mark.parametrize(
    "kernel",
    [MALA(0.06), HMC(0.35, leapfrogs=3), NUTS(0.28, depth=4), ghmc(0.28)],
    ids=["mala", "hmc", "nuts", "ghmc"],
)
def test_image_shaped_gaussian(kernel):
    """(3, 8, 8): the kinetic energy must sum over all event dimensions. Mean of pixels, of their squares
    and of neighbour products, each averaged over the image, since the distribution is the same everywhere."""
    start = FIELD.draw(2_000, generator(10))
    chain = run(kernel, FIELD, start, steps=6, rng=generator(11))
    assert 0.25 < chain.info.acceptance.mean() < 0.97
    x = chain.position
    spectrum = FIELD.spectrum
    angle = torch.cos(2 * torch.pi * torch.arange(8, dtype=F64) / 8)
    neighbour = (angle[None, :] / spectrum).mean()
    moments = torch.stack(
        [t.flatten(1).mean(1) for t in (x, x**2, x * x.roll(1, dims=3), x * x.roll(1, dims=1))], dim=1
    )
    zero = torch.zeros((), dtype=F64)
    truth = torch.stack([zero, FIELD.var[0, 0, 0], neighbour, zero])
    assert z_scores(moments, truth).abs().max() < Z


@pytest.mark.parametrize("temperature", [0.5, 3.0])
@pytest.mark.parametrize("name", ["mala", "hmc", "nuts", "ghmc"])
def test_temperature_widens_the_law(name, temperature):
    kernel = {
        "mala": MALA(0.8, temperature=temperature),
        "hmc": HMC(0.9, leapfrogs=3, temperature=temperature),
        "nuts": NUTS(0.7, temperature=temperature),
        "ghmc": Underdamped(
            0.9, friction=1.0, temperature=temperature, splitting="obabo", metropolis=True, leapfrogs=2
        ),
    }[name]
    start = torch.randn(60_000, 1, generator=generator(12), dtype=F64) * temperature**0.5
    chain = run(kernel, lambda x: x[:, 0] ** 2 / 2, start, steps=10, rng=generator(13))
    assert z_scores(chain.position**2, torch.tensor([temperature], dtype=F64)).abs().max() < Z
    if name == "ghmc":
        assert z_scores(chain.state.velocity**2, torch.tensor([temperature], dtype=F64)).abs().max() < Z


@pytest.mark.parametrize(
    "kernel", [MALA(0.25), HMC(0.5, leapfrogs=2), IndependentMH()], ids=["mala", "hmc", "independent"]
)
def test_detailed_balance_on_a_lopsided_two_well(kernel):
    """From the target, one step moves as many chains from bin i to bin j as back, for every pair.

    A kernel that is merely invariant balances two bins but need not balance six. z = (N_ij - N_ji) /
    sqrt(N_ij + N_ji), |z| < 4.5, 15 pairs.
    """

    def two_well(x: Tensor) -> Tensor:
        return 2 * (x[:, 0] ** 2 - 1) ** 2 + 0.6 * x[:, 0]

    grid = torch.linspace(-3, 3, 60_001, dtype=F64)
    mass = torch.exp(-two_well(grid[:, None])).cumsum(0)
    u = torch.rand(200_000, generator=generator(14), dtype=F64)
    start = grid[torch.searchsorted(mass / mass[-1], u)][:, None]
    end = run(kernel, two_well, start, steps=1, rng=generator(15)).position
    edges = torch.tensor([-1.2, -0.8, -0.2, 0.5, 1.0], dtype=F64)
    source, goal = torch.bucketize(start[:, 0], edges), torch.bucketize(end[:, 0], edges)
    flux = torch.bincount(source * 6 + goal, minlength=36).reshape(6, 6).double()
    i, j = torch.triu_indices(6, 6, offset=1)
    seen = flux[i, j] + flux[j, i]
    z = (flux[i, j] - flux[j, i]) / seen.clamp(min=1).sqrt()
    assert (seen > 50).sum() >= 8 and flux[:3, 3:].sum() > 500
    assert z.abs().max() < Z


@pytest.mark.parametrize("precision", [0.5, 1.0, 2.0])
def test_unadjusted_langevin_has_its_closed_form_bias(precision):
    """Variance T / (lambda (1 - s lambda / 4)); z = error / (sd of x^2), 40 steps, so forgotten starts."""
    s, temperature = 0.8, 0.7
    truth = temperature / (precision * (1 - s * precision / 4))
    start = torch.randn(40_000, 1, generator=generator(16), dtype=F64) * truth**0.5
    chain = run(
        Langevin(s, temperature), lambda x: precision * x[:, 0] ** 2 / 2, start, steps=40, rng=generator(17)
    )
    assert z_scores(chain.position**2, torch.tensor([truth], dtype=F64)).abs().max() < Z


@pytest.mark.parametrize(
    ("splitting", "var_x", "var_v"),
    [("baoab", lambda h: 1, lambda h: 1 - h**2 / 4), ("aboba", lambda h: 1, lambda h: 1 / (1 - h**2 / 4)),
     ("obabo", lambda h: 1 / (1 - h**2 / 4), lambda h: 1)],
)  # fmt: skip
@pytest.mark.parametrize("h", [0.5, 1.0])
def test_splittings_have_their_closed_form_variances(splitting, var_x, var_v, h):
    """On N(0, 1) at T = 2, so that every variance doubles."""
    start = torch.randn(40_000, 1, generator=generator(18), dtype=F64) * 2**0.5
    kernel = Underdamped(h, friction=1.0, temperature=2.0, splitting=splitting)
    chain = run(kernel, lambda x: x[:, 0] ** 2 / 2, start, steps=int(40 / h), rng=generator(19))
    for value, truth in ((chain.position, var_x(h)), (chain.state.velocity, var_v(h))):
        assert z_scores(value**2, torch.tensor([2.0 * truth], dtype=F64)).abs().max() < Z

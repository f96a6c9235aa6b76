"""The parts of a path: what it begins at, its levels, its way back, the integral along it."""

from __future__ import annotations

import pytest
import torch

from gibbsian.core.random import generator
from gibbsian.energies.analytic import Gaussian
from gibbsian.mcmc import HMC
from gibbsian.tasks.partition import bases
from gibbsian.tasks.partition.bases import Bits, Normal, fitted_bits, fitted_normal, fitted_normals
from gibbsian.tasks.partition.path import Integrand, Level, longest, path, reverse_path

F64 = torch.float64


def test_the_normal_is_normalised_and_draws_itself():
    rng = generator(0)
    factor = torch.tensor([[2.0, 0.0], [0.5, 0.3]], dtype=F64)
    base = Normal((2, 1), torch.tensor([1.0, -2.0], dtype=F64), factor)
    x = base.draw(20_000, rng, F64)
    expected = torch.distributions.MultivariateNormal(base.mean, scale_tril=factor).log_prob(x.flatten(1))
    torch.testing.assert_close(-base(x), expected)
    torch.testing.assert_close(torch.cov(x.flatten(1).T), factor @ factor.T, rtol=0.05, atol=0.02)


def test_the_fitted_normal_is_a_little_wider():
    x = (
        Gaussian(torch.ones(3), torch.tensor([[2.0, 0.5, 0.0], [0.5, 1.0, 0.0], [0.0, 0.0, 0.3]]), dtype=F64)
        .draw(5000, generator(1))
        .reshape(5000, 3, 1)
    )
    base = fitted_normal(x, (3, 1))
    cov = bases.WIDER**2 * torch.cov(x.flatten(1).double().T)
    torch.testing.assert_close(base.factor @ base.factor.T, cov, rtol=1e-3, atol=1e-3)
    alone = fitted_normal(x[:20], (3, 1))  # too few for a covariance
    assert torch.equal(alone.factor, alone.factor.diagonal().diag())


def test_the_longest_step_keeps_the_share():
    rate = torch.randn(1000, generator=generator(0), dtype=F64)
    step = longest(rate, 10.0, 0.8)
    w = (step * rate).softmax(0)
    assert abs(float(1 / w.square().sum()) / 1000 - 0.8) < 1e-3
    assert longest(rate, 0.01, 0.8) == 0.01


def test_the_way_back_is_the_way_there_backwards():
    base = Normal((2,), torch.zeros(2, dtype=F64), torch.eye(2, dtype=F64))
    target = Gaussian([1.0, 2.0], [[1.0, 0.3], [0.3, 0.5]], dtype=F64)
    levels = [Level(share, HMC(h, leapfrogs=1)) for share, h in ((0.25, 0.1), (0.5, 0.2), (1.0, 0.3))]
    there, back = (make(base, target, levels, 2) for make in (path, reverse_path))
    x = torch.randn(4, 2, generator=generator(0), dtype=F64)
    quarter = 0.75 * base(x) + 0.25 * target(x)
    torch.testing.assert_close(there[0].to(x), quarter)
    torch.testing.assert_close(back[-1].energy(x), quarter)
    assert there[0].energy is base and there[-1].to is target and back[0].energy is target
    assert back[-1].to is base
    assert [s.kernel.step_size for s in there] == [0.1, 0.2, 0.3]
    # A kernel keeps the energy where its step ends, and so the one before on the way back.
    assert [s.kernel.step_size for s in back] == [0.2, 0.1, 0.1]


def test_classes_have_a_gaussian_each():
    """Shares, moments and density of a mixture, against torch.distributions."""
    rng = generator(2)
    y = torch.arange(4000) % 4 // 3  # three quarters of class 0
    x = torch.randn(4000, 2, generator=rng, dtype=F64) + 5.0 * y[:, None]
    base = fitted_normals(x, y, (2,))
    assert torch.equal(base.shares, torch.tensor([0.75, 0.25], dtype=F64))
    torch.testing.assert_close(base.parts[1].mean, torch.full((2,), 5.0, dtype=F64), atol=0.1, rtol=0.0)
    cov = torch.cov(x[y == 0].T)
    share = 2 / (2 + 3000)
    expected = (
        (1 - share) * cov + share * cov.diagonal().diag() + bases.RIDGE * cov.diagonal().mean() * torch.eye(2)
    )
    factor = base.parts[0].factor / bases.WIDER
    torch.testing.assert_close(factor @ factor.T, expected)
    each = torch.distributions.MultivariateNormal(
        torch.stack([p.mean for p in base.parts]), scale_tril=torch.stack([p.factor for p in base.parts])
    )
    mixture = torch.distributions.MixtureSameFamily(torch.distributions.Categorical(base.shares), each)
    torch.testing.assert_close(-base(x[:50]), mixture.log_prob(x[:50]))
    drawn = base.draw(4000, rng, F64)
    assert abs(float((drawn.sum(1) > 5).double().mean()) - 0.25) < 0.03


def test_a_class_of_one_row_has_no_gaussian():
    x, y = torch.randn(11, 2, generator=generator(0)), torch.tensor([0] * 10 + [1])
    assert len(fitted_normals(x, y, (2,)).parts) == 1


def test_bits_are_normalised_and_draw_themselves():
    base = Bits((2, 1), torch.tensor([0.3, 0.9], dtype=F64), -1.0, 1.0)
    every = torch.tensor([[-1, -1], [-1, 1], [1, -1], [1, 1]], dtype=F64).reshape(4, 2, 1)
    p = (-base(every)).exp()
    torch.testing.assert_close(p, torch.tensor([0.07, 0.63, 0.03, 0.27], dtype=F64))
    x = base.draw(5000, generator(0), torch.float32)
    again = fitted_bits(x, (2, 1), -1.0, 1.0)
    torch.testing.assert_close(again.chances, base.chances, atol=0.03, rtol=0.0)
    assert x.shape == (5000, 2, 1) and set(x.unique().tolist()) == {-1.0, 1.0}


def test_the_integral_of_a_quadratic_path_is_exact_with_its_ends():
    """N(0, 1) to N(0, v): mean of dU/db and its variance are known, and so is log Z = log(v) / 2."""
    v, shares = 0.5, [k / 8 for k in range(1, 9)]
    levels = [Level(b, HMC(0.1, leapfrogs=1)) for b in shares]
    base = Normal((1,), torch.zeros(1, dtype=F64), torch.eye(1, dtype=F64))
    target = Gaussian([0.0], [[v]], dtype=F64)
    found = Integrand(base, target)
    slope, constant = (1 / v - 1) / 2, float(base(torch.zeros(1, 1, dtype=F64)))
    for b in [0.0, *shares]:
        var = 1 / (1 + 2 * slope * b)
        found.means.append(slope * var - constant)
        found.variances.append(2 * slope**2 * var**2)
    assert found.log_z(levels) == pytest.approx(target.log_z, abs=1e-5)
    without = -sum((a + b) / 16 for a, b in zip(found.means, found.means[1:], strict=False))
    assert abs(without - target.log_z) > 2e-4  # the correction is what makes it exact


def test_the_integrand_is_a_weighted_mean():
    base = Normal((1,), torch.zeros(1, dtype=F64), torch.eye(1, dtype=F64))
    found = Integrand(base, lambda x: base(x) + x[:, 0])
    found(torch.tensor([[1.0], [3.0]], dtype=F64), torch.tensor([0.75, 0.25], dtype=F64).log())
    assert found.means == pytest.approx([1.5]) and found.variances == pytest.approx([0.75])

"""Kernel Stein discrepancy against derivatives by autograd, and against densities of which it is known."""

from __future__ import annotations

import pytest
import torch

from gibbsian.core.errors import UsageError
from gibbsian.metrics.stein import kernel_stein


def points(n: int, d: int = 3, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def stein_kernel(x: torch.Tensor, y: torch.Tensor, s: torch.Tensor, t: torch.Tensor, c: float) -> float:
    """u(x, y) with all derivatives of the kernel by autograd."""

    def kernel(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return (c**2 + (a - b).square().sum()) ** -0.5

    by_x, by_y = torch.autograd.functional.jacobian(kernel, (x, y))
    mixed = torch.autograd.functional.hessian(kernel, (x, y))[0][1]
    return float(s @ t * kernel(x, y) + s @ by_y + t @ by_x + mixed.trace())


@pytest.mark.parametrize("c", [0.7, 1.0, 3.0])
@pytest.mark.parametrize("chunk", [1, 4, 100])
def test_it_is_the_mean_of_the_stein_kernel(c, chunk):
    x, s = points(6), 2 * points(6, seed=1)
    table = torch.tensor([[stein_kernel(x[i], x[j], s[i], s[j], c) for j in range(6)] for i in range(6)])
    off = (table.sum() - table.trace()) / (6 * 5)
    assert kernel_stein(x, s, c=c, chunk=chunk) == pytest.approx(float(off), rel=1e-6)
    assert kernel_stein(x, s, c=c, biased=True, chunk=chunk) == pytest.approx(float(table.mean()), rel=1e-6)


def test_it_is_zero_on_average_for_samples_of_the_density():
    """A full covariance far from 0: 60 sets of 40, |z| < 4.5; of a biased form or a wrong sign far more."""
    mix = torch.eye(3, dtype=torch.float64) + 0.4 * points(3, seed=7)
    precision = (mix @ mix.T).inverse()
    draws = [points(40, seed=k) @ mix.T for k in range(60)]
    found = torch.tensor([kernel_stein(x + 5, -x @ precision, c=2.0) for x in draws])
    assert abs(float(found.mean())) < 4.5 * float(found.std()) / 60**0.5


@pytest.mark.parametrize("change", [lambda x: x + 0.4, lambda x: 1.3 * x, lambda x: 0.7 * x, lambda x: 0 * x])
def test_other_samples_are_told(change):
    x = change(points(400))
    exact = [kernel_stein(points(400, seed=k), -points(400, seed=k)) for k in range(1, 5)]
    assert kernel_stein(x, -x) > 5 * max(map(abs, exact))


def test_images_are_flattened_and_bad_arguments_refused():
    x = points(8, 12)
    assert kernel_stein(x.reshape(8, 3, 2, 2), -x.reshape(8, 3, 2, 2)) == pytest.approx(kernel_stein(x, -x))
    with pytest.raises(UsageError, match="must agree"):
        kernel_stein(x, x[:, :4])
    with pytest.raises(UsageError, match="c is 0"):
        kernel_stein(x, x, c=0.0)
    with pytest.raises(UsageError, match="not finite"):
        kernel_stein(x, x * torch.inf)
    with pytest.raises(UsageError, match="at least 2 rows"):
        kernel_stein(x[:1], x[:1])

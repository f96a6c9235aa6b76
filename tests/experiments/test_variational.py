"""Both divergences at their minimisers, found exactly: draws with the moments or the quantiles of N(0, I)."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from experiments.variational.affine import Affine
from experiments.variational.objectives import likelihood, reverse_kl
from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator
from gibbsian.core.records import Loss
from gibbsian.energies import Gaussian, GaussianMixture, Tempered

TARGET = Gaussian([1.0, -2.0], [[1.5, 0.6], [0.6, 0.5]], dtype=torch.float64)
TWO = GaussianMixture([0.5, 0.5], [[-3.0], [3.0]], std=0.5, dtype=torch.float64)


def whitened(n: int, features: int) -> Tensor:
    """Points `(n, features)` of mean 0 and covariance I: a Gaussian's divergence sees no more than these."""
    z = torch.randn(n, features, generator=generator(0), dtype=torch.float64)
    z = z - z.mean(0)
    return torch.linalg.solve_triangular(torch.linalg.cholesky(z.T @ z / n), z.T, upper=False).T


def quantiles(n: int) -> Tensor:
    """The middle of `n` parts of N(0, 1) of equal mass, `(n, 1)`."""
    return torch.special.ndtri((torch.arange(n, dtype=torch.float64) + 0.5) / n)[:, None]


def minimised(q: Affine, loss: Callable[[], Loss]) -> float:
    """The smallest loss; q is left there."""
    optimizer = torch.optim.LBFGS(q.parameters(), max_iter=200, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        value = loss().value
        value.backward()
        return value

    optimizer.step(closure)
    return float(loss().value.detach())


def by_reverse_kl(
    q: Affine, energy: Callable[[Tensor], Tensor], z: Tensor, temperature: float = 1.0
) -> float:
    def loss() -> Loss:
        x = q(z)
        return reverse_kl(q.log_density(x), energy(x), temperature=temperature)

    return minimised(q, loss)


@pytest.mark.parametrize("temperature", [1.0, 0.25])
def test_reverse_kl_finds_a_gaussian_and_its_partition(temperature: float) -> None:
    q = Affine(2).double()
    least = by_reverse_kl(q, TARGET, whitened(64, 2), temperature)
    torch.testing.assert_close(q.mean, TARGET.mean, atol=1e-4, rtol=0, check_dtype=False)
    torch.testing.assert_close(q.covariance, temperature * TARGET.cov, atol=1e-4, rtol=0)
    log_z = TARGET.log_z + math.log(temperature)  # two dimensions: Z(T) = T Z
    assert least == pytest.approx(-log_z, abs=1e-6)


def test_likelihood_finds_the_moments_of_the_data() -> None:
    q, x = Affine(2).double(), TARGET.draw(500, generator(1))
    least = minimised(q, lambda: likelihood(q.log_density(x)))
    torch.testing.assert_close(q.mean, x.mean(0), atol=1e-4, rtol=0)
    torch.testing.assert_close(q.covariance, x.T.cov(correction=0), atol=1e-4, rtol=0)
    entropy = 0.5 * float(torch.logdet(2 * math.pi * math.e * x.T.cov(correction=0)))
    assert least == pytest.approx(entropy, abs=1e-6)


def test_reverse_kl_seeks_a_mode_and_likelihood_covers_both() -> None:
    """Modes at -3 and 3 of deviation .5: one of them is q's best by reverse KL, and its price log 2."""
    seeking, covering = Affine(1).double(), Affine(1).double()
    seeking.mean.data += 1.5
    seeking.log_scale.data -= 0.7
    z = quantiles(4000)
    least = by_reverse_kl(seeking, TWO, z)
    assert float(seeking.mean.detach()) == pytest.approx(3, abs=0.01)
    assert float(seeking.covariance.detach()) == pytest.approx(0.25, abs=0.01)
    assert least == pytest.approx(math.log(2), abs=0.01)
    x = torch.cat([0.5 * quantiles(2000) - 3, 0.5 * quantiles(2000) + 3])
    smallest = minimised(covering, lambda: likelihood(covering.log_density(x)))
    assert float(covering.mean.detach()) == pytest.approx(0, abs=0.01)
    assert float(covering.covariance.detach()) == pytest.approx(9.25, abs=0.05)
    with torch.no_grad():  # each is worse than the other by the other's measure
        spread = covering(z)
        assert float(reverse_kl(covering.log_density(spread), TWO(spread)).value) > least + 1
        assert float(likelihood(seeking.log_density(x)).value) > smallest + 1


def test_numbers_are_those_of_the_definition() -> None:
    log_q, e = torch.tensor([-1.0, -3.0]), torch.tensor([4.0, 6.0])
    loss = reverse_kl(log_q, e, temperature=2.0)
    assert float(loss.value) == -2 + 5 / 2
    assert {k: float(v) for k, v in loss.metrics.items()} == {"entropy": 2, "energy": 5, "elbo": -0.5}
    assert float(reverse_kl(log_q, Tempered(lambda x: e, 2.0)(torch.zeros(2, 1))).value) == float(loss.value)
    data = likelihood(log_q)
    assert float(data.value) == float(data.metrics["nll"]) == 2


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(UsageError, match="log_q has shape"):
        reverse_kl(torch.zeros(3, 1), torch.zeros(3))
    with pytest.raises(UsageError, match="one a draw"):
        reverse_kl(torch.zeros(3), torch.zeros(2))
    with pytest.raises(UsageError, match="temperature"):
        reverse_kl(torch.zeros(3), torch.zeros(3), temperature=0.0)
    with pytest.raises(UsageError, match="log_q has shape"):
        likelihood(torch.zeros(0))

"""The bound against exact answers: Gaussian KLs, a linear model, and a correlation that is known."""

from __future__ import annotations

import math

import pytest
import torch

from gibbsian.core.errors import UsageError
from gibbsian.objectives.elbo import (
    Parts,
    beta_tc,
    gaussian_nll,
    kl_gaussians,
    kl_parts,
    kl_to_standard,
    negative_elbo,
    ratio_loss,
    ratio_tc,
    shuffled,
)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def randn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=rng(seed), dtype=torch.float64)


def test_likelihood_is_that_of_torch() -> None:
    x, mean, log_sigma = randn(5, 2, 3, seed=1), randn(5, 2, 3, seed=2), randn(5, 2, 3, seed=3)
    wanted = -torch.distributions.Normal(mean, log_sigma.exp()).log_prob(x).sum((1, 2))
    torch.testing.assert_close(gaussian_nll(x, mean, log_sigma), wanted)


def test_divergences_are_those_of_torch() -> None:
    a, b, c, d = (randn(5, 3, seed=k) for k in range(4))
    posterior, prior = torch.distributions.Normal(a, b.exp()), torch.distributions.Normal(c, d.exp())
    wanted = torch.distributions.kl_divergence(posterior, prior).sum(1)
    torch.testing.assert_close(kl_gaussians(a, b, c, d), wanted)
    torch.testing.assert_close(kl_gaussians(a, b, 0 * c, 0 * d), kl_to_standard(a, b))


def test_divergence_is_the_mean_log_ratio() -> None:
    """By 40,000 draws; |z| < 4.5 fails once in 150,000 seeds."""
    a, b, c, d = (randn(1, 3, seed=k).expand(40_000, 3) for k in range(4))
    z = a + b.exp() * randn(40_000, 3, seed=9)
    ratio = gaussian_nll(z, c, d) - gaussian_nll(z, a, b)
    error = (ratio.mean() - kl_gaussians(a, b, c, d)[0]) / (ratio.std() / 200)
    assert abs(float(error)) < 4.5


def linear_model(n: int) -> tuple[torch.Tensor, ...]:
    """x = W z + b + s xi of 2 latents and 5 coordinates: weights, posterior and evidence in closed form."""
    w, b, s = randn(5, 2, seed=1), randn(5, seed=2), 0.7
    # W'W diagonal makes the posterior's covariance diagonal, as a VAE's must be.
    w = torch.linalg.qr(w)[0] * torch.tensor([1.5, 0.4], dtype=torch.float64)
    x = randn(n, 2, seed=3) @ w.T + b + s * randn(n, 5, seed=4)
    precision = 1 + (w.square().sum(0)) / s**2
    mean = (x - b) @ w / s**2 / precision
    evidence = torch.distributions.MultivariateNormal(b, w @ w.T + s**2 * torch.eye(5).double())
    log_s = torch.full((n, 5), math.log(s), dtype=torch.float64)
    return x, w, b, log_s, mean, -0.5 * precision.log().expand(n, 2), evidence.log_prob(x)


def test_bound_is_tight_at_the_exact_posterior() -> None:
    """nll + log q(z|x) - log p(z) at any draw of the exact posterior is -log p(x); the bound is its mean."""
    x, w, b, log_s, mean, log_sigma, evidence = linear_model(8)
    z = mean + log_sigma.exp() * randn(8, 2, seed=5)
    nll = gaussian_nll(x, z @ w.T + b, log_s)
    ratio = gaussian_nll(z, torch.zeros_like(z), torch.zeros_like(z)) - gaussian_nll(z, mean, log_sigma)
    torch.testing.assert_close(-(nll + ratio), evidence)


def test_bound_with_the_closed_divergence_is_tight_and_loose_elsewhere() -> None:
    x, w, b, log_s, mean, log_sigma, evidence = linear_model(8)

    def bound(mean: torch.Tensor, log_sigma: torch.Tensor) -> torch.Tensor:
        # E_q |x - Wz - b|^2 in closed form: the squared residual at the mean and tr(W diag(sigma^2) W')
        spread = ((2 * log_sigma).exp() * w.square().sum(0)).sum(1) / (2 * 0.7**2)
        nll = gaussian_nll(x, mean @ w.T + b, log_s) + spread
        return -(nll + kl_to_standard(mean, log_sigma))

    torch.testing.assert_close(bound(mean, log_sigma), evidence)
    assert (bound(mean + 0.3, log_sigma) < evidence).all() and (bound(mean, log_sigma - 0.3) < evidence).all()


def test_bound_reports_itself_whatever_the_weight() -> None:
    nll, kl = torch.tensor([1.0, 3.0]), torch.tensor([4.0, 2.0])
    loss = negative_elbo(nll, kl, 6.0)
    assert float(loss.value) == 2 + 6 * 3
    assert {k: float(v) for k, v in loss.metrics.items()} == {"nll": 2, "kl": 3, "elbo": -5}


def correlated(n: int, rho: float, s: float = 0.25) -> tuple[torch.Tensor, ...]:
    """Posteriors N(mu, s^2 I) whose mixture is N(0, [[1, rho], [rho, 1]]): z, mean, log deviation."""
    cov = torch.tensor([[1.0, rho], [rho, 1.0]], dtype=torch.float64)
    root = torch.linalg.cholesky(cov - s**2 * torch.eye(2).double())
    mean = randn(n, 2, seed=1) @ root.T
    return mean + s * randn(n, 2, seed=2), mean, torch.full((n, 2), math.log(s), dtype=torch.float64)


@pytest.mark.parametrize("rho", [0.0, 0.6, 0.9])
def test_correlation_of_a_correlated_gaussian(rho: float) -> None:
    """-log(1 - rho^2) / 2; the batch is the data. A mixture of 1,500 is biased by a hundredth of a nat or
    two, for each draw comes from one of its own components."""
    parts = kl_parts(*correlated(1500, rho))
    assert float(parts.correlation) == pytest.approx(-0.5 * math.log(1 - rho**2), abs=0.05)


def test_parts_add_up_to_the_divergence() -> None:
    """By one draw a point the sum is the mean log q(z|x) - log p(z), of expectation KL; and N only shifts."""
    z, mean, log_sigma = correlated(500, 0.6)
    parts = kl_parts(z, mean, log_sigma)
    ratio = gaussian_nll(z, 0 * z, 0 * z) - gaussian_nll(z, mean, log_sigma)
    torch.testing.assert_close(sum(parts), ratio.mean())
    shift = math.log(10_000)
    more = kl_parts(z, mean, log_sigma, points=10_000)
    wanted = Parts(parts.information + shift, parts.correlation + shift, parts.dimensions - 2 * shift)
    torch.testing.assert_close(more, wanted)


def test_weight_one_is_the_bound_and_more_asks_for_less_correlation() -> None:
    z, mean, log_sigma = correlated(300, 0.9)
    mean = mean.requires_grad_()
    z = mean + (z - mean.detach())
    parts, nll = kl_parts(z, mean, log_sigma), torch.zeros(300, dtype=torch.float64)
    ratio = gaussian_nll(z, 0 * z, 0 * z) - gaussian_nll(z, mean, log_sigma)
    torch.testing.assert_close(beta_tc(nll, ratio, parts, 1.0).value, ratio.mean())
    beta_tc(nll, ratio, parts, 50.0).value.backward()
    with torch.no_grad():
        moved = mean - mean.grad
    after = kl_parts(moved + (z - mean).detach(), moved, log_sigma)
    assert after.correlation.item() < parts.correlation.item()


def test_latents_must_be_a_table() -> None:
    with pytest.raises(UsageError, match=r"give three \(B, d\)"):
        kl_parts(torch.zeros(3, 2), torch.zeros(3, 1), torch.zeros(3, 2))


def test_exact_logits_estimate_the_correlation_and_minimise_the_loss() -> None:
    """logit = log q(z) - sum_j log q(z_j) of a Gaussian. 20,000 draws; |z| < 4.5."""
    rho, n = 0.6, 20_000
    cov = torch.tensor([[1.0, rho], [rho, 1.0]], dtype=torch.float64)
    joint = torch.distributions.MultivariateNormal(torch.zeros(2).double(), cov)
    z = randn(n, 2) @ torch.linalg.cholesky(cov).T

    def logit(z: torch.Tensor) -> torch.Tensor:
        return joint.log_prob(z) + gaussian_nll(z, torch.zeros_like(z), torch.zeros_like(z))

    error = (ratio_tc(logit(z)) + 0.5 * math.log(1 - rho**2)) / (logit(z).std() / n**0.5)
    assert abs(float(error)) < 4.5
    other = shuffled(z, rng(5))
    best = float(ratio_loss(logit(z), logit(other)).value)
    for scale, shift in ((0.5, 0.0), (1.6, 0.0), (1.0, 0.5), (1.0, -0.5)):
        worse = ratio_loss(scale * logit(z) + shift, scale * logit(other) + shift)
        assert float(worse.value) > best + 1e-3
    assert float(ratio_loss(logit(z), logit(other)).metrics["critic_accuracy"]) > 0.55


def test_shuffling_keeps_each_coordinate_and_breaks_their_ties() -> None:
    z = torch.arange(200.0).reshape(100, 2)
    mixed = shuffled(z, rng())
    assert torch.equal(mixed.sort(0).values, z)
    assert (mixed[:, 1] - mixed[:, 0] == 1).float().mean() < 0.1
    assert not torch.equal(mixed[:, 0], z[:, 0])

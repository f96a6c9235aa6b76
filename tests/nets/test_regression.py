"""The Gaussian around a regression: its density is that of torch's own, its draws have its moments."""

from __future__ import annotations

import pytest
import torch

from gibbsian.core.random import generator
from gibbsian.nets.regression import GaussianRegression


def made(shape=(3,), condition=2):
    q = GaussianRegression(shape, condition, (8,))
    rng = generator(0)
    for p in q.parameters():
        p.data = 0.5 * torch.randn(p.shape, generator=rng)
    return q


def truth(q, n, c):
    mean, scale = q.moments(n, c)
    root = (q.lower.tril(-1) + torch.eye(q.size)) * scale.exp()[:, None]
    return torch.distributions.MultivariateNormal(mean, scale_tril=root)


@pytest.mark.parametrize(("shape", "condition"), [((3,), 2), ((1,), 4), ((2, 2), 0), ((1, 2, 2), 3)])
def test_log_density_and_whitening(shape, condition) -> None:
    q, x = made(shape, condition), torch.randn(5, *shape, generator=generator(1))
    c = torch.randn(5, condition, generator=generator(2)) if condition else None
    torch.testing.assert_close(q.log_density(x, c), truth(q, 5, c).log_prob(x.flatten(1)))
    torch.testing.assert_close(q.coloured(q.white(x, c)[0], c), x)


@torch.no_grad()
def test_draws_have_its_moments() -> None:
    q, n = made(), 40_000
    c = torch.tensor([[0.3, -1.0]]).expand(n, 2)
    x, wanted = q.draw(n, generator(0), c), truth(q, n, c)
    spread = wanted.covariance_matrix[0]
    assert float((x.mean(0) - wanted.mean[0]).abs().max()) < 5 * float(spread.max()) ** 0.5 / n**0.5
    torch.testing.assert_close(torch.cov(x.T), spread, rtol=0.05, atol=0.05)


@pytest.mark.parametrize("condition", [0, 3])
def test_it_begins_as_the_standard_normal(condition) -> None:
    q, x = GaussianRegression((2,), condition, (4,)), torch.randn(6, 2, generator=generator(0))
    c = torch.randn(6, condition) if condition else None
    torch.testing.assert_close(q.log_density(x, c), torch.distributions.Normal(0, 1).log_prob(x).sum(1))

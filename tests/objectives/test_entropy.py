"""The entropy's gradient on linear generators, where q is N(0, W W' + sigma^2 I) and all is known."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator
from gibbsian.objectives.entropy import entropy_slope, score, width_loss

SIGMA = 0.5
W1 = torch.tensor([[0.8], [0.3]], dtype=torch.float64)
W2 = torch.tensor([[0.8, 0.1], [0.3, -0.6], [0.0, 0.5]], dtype=torch.float64)


def precision(w: Tensor) -> Tensor:
    """The inverse covariance of x = w z + SIGMA eps."""
    return torch.linalg.inv(w @ w.T + SIGMA**2 * torch.eye(len(w), dtype=w.dtype))


def width(w: Tensor) -> Tensor:
    """The conditional standard deviation of each latent given x and the others."""
    return (1 + w.square().sum(0) / SIGMA**2).rsqrt()


def drawn(w: Tensor, n: int, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """z, eps and x of `n` draws."""
    rng = generator(seed)
    z = torch.randn(n, w.shape[1], generator=rng, dtype=w.dtype)
    eps = torch.randn(n, len(w), generator=rng, dtype=w.dtype)
    return z, eps, z @ w.T + SIGMA * eps


def gradient(w: Tensor, n: int, particles: int, spread: float) -> tuple[Tensor, Tensor]:
    """Mean over n draws of the estimated dH/dW and dH/dsigma, flat, and their standard errors."""
    z, eps, x = drawn(w, n)
    found = score(lambda z: z @ w.T, x, z, SIGMA, spread * width(w), generator(1), particles=particles).value
    each = -torch.cat([(found[:, :, None] * z[:, None]).flatten(1), (found * eps).sum(1, keepdim=True)], 1)
    return each.mean(0), each.std(0) / n**0.5


def exact(w: Tensor) -> Tensor:
    """The gradient of H = log det(w w' + SIGMA^2 I) / 2 by w and SIGMA, flat."""
    p = precision(w)
    return torch.cat([(p @ w).flatten(), SIGMA * p.trace()[None]])


def test_slope_has_the_gradient_of_the_entropy_where_the_score_is_exact() -> None:
    """n = 20,000; 7 numbers within 5 standard errors: false alarm 4e-6."""
    z, eps, _ = drawn(W2, 20_000)
    w, sigma = W2.clone().requires_grad_(), torch.tensor(SIGMA, dtype=torch.float64, requires_grad=True)
    x = z @ w.T + sigma * eps
    found = -x.detach() @ precision(W2)
    entropy_slope(x, found).backward()
    each = -torch.cat([(found[:, :, None] * z[:, None]).flatten(1), (found * eps).sum(1, keepdim=True)], 1)
    flat = torch.cat([w.grad.flatten(), sigma.grad[None]])
    torch.testing.assert_close(flat, each.mean(0))
    assert ((flat - exact(W2)) / (each.std(0) / len(z) ** 0.5)).abs().max() < 5


def test_score_identity() -> None:
    """With 20,000 particles the score of each x is -C^-1 x within 5 %; a bound on its bias and noise, which
    are of order |eps / sigma| / sqrt(particles) = .02."""
    z, _, x = drawn(W2, 8)
    found = score(lambda z: z @ W2.T, x, z, SIGMA, 2 * width(W2), generator(1), particles=20_000)
    wanted = -x @ precision(W2)
    assert (found.value - wanted).norm(dim=1).max() < 0.05 * wanted.norm(dim=1).mean()
    assert (found.effective > 1).all() and (found.effective < 20_000).all()


def test_many_particles_give_the_gradient_of_the_entropy() -> None:
    """n = 10,000 of 200 particles; 3 numbers within 5 standard errors (false alarm 2e-6), beside which the
    remaining bias, below 1 %, is small."""
    found, error = gradient(W1, 10_000, 200, 2.0)
    assert ((found - exact(W1)) / error).abs().max() < 5


def test_bias_of_few_particles_is_bounded_and_falls() -> None:
    """At the default, 20 particles spread by sqrt(2) widths, 6 % of the gradient by W; VERA's spread: 21 %.

    n = 20,000, so that relative standard errors are 1.3 % and every comparison is 5 or more of them.
    """
    relative = {}
    for particles, spread in ((20, 1.4), (20, 1.0), (5, 1.0), (100, 1.0)):
        found, _ = gradient(W1, 20_000, particles, spread)
        off = (found - exact(W1))[:2]
        relative[particles, spread] = float(off.norm() / exact(W1)[:2].norm())
    assert relative[20, 1.4] < 0.13 and 0.14 < relative[20, 1.0] < 0.28
    assert relative[5, 1.0] > 0.36 and relative[100, 1.0] < 0.16


def test_a_score_from_the_same_z_is_wrong_with_it() -> None:
    """Why z is no particle: (g(z) - x) / sigma^2 is a draw of the score, and its gradient by W is 0."""
    z, _, x = drawn(W1, 20_000)
    alone = (z @ W1.T - x) / SIGMA**2
    each = -(alone[:, :, None] * z[:, None]).flatten(1)
    error = each.std(0) / len(z) ** 0.5
    assert (each.mean(0) / error).abs().max() < 5  # 2 numbers, false alarm 1e-6
    assert ((each.mean(0) - exact(W1)[:2]) / error).abs().max() > 20


def test_width_rests_at_the_conditional_deviation() -> None:
    """The gradient by width_j is width_j (1 + |W_j|^2 / sigma^2) - 1 / width_j on average. n = 20,000 draws,
    whose own spread is below 10: 2 numbers within .35, 5 standard errors (false alarm 1e-6)."""
    z, _, x = drawn(W2, 20_000)
    for factor in (1.0, 1.5):
        now = (factor * width(W2)).requires_grad_()
        loss = width_loss(lambda z: z @ W2.T, x, z, SIGMA, now, generator(1))
        loss.value.backward()
        wanted = (factor - 1 / factor) / width(W2)
        assert (now.grad - wanted).abs().max() < 0.35
        assert float(loss.metrics["width"]) == pytest.approx(float(now.detach().mean()))
    assert wanted.min() > 1


def test_images_and_bad_numbers() -> None:
    z = torch.randn(3, 2, generator=generator(0))
    x = torch.zeros(3, 1, 4, 4)
    found = score(lambda z: z.sum(1).reshape(-1, 1, 1, 1) * x[:1], x, z, 0.1, torch.ones(2), generator(1))
    assert found.value.shape == x.shape and found.effective.shape == (3,)
    with pytest.raises(UsageError, match="particles is 1"):
        score(lambda z: z, x, z, 0.1, torch.ones(2), generator(1), particles=1)

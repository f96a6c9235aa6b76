"""Noise-contrastive estimation against its formula and the truth of a Gaussian, log Z included."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator
from gibbsian.energies.analytic import Gaussian
from gibbsian.objectives.nce import conditional_nce, log_partition, nce, ranking

COV = torch.tensor([[1.0, 0.3], [0.3, 0.8]], dtype=torch.float64)
MEAN = torch.tensor([0.3, -0.5], dtype=torch.float64)
WIDTH = 1.3


def numbers(n, seed):
    return torch.randn(n, dtype=torch.float64, generator=generator(seed))


def log_q(x):
    """log N(x; MEAN, WIDTH^2 I)."""
    return -0.5 * ((x - MEAN) / WIDTH).square().sum(1) - math.log(2 * math.pi * WIDTH**2)


def whitened(n):
    """`n` points whose mean and covariance are those of the target to the last digit."""
    x = torch.randn(n, 2, dtype=torch.float64, generator=generator(0))
    x = x - x.mean(0)
    white = torch.linalg.solve_triangular(torch.linalg.cholesky(x.T @ x / n), x.T, upper=False).T
    return white @ torch.linalg.cholesky(COV).T + MEAN


N, NU = 40_000, 2
X = whitened(N)
Q = MEAN + WIDTH * torch.randn(NU * N, 2, dtype=torch.float64, generator=generator(1))
MOVED = X.repeat(NU, 1) + 0.7 * torch.randn(NU * N, 2, dtype=torch.float64, generator=generator(2))


def quadratic(theta, x):
    """E = x'Ax / 2 + b'x for theta = (A11, A22, A12, b1, b2, c)."""
    a, d, b = theta[0], theta[1], theta[2]
    return 0.5 * (a * x[:, 0] ** 2 + d * x[:, 1] ** 2) + b * x[:, 0] * x[:, 1] + x @ theta[3:5]


FORMS = {
    "binary": lambda t: nce(quadratic(t, X), quadratic(t, Q), log_q(X), log_q(Q), t[5]),
    "ranking": lambda t: ranking(quadratic(t, X), quadratic(t, Q), log_q(X), log_q(Q)),
    "conditional": lambda t: conditional_nce(quadratic(t, X), quadratic(t, MOVED)),
}


def minimised(loss, size):
    """Newton's method on a convex loss, second derivatives by differences of the gradient."""

    def slope(theta):
        theta = theta.clone().requires_grad_()
        loss(theta).value.backward()
        return theta.grad[:size]

    theta = torch.tensor([1.0, 1.0, 0.0, 0.0, 0.0, 0.0], dtype=torch.float64)
    for _ in range(5):
        first, axes = slope(theta), 1e-5 * torch.eye(6, dtype=torch.float64)[:size]
        hessian = torch.stack([slope(theta + axis) - first for axis in axes], dim=1) / 1e-5
        theta[:size] -= torch.linalg.solve(hessian, first)
    assert slope(theta).abs().max() < 1e-6
    return theta


@pytest.mark.parametrize("form", FORMS)
def test_minimisers_on_a_gaussian_family(form: str) -> None:
    """The standard deviations of the minimiser are about .01; log Z is learnt by the binary form alone."""
    theta = minimised(FORMS[form], 6 if form == "binary" else 5)
    precision = torch.linalg.inv(COV)
    b = -precision @ MEAN
    wanted = torch.stack([precision[0, 0], precision[1, 1], precision[0, 1], *b])
    assert (theta[:5] - wanted).abs().max() < 0.05
    if form == "binary":
        log_z = math.log(2 * math.pi) + 0.5 * COV.logdet() + 0.5 * MEAN @ precision @ MEAN
        assert abs(float(theta[5] - log_z)) < 0.05


def test_binary_is_the_logistic_loss_of_telling_data_from_noise() -> None:
    e_pos, e_neg, q_pos, q_neg = numbers(4, 0), numbers(12, 1), numbers(4, 2), numbers(12, 3)
    h_pos, h_neg = -e_pos - 0.3 - q_pos - math.log(3), -e_neg - 0.3 - q_neg - math.log(3)
    wanted = -torch.sigmoid(h_pos).log().mean() - 3 * torch.sigmoid(-h_neg).log().mean()
    loss = nce(e_pos, e_neg, q_pos, q_neg, 0.3)
    torch.testing.assert_close(loss.value, wanted)
    cross = F.binary_cross_entropy_with_logits(
        torch.cat([h_pos, h_neg]), torch.cat([torch.ones(4), torch.zeros(12)]).double(), reduction="sum"
    )
    torch.testing.assert_close(loss.value, cross / 4)
    assert float(loss.metrics["energy_gap"]) == pytest.approx(float(e_pos.mean() - e_neg.mean()))


def test_ranking_is_cross_entropy_over_one_datum_and_its_noise() -> None:
    e_pos, e_neg, q_pos, q_neg = numbers(2, 0), numbers(6, 1), numbers(2, 2), numbers(6, 3)
    rows = []
    for i in range(2):
        own = torch.stack([-e_pos[i] - q_pos[i], *(-e_neg[i + 2 * k] - q_neg[i + 2 * k] for k in range(3))])
        rows.append(-own.log_softmax(0)[0])
    torch.testing.assert_close(ranking(e_pos, e_neg, q_pos, q_neg).value, torch.stack(rows).mean())


def test_ranking_of_a_true_energy_bounds_the_divergence() -> None:
    """log(1 + nu) - loss <= KL(p | q), which for Gaussians is known; the slack is above 20 deviations."""
    gaussian = Gaussian(MEAN, COV)
    loss = ranking(gaussian(X), gaussian(Q), log_q(X), log_q(Q)).value
    kl = 0.5 * float(COV.trace() / WIDTH**2 - 2 + 2 * math.log(WIDTH**2) - COV.logdet())
    assert 0.3 * kl < math.log(1 + NU) - float(loss) < kl


def test_equal_laws_cannot_be_told_apart() -> None:
    """E = -log q and c = 0: h = 0, the loss 2 log 2 and the accuracy a half."""
    loss = nce(-log_q(X), -log_q(Q[:N]), log_q(X), log_q(Q[:N]), 0.0)
    assert float(loss.value) == pytest.approx(2 * math.log(2), abs=1e-12)


def test_log_partition_by_importance() -> None:
    """log Z of a Gaussian energy; exp(-E) / q is bounded, its relative variance below 1, so that 5
    deviations are 5 / sqrt(80,000) = .018."""
    gaussian = Gaussian(MEAN, COV)
    assert float(log_partition(gaussian(Q), log_q(Q))) == pytest.approx(gaussian.log_z, abs=0.018)


def test_points_outside_a_bounded_noise_are_data_for_sure() -> None:
    e = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    loss = nce(e, e, torch.tensor([-torch.inf, 0.0]).double(), torch.zeros(2).double(), 0.0)
    loss.value.backward()
    assert torch.isfinite(loss.value) and torch.isfinite(e.grad).all()


def test_usage_is_checked() -> None:
    e = numbers(4, 0)
    with pytest.raises(UsageError, match="a whole number for each datum"):
        conditional_nce(e, numbers(6, 1))
    with pytest.raises(UsageError, match="log_q_neg has shape"):
        nce(e, e, e, e[:2], 0.0)
    with pytest.raises(UsageError, match="one energy a sample"):
        ranking(e[:, None], e, e, e)

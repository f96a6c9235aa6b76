"""The contrastive loss against closed forms.

On E(x) = (x - m)' L (x - m) / 2, with L symmetric:  dE/dm = -L (x - m),  dE/dL = (x - m)(x - m)' / 2.
"""

from __future__ import annotations

import pytest
import torch

from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator
from gibbsian.objectives.contrast import contrast, energy_l2


def gaussian(mean, precision):
    m = torch.tensor(mean, dtype=torch.float64, requires_grad=True)
    p = torch.tensor(precision, dtype=torch.float64, requires_grad=True)

    def energy(x):
        return 0.5 * torch.einsum("bi,ij,bj->b", x - m, p, x - m)

    return m, p, energy


def normal(n, mean, covariance, seed):
    root = torch.linalg.cholesky(torch.as_tensor(covariance, dtype=torch.float64))
    x = torch.randn(n, len(root), dtype=torch.float64, generator=generator(seed)) @ root.T
    return x + torch.as_tensor(mean, dtype=torch.float64)


def test_gradient_of_a_gaussian_for_given_samples():
    m, p, energy = gaussian([0.5, -1.0], [[2.0, 0.3], [0.3, 1.0]])
    pos, neg = normal(7, [1, 2], torch.eye(2), 0), normal(5, [0, -1], torch.eye(2), 1)
    contrast(energy(pos), energy(neg)).value.backward()
    a, b = pos - m.detach(), neg - m.detach()
    torch.testing.assert_close(m.grad, p.detach() @ (neg.mean(0) - pos.mean(0)))
    torch.testing.assert_close(p.grad, 0.5 * (a.T @ a / 7 - b.T @ b / 5))


def test_gradient_of_a_gaussian_in_expectation():
    mean, cov = torch.tensor([1.0, 0.0], dtype=torch.float64), torch.tensor([[1.5, 0.2], [0.2, 0.7]])
    m, p, energy = gaussian([0.0, 0.0], [[1.0, 0.0], [0.0, 2.0]])
    n = 100_000
    model = torch.linalg.inv(p.detach())
    pos, neg = normal(n, mean, cov, 0), normal(n, [0, 0], model, 1)
    contrast(energy(pos), energy(neg)).value.backward()
    scale = (p.detach() @ (cov + model) @ p.detach()).diagonal()
    assert ((m.grad + p.detach() @ mean).abs() < 5 * (scale / n).sqrt()).all()  # false alarm 1.2e-6
    second = cov + torch.outer(mean, mean) - model
    # entries of (x x')/2 have a standard deviation below 2 on either side: z of 5 or more
    assert ((p.grad - 0.5 * second).abs() < 5 * 2 * (2 / n) ** 0.5).all()


def test_gradient_vanishes_at_the_optimum():
    pos = normal(50, [1, -2], [[1.0, 0.4], [0.4, 0.5]], 0)
    m, p, energy = gaussian([1.0, -2.0], [[3.0, 0.0], [0.0, 1.0]])
    contrast(energy(pos), energy(pos[torch.randperm(50, generator=generator(1))])).value.backward()
    assert m.grad.abs().max() < 1e-12 and p.grad.abs().max() < 1e-12


def test_descent_lowers_the_energy_at_the_data():
    m, p, energy = gaussian([0.0], [[1.0]])
    pos, neg = torch.full((8, 1), 2.0, dtype=torch.float64), torch.full((8, 1), -1.0, dtype=torch.float64)
    before = energy(pos).mean() - energy(neg).mean()
    contrast(energy(pos), energy(neg)).value.backward()
    with torch.no_grad():
        m -= 0.1 * m.grad
    after = energy(pos).mean() - energy(neg).mean()
    assert m.item() > 0 and after < before and energy(pos).mean() < 2.0


def test_value_and_metrics():
    pos = torch.tensor([1.0, 3.0], requires_grad=True)
    loss = contrast(pos, torch.tensor([5.0, 5.0, 8.0]))
    assert loss.value.item() == -4.0
    numbers = {k: v.item() for k, v in loss.metrics.items()}
    assert numbers == {"energy_pos": 2.0, "energy_neg": 6.0, "energy_gap": -4.0, "value_function": 4.0}
    assert not any(v.requires_grad for v in loss.metrics.values())


def test_logsumexp_has_the_gradient_of_the_log_mean_exp():
    t = 0.7
    pos = torch.randn(4, dtype=torch.float64, generator=generator(0), requires_grad=True)
    neg = torch.randn(6, dtype=torch.float64, generator=generator(1), requires_grad=True)
    contrast(pos, neg, "logsumexp", temperature=t).value.backward()
    mine = pos.grad.clone(), neg.grad.clone()
    pos.grad = neg.grad = None
    (pos.mean() + t * torch.logsumexp(-neg / t, 0)).backward()
    torch.testing.assert_close(mine, (pos.grad, neg.grad))


def test_softplus_is_bounded_below_and_pairs():
    pos, neg = torch.tensor([0.0, -2.0]), torch.tensor([0.0, 1.0])
    expected = (torch.tensor(2.0).log() + torch.tensor(-3.0).exp().log1p()) / 2
    torch.testing.assert_close(contrast(pos, neg, "softplus").value, expected)
    halved = contrast(pos / 2, neg / 2, "softplus", temperature=0.5).value
    torch.testing.assert_close(halved, expected / 2)
    with pytest.raises(UsageError, match="pairs"):
        contrast(pos, neg[:1], "softplus")


def test_energy_penalty():
    pos, neg = torch.tensor([1.0, -3.0], requires_grad=True), torch.tensor([2.0])
    loss = energy_l2(pos, neg, 0.1)
    torch.testing.assert_close(loss.value, torch.tensor(0.1 * (5 + 4)))
    torch.testing.assert_close(loss.metrics["energy_l2"], loss.value.detach())
    loss.value.backward()
    torch.testing.assert_close(pos.grad, torch.tensor([0.1, -0.3]))
    with pytest.raises(UsageError, match="0 or more"):
        energy_l2(pos, neg, -1.0)

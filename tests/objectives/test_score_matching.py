"""Score matching against hand-written forms, exact expectations and the minimisers of a Gaussian family."""

from __future__ import annotations

import itertools
import math

import pytest
import torch

from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator, seeded_init
from gibbsian.energies.analytic import Gaussian
from gibbsian.nets.build import build
from gibbsian.nets.settings import MLPConfig
from gibbsian.objectives.score_matching import (
    denoising,
    exact,
    finite_difference,
    probe,
    sliced,
    tweedie,
)

COV = torch.tensor([[1.0, 0.4], [0.4, 0.5]], dtype=torch.float64)
MEAN = torch.tensor([0.5, -1.0], dtype=torch.float64)
SIGMA = 0.6


def smooth(size=2, seed=0):
    with seeded_init(generator(seed)):
        return build(MLPConfig(hidden=(8, 8), activation="swish"), (size,)).double()


def normal(n, size=2, seed=1):
    return torch.randn(n, size, dtype=torch.float64, generator=generator(seed))


def whitened(n):
    """`n` points whose mean and covariance are those of the target to the last digit."""
    x = normal(n)
    x = x - x.mean(0)
    root = torch.linalg.cholesky(x.T @ x / n)
    return torch.linalg.solve_triangular(root, x.T, upper=False).T @ torch.linalg.cholesky(COV).T + MEAN


def quadratic(theta):
    """E(x) = x'Ax / 2 + b'x for theta = (A11, A22, A12, b1, b2)."""
    square = torch.stack([theta[0], theta[2], theta[2], theta[1]]).reshape(2, 2)
    return lambda x: 0.5 * ((x @ square) * x).sum(1) + x @ theta[3:]


def minimised(loss):
    """The minimiser over theta of a loss that is quadratic in it: its gradient is affine, so solve for 0."""

    def slope(theta):
        theta = theta.clone().requires_grad_()
        loss(quadratic(theta)).value.backward()
        return theta.grad

    origin = torch.zeros(5, dtype=torch.float64)
    first = slope(origin)
    hessian = torch.stack([slope(axis) - first for axis in torch.eye(5, dtype=torch.float64)], dim=1)
    return torch.linalg.solve(hessian, -first)


def of_gaussian(mean, cov):
    precision = torch.linalg.inv(cov)
    return torch.stack([precision[0, 0], precision[1, 1], precision[0, 1], *(-precision @ mean)])


def gradient(net, loss):
    net.zero_grad()
    loss.value.backward()
    return torch.cat([p.grad.flatten() for p in net.parameters()])


# The data have exact moments, so that only the random directions or noises err: standard deviations of the
# minimiser are below .01 at these sizes, and .05 is five of them.
X = whitened(40_000)
FORMS = {
    "exact": (lambda e: exact(e, whitened(2000)), 0.0, 1e-6),
    "sliced": (lambda e: sliced(e, X, probe(X, generator(2))), 0.0, 0.05),
    "sliced, gaussian": (lambda e: sliced(e, X, probe(X, generator(3), "gaussian")), 0.0, 0.05),
    "sliced, plain": (lambda e: sliced(e, X, probe(X, generator(4), "sphere"), reduced=False), 0.0, 0.05),
    "finite_difference": (lambda e: finite_difference(e, X, probe(X, generator(5))), 0.0, 0.05),
    "denoising": (lambda e: denoising(e, X, normal(len(X), seed=6), SIGMA), SIGMA, 0.05),
}


@pytest.mark.parametrize("form", FORMS)
def test_minimisers_on_a_gaussian_family(form: str) -> None:
    """Denoising's truth is p * N(0, sigma^2), the others' is p."""
    loss, sigma, bound = FORMS[form]
    wanted = of_gaussian(MEAN, COV + sigma**2 * torch.eye(2, dtype=torch.float64))
    assert (minimised(loss) - wanted).abs().max() < bound


@pytest.mark.parametrize("reduced", [True, False])
def test_sliced_averages_to_exact_over_all_signs(reduced: bool) -> None:
    """Over the 8 sign vectors of 3 coordinates the mean is no estimate: loss and gradient agree."""
    net, x = smooth(3), normal(5, 3)
    wanted = exact(net, x)
    signs = [
        torch.tensor(s, dtype=torch.float64).expand_as(x) for s in itertools.product((-1.0, 1.0), repeat=3)
    ]
    losses = [sliced(net, x, v, reduced=reduced) for v in signs]
    mean = torch.stack([one.value for one in losses]).mean()
    torch.testing.assert_close(mean, wanted.value)
    gradients = torch.stack([gradient(net, one) for one in losses]).mean(0)
    torch.testing.assert_close(gradients, gradient(net, exact(net, x)))


def test_exact_is_hyvaerinens_formula() -> None:
    target, x = Gaussian(MEAN, COV), normal(7)
    score = -(x - MEAN) @ torch.linalg.inv(COV)
    wanted = 0.5 * score.square().sum(1).mean() - torch.linalg.inv(COV).trace()
    loss = exact(target, x)
    torch.testing.assert_close(loss.value, wanted)
    torch.testing.assert_close(loss.metrics["score_norm"], score.norm(dim=1).mean())


def test_differences_tend_to_the_plain_sliced_form() -> None:
    net, x, v = smooth(), normal(6), probe(normal(6), generator(3))
    wanted = sliced(net, x, v, reduced=False).value
    torch.testing.assert_close(finite_difference(net, x, v, 1e-3).value, wanted, rtol=1e-4, atol=1e-6)


def test_denoising_is_its_hand_written_form() -> None:
    """Vincent's |s(x') + eps / sigma|^2 / 2 times sigma^2 and not sigma^4, the slip of a released code."""
    net, x, eps = smooth(), normal(6), normal(6, seed=2)
    sigma = torch.tensor([0.1, 0.2, 0.3, 0.4, 0.5, 0.6], dtype=torch.float64)
    noisy = (x + sigma[:, None] * eps).requires_grad_()
    score = -torch.autograd.grad(net(noisy).sum(), noisy, create_graph=True)[0]
    vincent = 0.5 * (score + eps / sigma[:, None]).square().sum(1)
    loss = denoising(net, x, eps, sigma)
    torch.testing.assert_close(loss.value, (sigma**2 * vincent).mean())
    by_hand = torch.autograd.grad((sigma**2 * vincent).mean(), [*net.parameters()], allow_unused=True)
    ours = torch.autograd.grad(loss.value, [*net.parameters()])
    for left, right in zip(ours, by_hand, strict=True):
        torch.testing.assert_close(left, torch.zeros_like(left) if right is None else right)
    one_sigma = denoising(net, x, eps, torch.full((6,), 0.3, dtype=torch.float64)).value
    torch.testing.assert_close(denoising(net, x, eps, 0.3).value, one_sigma)


def test_a_level_reads_the_energy_at_its_temperature() -> None:
    """T_i = sigma_i^2 / sigma_0^2 makes the multi-scale loss of Li, Chen and Sommer (2019)."""
    net, x, eps = smooth(), normal(6), normal(6, seed=2)
    sigma, first = torch.tensor([0.2, 0.4, 0.8] * 2, dtype=torch.float64), 0.2
    noisy = (x + sigma[:, None] * eps).requires_grad_()
    grad = torch.autograd.grad(net(noisy).sum(), noisy)[0]
    wanted = (x - noisy + first**2 * grad).square().sum(1) / (2 * sigma**2)
    loss = denoising(net, x, eps, sigma, temperature=(sigma / first) ** 2)
    torch.testing.assert_close(loss.value, wanted.mean())
    cold = denoising(lambda z: net(z) / 3, x, eps, 0.4)
    torch.testing.assert_close(denoising(net, x, eps, 0.4, temperature=3.0).value, cold.value)


def test_one_energy_serves_every_level_of_noise_on_a_point() -> None:
    """Data at one point: E = |x|^2 / 2 sigma_0^2 has no residual at any level."""
    sigma = torch.tensor([0.1, 0.5, 1.0], dtype=torch.float64)
    energy = lambda x: x.square().sum(1) / (2 * 0.1**2)  # noqa: E731
    loss = denoising(energy, torch.zeros(3, 4).double(), normal(3, 4), sigma, temperature=(sigma / 0.1) ** 2)
    assert float(loss.value.detach()) < 1e-20 and float(loss.metrics["residual"]) < 1e-20


def test_tweedie_is_the_posterior_mean_of_a_gaussian() -> None:
    x = normal(5)
    noisy = COV + SIGMA**2 * torch.eye(2, dtype=torch.float64)
    score = -(x - MEAN) @ torch.linalg.inv(noisy)
    wanted = MEAN + (x - MEAN) @ (torch.linalg.inv(noisy) @ COV)
    torch.testing.assert_close(tweedie(x, SIGMA, score), wanted)
    torch.testing.assert_close(
        tweedie(x, torch.full((5,), SIGMA).double(), score), wanted, rtol=1e-6, atol=1e-6
    )


@pytest.mark.parametrize("kind", ["rademacher", "gaussian", "sphere"])
def test_probes_have_the_identity_as_second_moment(kind) -> None:
    """Each entry of mean v v' has variance at most 2 / n: z < 5 fails once in 10^6 for each of 9 entries."""
    n = 20_000
    v = probe(torch.empty(n, 3, dtype=torch.float64), generator(0), kind)
    assert ((v.T @ v / n - torch.eye(3)) / math.sqrt(2 / n)).abs().max() < 5
    if kind == "sphere":
        torch.testing.assert_close(v.norm(dim=1), torch.full((n,), math.sqrt(3.0), dtype=torch.float64))


def test_kinked_networks_have_no_trace() -> None:
    """Why the learner refuses them: the loss is then |s|^2 / 2, least for a flat energy."""
    with seeded_init(generator(0)):
        net = build(MLPConfig(hidden=(8, 8), activation="relu"), (2,)).double()
    assert float(exact(net, normal(6)).metrics["trace"]) == 0


def test_the_constant_of_the_energy_has_gradient_0_and_not_none() -> None:
    net, x = smooth(), normal(4)
    constant = net.head.layers[0].bias
    for loss in (exact(net, x), sliced(net, x, x), denoising(net, x, x, 0.1), finite_difference(net, x, x)):
        gradient(net, loss)
        assert float(constant.grad.abs()) < 1e-9


def test_usage_is_checked() -> None:
    x = normal(3)
    with pytest.raises(UsageError, match="65 coordinates.*use the sliced form"):
        exact(lambda z: z.sum(1), torch.zeros(2, 65))
    with pytest.raises(UsageError, match="give two of one shape"):
        sliced(smooth(), x, x[:2])
    with pytest.raises(UsageError, match="unknown probe"):
        probe(x, generator(0), "signs")
    with pytest.raises(UsageError, match="delta is 0"):
        finite_difference(smooth(), x, x, 0.0)
    for sigma in (0.0, torch.ones(2), torch.ones(3, 1)):
        with pytest.raises(UsageError, match="sigma has shape"):
            denoising(smooth(), x, x, sigma)

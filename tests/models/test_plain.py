"""Losses as plain functions: gradients by hand on E(x) = a |x|^2 / 2 + b'x, and what they leave behind."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator
from gibbsian.energies import Gaussian
from gibbsian.mcmc import MALA, Langevin
from gibbsian.models.plain import (
    contrastive_divergence,
    denoising_score_matching,
    noise_contrastive_estimation,
    persistent_contrastive_divergence,
    sliced_score_matching,
)
from gibbsian.nets.density import BoxDensity
from gibbsian.starts import GaussianNoise, ReplayBuffer, UniformNoise

A, S, K = 1.5, 0.2, 3
SHRINK = (1 - S * A / 2) ** K
"""What K steps of plain descent on E make of each coordinate where b is 0."""


class Quadratic(nn.Module):
    """E(x) = a |x|^2 / 2 + b'x, as a column if asked for."""

    def __init__(self, a: float = A, column: bool = False) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.tensor(a, dtype=torch.float64))
        self.b = nn.Parameter(torch.zeros(2, dtype=torch.float64))
        self.column = column

    def forward(self, x: Tensor) -> Tensor:
        e = self.a * x.square().sum(1) / 2 + x @ self.b
        return e[:, None] if self.column else e


def data(n: int = 6, seed: int = 0) -> Tensor:
    return torch.randn(n, 2, generator=generator(seed), dtype=torch.float64) + 0.5


def noise() -> GaussianNoise:
    return GaussianNoise((2,), dtype=torch.float64)


def gradients(loss: Tensor, net: Quadratic) -> tuple[Tensor, Tensor]:
    assert loss.shape == ()
    found = torch.autograd.grad(loss, (net.a, net.b), allow_unused=True)
    return found[0], found[1]


def of_phases(x: Tensor, x_neg: Tensor) -> tuple[Tensor, Tensor]:
    """The gradient of mean E(x) - mean E(x'), by a and by b."""
    half = x.square().sum(1).mean() / 2 - x_neg.square().sum(1).mean() / 2
    return half, x.mean(0) - x_neg.mean(0)


@pytest.mark.parametrize("column", [False, True])
def test_persistent_chains_begin_and_end_in_the_buffer(column) -> None:
    """At temperature 0 chains are descents, so that the negatives are known."""
    net, x, buffer = Quadratic(column=column), data(), ReplayBuffer(noise(), 6, 0, reinit=0)
    before = buffer.stored.clone()
    loss = persistent_contrastive_divergence(
        net, x, Langevin(S, temperature=0), buffer, steps=K, rng=generator(1)
    )
    torch.testing.assert_close(buffer.stored, before * SHRINK)
    torch.testing.assert_close(gradients(loss, net), of_phases(x, before * SHRINK))
    assert not bool(buffer.held.any()) and bool((buffer.age == 1).all())


def test_chains_of_contrastive_divergence_begin_at_the_data() -> None:
    net, x = Quadratic(), data()
    loss = contrastive_divergence(net, x, Langevin(S, temperature=0), steps=K)
    torch.testing.assert_close(gradients(loss, net), of_phases(x, x * SHRINK))


def test_chains_of_short_run_learning_begin_at_noise() -> None:
    net, x = Quadratic(), data()
    begin = noise().draw(len(x), generator(1)).position
    loss = contrastive_divergence(
        net, x, Langevin(S, temperature=0), steps=K, start=noise(), rng=generator(1)
    )
    torch.testing.assert_close(gradients(loss, net), of_phases(x, begin * SHRINK))


def test_denoising_by_hand() -> None:
    """|sigma a (x + sigma eps) - eps|^2 / 2: its slope in a is the residual times sigma (x + sigma eps)."""
    net, x, sigma = Quadratic(), data(), 0.3
    eps = torch.randn(x.shape, generator=generator(1), dtype=x.dtype)
    loss = denoising_score_matching(net, x, sigma, generator(1))
    residual = sigma * A * (x + sigma * eps) - eps
    torch.testing.assert_close(loss.detach(), residual.square().sum(1).mean() / 2)
    by_a, by_b = gradients(loss, net)
    torch.testing.assert_close(by_a, (residual * sigma * (x + sigma * eps)).sum(1).mean())
    torch.testing.assert_close(by_b, sigma * residual.mean(0))


def test_sliced_refuses_an_energy_of_kinks() -> None:
    net = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 1))
    x = torch.randn(4, 3, generator=generator(0))
    with pytest.raises(UsageError, match=r"kinks of ReLU \('1'\)"):
        sliced_score_matching(net, x, generator(1))
    bowl = sliced_score_matching(lambda x: net(x)[:, 0] + x.square().sum(1), x, generator(1))
    assert bool(torch.isfinite(bowl))


def test_sliced_by_hand() -> None:
    """|a x|^2 / 2 - a |v|^2 with |v|^2 = 2 for signs: the slope in a is a mean |x|^2 - 2."""
    net, x = Quadratic(), data()
    by_a, by_b = gradients(sliced_score_matching(net, x, generator(1)), net)
    torch.testing.assert_close(by_a, A * x.square().sum(1).mean() - 2)
    torch.testing.assert_close(by_b, A * x.mean(0))


def test_noise_contrast_by_hand() -> None:
    """Data are taken for noise with 1 - s(h): d/dc is mean (1 - s(h)) of data - nu mean s(h) of noise."""
    net, x, c, nu = Quadratic(), data(), nn.Parameter(torch.tensor(0.7, dtype=torch.float64)), 2
    density = Gaussian([0.0, 0.0], [[4.0, 0.0], [0.0, 4.0]])
    drawn = density.draw(nu * len(x), generator(1))

    def doubt(z: Tensor) -> Tensor:
        h = -A * z.square().sum(1) / 2 - c.detach() - density.log_density(z) - math.log(nu)
        return torch.sigmoid(h)

    loss = noise_contrastive_estimation(net, x, density, c, generator(1), ratio=nu)
    by_c, by_a = torch.autograd.grad(loss, (c, net.a))
    torch.testing.assert_close(by_c, (1 - doubt(x)).mean() - nu * doubt(drawn).mean())
    half = (1 - doubt(x)) * x.square().sum(1) / 2
    torch.testing.assert_close(by_a, half.mean() - nu * (doubt(drawn) * drawn.square().sum(1) / 2).mean())


@pytest.mark.parametrize("seed", [0, 1])
def test_persistent_chains_learn_a_precision(seed) -> None:
    """From a = 1.5 to that of data of variance 4; a loss of the other sign would run to infinity."""
    net, rng = Quadratic(), generator(seed)
    buffer = ReplayBuffer(noise(), 256, rng)
    opt = torch.optim.Adam(net.parameters(), lr=0.02)
    for _ in range(250):
        x = 2 * torch.randn(256, 2, generator=rng, dtype=torch.float64)
        loss = persistent_contrastive_divergence(net, x, MALA(0.5), buffer, steps=3, rng=rng)
        opt.zero_grad()
        loss.backward()
        opt.step()
    assert 0.2 < float(net.a.detach()) < 0.32


def test_networks_are_frozen_in_chains_and_come_back() -> None:
    """Dropout draws no number in a chain, batch norm keeps its statistics there."""
    net = nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.SiLU(), nn.Dropout(0.5), nn.Linear(8, 1))
    x, buffer = data().float(), ReplayBuffer(UniformNoise((2,), -2, 2), 32, 0)
    loss = persistent_contrastive_divergence(net, x, Langevin(0.02), buffer, steps=4, rng=generator(0))
    assert int(net[1].num_batches_tracked) == 1, "one forward pass, that of the loss"
    loss.backward()
    assert net.training and all(p.grad is not None for p in net.parameters())


def test_ends_that_are_not_finite_are_drawn_again_and_counted() -> None:
    net, x = Quadratic(), data()
    buffer = ReplayBuffer(noise(), 6, 0, reinit=0)
    loss = persistent_contrastive_divergence(
        net, x, Langevin(1e200, temperature=0), buffer, steps=3, rng=generator(1)
    )
    assert bool(loss.isfinite()) and int(buffer.rejected) == 6 and bool(buffer.stored.isfinite().all())
    loss = contrastive_divergence(net, x, Langevin(1e200, temperature=0), steps=3)
    torch.testing.assert_close(loss.detach(), torch.zeros((), dtype=torch.float64))


def test_labels_go_to_data_and_chains() -> None:
    class Labelled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.means = nn.Parameter(torch.zeros(3, 2, dtype=torch.float64))

        def forward(self, x: Tensor, y: Tensor) -> Tensor:
            return (x - self.means[y]).square().sum(1) / 2

    net, x, y = Labelled(), data(), torch.tensor([0, 0, 1, 1, 1, 1])
    loss = contrastive_divergence(net, x, Langevin(S, temperature=0), steps=K, y=y)
    loss.backward()
    shift = x * (1 - S / 2) ** K - x
    by_class = torch.stack([shift[y == c].sum(0) / len(x) for c in range(3)])
    torch.testing.assert_close(net.means.grad, by_class)
    buffer = ReplayBuffer(noise(), 12, 0, classes=3)
    assert bool(persistent_contrastive_divergence(net, x, MALA(0.1), buffer, steps=2, y=y).isfinite())
    with pytest.raises(UsageError, match="only data or only chains"):
        persistent_contrastive_divergence(net, x, MALA(0.1), ReplayBuffer(noise(), 12, 0), steps=2, y=y)


def test_what_cannot_be_done_is_one_line() -> None:
    net, x, kernel = Quadratic(), data(), Langevin(S)
    with pytest.raises(UsageError, match="would draw the same"):
        denoising_score_matching(net, x, 0.1, 0)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"data have shape \(2,\) and chains \(3,\)"):
        contrastive_divergence(net, x, kernel, steps=1, start=GaussianNoise((3,)))
    with pytest.raises(UsageError, match="no mass"):
        noise_contrastive_estimation(net, x, BoxDensity((2,), 0.0, 0.1), 0.0)
    with pytest.raises(UsageError, match="one number"):
        noise_contrastive_estimation(net, x, Gaussian([0.0, 0.0], [[1.0, 0.0], [0.0, 1.0]]), torch.zeros(2))


def test_nothing_given_draws_from_torchs_own_stream() -> None:
    net, x = Quadratic(), data()
    with torch.random.fork_rng():
        torch.manual_seed(1)
        first = denoising_score_matching(net, x, 0.3)
        torch.manual_seed(1)
        assert torch.equal(first, denoising_score_matching(net, x, 0.3))
    torch.testing.assert_close(first, denoising_score_matching(net, x, 0.3, generator(1)))

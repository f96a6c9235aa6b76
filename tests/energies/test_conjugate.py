"""Latents integrated out: against quadrature in one latent dimension, against torch's Gaussians in more."""

from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from gibbsian.core.energy import value_and_grad
from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator
from gibbsian.energies.conditional import Given
from gibbsian.energies.conjugate import (
    Conjugate,
    GaussianPrior,
    MixturePrior,
    Natural,
    Prior,
    conditional_energy,
    sufficient,
)
from gibbsian.mcmc.base import run
from gibbsian.mcmc.langevin import Langevin

PRIORS = ["gaussian", "mixture", "learnt gaussian", "learnt mixture"]
each_prior = pytest.mark.parametrize("kind", PRIORS)


def prior_of(kind: str, latent: int = 1) -> Prior:
    """A prior in float64; learnt ones with means and variances away from their start."""
    learn = kind.startswith("learnt")
    prior: Prior = (
        GaussianPrior(latent, learn=learn)
        if kind.endswith("gaussian")
        else MixturePrior(latent, 4, rng=generator(3), learn=learn)
    )
    prior.double()
    if learn:
        with torch.no_grad():
            for p, rng in ((prior.means, generator(4)), (prior.log_variances, generator(5))):
                p += 0.7 * torch.randn(p.shape, generator=rng, dtype=p.dtype)
    return prior


def density(prior: Prior) -> MixtureSameFamily:
    """The prior as torch.distributions knows it."""
    means, std = prior.means.detach(), (0.5 * prior.log_variances.detach()).exp()
    parts = Independent(Normal(means, std), 1)
    return MixtureSameFamily(Categorical(torch.ones(len(means), dtype=means.dtype)), parts)


def raw_of(n: int = 9, latent: int = 1) -> torch.Tensor:
    return 1.5 * torch.randn(n, 2 * latent, generator=generator(0), dtype=torch.float64)


GRID = torch.linspace(-30, 30, 30_001, dtype=torch.float64)


def weights(prior: Prior, t: Natural) -> torch.Tensor:
    """exp <t, eta(z)> p(z) on the grid, `(B, G)`."""
    log_prior = density(prior).log_prob(GRID[:, None])
    return (t.first * GRID + t.second * GRID.square() + log_prior).exp()


@each_prior
def test_energy_is_the_integral_over_the_latent(kind: str) -> None:
    """E(x) = -log int exp <t(x), eta(z)> p(z) dz, by the trapezoid rule; the demand is 1e-4."""
    prior, t = prior_of(kind), sufficient(raw_of())
    exact = -torch.trapezoid(weights(prior, t), GRID).log()
    torch.testing.assert_close(prior.energy(t).detach(), exact, rtol=0, atol=1e-8)


@each_prior
def test_posterior_moments_by_quadrature(kind: str) -> None:
    prior, t = prior_of(kind), sufficient(raw_of())
    found, density = prior.posterior(t), weights(prior, t)
    density = density / torch.trapezoid(density, GRID)[:, None]
    mean = torch.trapezoid(density * GRID, GRID)
    variance = torch.trapezoid(density * (GRID - mean[:, None]).square(), GRID)
    torch.testing.assert_close(found.mean[:, 0].detach(), mean, rtol=0, atol=1e-8)
    torch.testing.assert_close(found.variance[:, 0].detach(), variance, rtol=0, atol=1e-8)


@each_prior
def test_bayes_in_several_dimensions(kind: str) -> None:
    """p(x, z) = exp(-E(x)) p(z | x) at any z: <t, eta(z)> + log p(z) = -E(x) + log p(z | x)."""
    prior, t = prior_of(kind, 3), sufficient(raw_of(7, 3))
    z = torch.randn(7, 3, generator=generator(1), dtype=torch.float64)
    found = prior.posterior(t)
    parts = Independent(Normal(found.components.mean, found.components.variance.sqrt()), 1)
    log_posterior = MixtureSameFamily(Categorical(found.responsibilities), parts).log_prob(z)
    left = -conditional_energy(t, z) + density(prior).log_prob(z)
    torch.testing.assert_close(left, log_posterior - prior.energy(t))


def test_the_gaussian_is_written_out() -> None:
    """A(n) = -n1^2 / 4 n2 - log(-2 n2) / 2, and a standard normal prior has A = 0."""
    assert GaussianPrior(5).natural().log_normaliser().item() == 0.0
    n = Natural(torch.tensor([[1.0, -2.0]]), torch.tensor([[-0.5, -2.0]]))
    wanted = 0.5 + 0.0 + 0.5 - 0.5 * math.log(4.0)
    assert n.log_normaliser().item() == pytest.approx(wanted)
    assert n.mean.tolist() == [[1.0, -0.5]] and n.variance.tolist() == [[1.0, 0.25]]


def test_one_component_at_the_origin_is_the_gaussian() -> None:
    t = sufficient(raw_of(6, 2))
    one = Prior(torch.zeros(1, 2, dtype=torch.float64))
    three = Prior(torch.zeros(3, 2, dtype=torch.float64))
    torch.testing.assert_close(one.energy(t), three.energy(t))
    torch.testing.assert_close(one.posterior(t).mean, three.posterior(t).mean)


def test_no_evidence_gives_the_prior_back() -> None:
    prior = prior_of("learnt mixture", 2)
    t = Natural(torch.zeros(3, 2, dtype=torch.float64), torch.zeros(3, 2, dtype=torch.float64))
    assert prior.energy(t).abs().max() < 1e-12
    found, whole = prior.posterior(t), density(prior)
    torch.testing.assert_close(found.mean, whole.mean.expand(3, 2))
    torch.testing.assert_close(found.variance, whole.variance.expand(3, 2))


def test_point_latents_are_those_of_the_likeliest_component() -> None:
    """Slip to avoid: the mean of the whole mixture posterior lies between components, in none of them."""
    prior = Prior(torch.tensor([[-4.0], [4.0]], dtype=torch.float64))
    t = sufficient(torch.tensor([[0.05, 1e-3], [-0.05, 1e-3]], dtype=torch.float64))
    found = prior.posterior(t)
    assert found.component.tolist() == [1, 0]
    torch.testing.assert_close(found.point()[:, 0], torch.tensor([4.05, -4.05]).double(), atol=1e-3, rtol=0)
    torch.testing.assert_close(found.natural.mean, found.point())
    assert found.point("mean").abs().max() < 1.0
    with pytest.raises(UsageError, match="did you mean 'mean'"):
        found.point("means")


def test_draws_have_the_posterior_s_moments() -> None:
    """40,000 draws of one posterior; |z| < 5 for four moments: a false alarm in 4e5 runs or fewer."""
    prior, n = prior_of("learnt mixture", 2), 40_000
    t = sufficient(raw_of(1, 2).expand(n, -1))
    found = prior.posterior(t)
    drawn = found.draw(generator(6)).detach()
    mean, variance = found.mean[0].detach(), found.variance[0].detach()
    assert ((drawn.mean(0) - mean) / (variance / n).sqrt()).abs().max() < 5
    squares = (drawn - mean).square()
    assert ((squares.mean(0) - variance) / (squares.std(0) / math.sqrt(n))).abs().max() < 5
    repeated = found.draw(generator(6)).detach()
    assert torch.equal(drawn, repeated) and not torch.equal(drawn, found.draw(generator(7)))


def test_prior_draws_have_the_prior_s_moments() -> None:
    """20,000 draws; |z| < 5 for four moments: a false alarm in 4e5 runs or fewer."""
    prior, n = prior_of("learnt mixture", 2), 20_000
    drawn, whole = prior.draw(n, generator(2)).detach(), density(prior)
    assert ((drawn.mean(0) - whole.mean) / (whole.variance / n).sqrt()).abs().max() < 5
    squares = (drawn - whole.mean).square()
    assert ((squares.mean(0) - whole.variance) / (squares.std(0) / math.sqrt(n))).abs().max() < 5


def test_the_second_statistic_stays_below_zero() -> None:
    t = sufficient(torch.tensor([[1.0, 2.0, 0.0, -3.0]]))
    assert t.first.tolist() == [[1.0, 2.0]]
    assert (t.second < 0).all() and t.second[0, 1].item() == pytest.approx(-9.0)
    for bad in (torch.zeros(2, 3), torch.zeros(4)):
        with pytest.raises(UsageError, match="two numbers a latent"):
            sufficient(bad)


@each_prior
def test_gradients_of_the_energy(kind: str) -> None:
    """By the outputs of the network, and by means and variances where they are learnt."""
    prior, raw = prior_of(kind, 2), raw_of(3, 2).requires_grad_()
    assert torch.autograd.gradcheck(lambda r: prior.energy(sufficient(r)), raw)
    found = torch.autograd.grad(prior.energy(sufficient(raw)).sum(), raw)[0]
    wanted = -prior.posterior(sufficient(raw)).mean  # Fisher's identity: -dE/dt1 = E[z | x]
    torch.testing.assert_close(found[:, :2], wanted)
    assert bool(list(prior.parameters())) == kind.startswith("learnt")
    for p in prior.parameters():
        step, name = 1e-6, p.detach().clone()
        slope = torch.autograd.grad(prior.energy(sufficient(raw)).sum(), p)[0][0, 0]
        with torch.no_grad():
            p[0, 0] += step
            above = prior.energy(sufficient(raw)).sum()
            p.copy_(name)
            p[0, 0] -= step
            below = prior.energy(sufficient(raw)).sum()
            p.copy_(name)
        assert slope.item() == pytest.approx(((above - below) / (2 * step)).item(), rel=1e-4)


class Line(torch.nn.Module):
    """t1 = x, t2 = 0 for a number x."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([x, torch.zeros_like(x)], dim=1)


def test_chains_given_a_latent_climb_its_log_factor() -> None:
    """E(x | z) = -x z here, so a positive z must push x up; the released code descends the log-factor."""
    model = Conjugate(Line(), GaussianPrior(1))
    x, z = torch.zeros(4, 1), torch.tensor([[2.0], [2.0], [-2.0], [-2.0]])
    energy = Given(model.conditional, z)
    _, slope = value_and_grad(energy, x)
    assert slope[:, 0].tolist() == [-2.0, -2.0, 2.0, 2.0]
    chain = run(Langevin(step_size=0.1, temperature=0.0), energy, x, steps=5, rng=generator(0))
    assert chain.position[:, 0].sign().tolist() == [1.0, 1.0, -1.0, -1.0]


def test_conditional_energy_takes_one_latent_for_all() -> None:
    t, z = sufficient(raw_of(4, 3)), torch.randn(3, generator=generator(0), dtype=torch.float64)
    torch.testing.assert_close(conditional_energy(t, z), conditional_energy(t, z.expand(4, 3)))
    with pytest.raises(UsageError, match="z has shape"):
        conditional_energy(t, torch.zeros(3, 3, dtype=torch.float64))


def test_mixtures_are_drawn_from_their_generator() -> None:
    same = [MixturePrior(3, 5, rng=generator(1)).means for _ in range(2)]
    assert torch.equal(*same) and same[0].shape == (5, 3)
    assert not torch.equal(same[0], MixturePrior(3, 5, rng=generator(2)).means)
    assert not list(MixturePrior(3, rng=generator(1)).parameters())
    assert MixturePrior(3, rng=generator(1)).components == 20
    for build in (lambda: GaussianPrior(0), lambda: MixturePrior(2, 0, rng=generator(0))):
        with pytest.raises(UsageError, match="must be a positive"):
            build()


@pytest.mark.parametrize("scale", [0.0, 1e4])
def test_extreme_statistics_stay_finite_in_float32(scale: float) -> None:
    prior = MixturePrior(8, rng=generator(0))
    raw = (scale * torch.randn(5, 16, generator=generator(1))).requires_grad_()
    e = prior.energy(sufficient(raw))
    assert torch.isfinite(e).all()
    assert torch.isfinite(torch.autograd.grad(e.sum(), raw)[0]).all()

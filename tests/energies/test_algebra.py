import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.grid import Grid
from gibbsian.core.energy import value_and_grad
from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator
from gibbsian.energies import (
    Ensemble,
    Gaussian,
    GaussianReference,
    Mixture,
    Negation,
    Product,
    PullBack,
    Scaled,
    Tempered,
    Tether,
    shared_step,
    tempered,
)

GRID = Grid(-6, 6, 150, dtype=torch.float64)
X = torch.randn((7, 2), generator=generator(0), dtype=torch.float64)

number = st.floats(-3, 3).map(lambda v: round(v, 3))
positive = st.floats(0.2, 4).map(lambda v: round(v, 3))
gaussian = st.builds(
    lambda a, b, s: Gaussian([a, b], s * torch.eye(2), dtype=torch.float64), number, number, positive
)
several = st.lists(gaussian, min_size=1, max_size=4)
properties = settings(max_examples=40, deadline=None)


def same(a, b, x=X):
    torch.testing.assert_close(a(x), b(x), rtol=1e-10, atol=1e-10)


@properties
@given(several, st.randoms(use_true_random=False))
def test_product_commutes_and_flattens(energies, shuffler):
    shuffled = shuffler.sample(energies, len(energies))
    same(Product(energies), Product(shuffled))
    same(Product([energies[0], Product(shuffled)]), Product([*energies, energies[0]]))


@properties
@given(gaussian, positive)
def test_one_of_a_kind_is_itself(energy, weight):
    for one in (Product([energy]), Ensemble([energy, energy]), Mixture([energy], [weight], [0.0])):
        same(one, energy)
    same(Mixture([energy, energy, energy], [weight, 1, 2], [0, 0, 0]), energy)


@properties
@given(gaussian, positive, positive)
def test_temperatures_compose_and_are_inverse_scales(energy, s, t):
    same(Tempered(Tempered(energy, s), t), Tempered(energy, s * t))
    same(Tempered(energy, t), Scaled(energy, 1 / t))


@properties
@given(several, positive)
def test_tempering_distributes_over_products(energies, t):
    same(Tempered(Product(energies), t), Product(tempered(energies, [t] * len(energies))))


@properties
@given(several)
def test_ensemble_is_the_product_shared_out(energies):
    same(Scaled(Ensemble(energies), len(energies)), Product(energies))


@properties
@given(gaussian, gaussian, positive)
def test_negation_undoes_a_product(e1, e2, alpha):
    same(Negation(Product([e1, Scaled(e2, alpha)]), e2, alpha), e1)
    same(Negation(e1, e2, 0.0), e1)


@properties
@given(several, st.lists(positive, min_size=4, max_size=4), st.randoms(use_true_random=False))
def test_mixture_commutes_with_its_weights_and_is_normalised(energies, weights, shuffler):
    parts = [(e, w, e.log_z) for e, w in zip(energies, weights, strict=False)]
    mixture = Mixture(*map(list, zip(*parts, strict=True)))
    same(mixture, Mixture(*map(list, zip(*shuffler.sample(parts, len(parts)), strict=True))))
    density = sum(w * e.log_density(X).exp() for e, w, _ in parts) / sum(w for _, w, _ in parts)
    torch.testing.assert_close((-mixture(X)).exp(), density, rtol=1e-10, atol=1e-300)


def test_product_of_gaussians_adds_precisions():
    a, b = torch.tensor([[2.0, 0.3], [0.3, 1.0]]), torch.tensor([[0.5, -0.2], [-0.2, 1.5]])
    cov = (a.double().inverse() + b.double().inverse()).inverse()
    mean = cov @ (a.double().inverse() @ torch.tensor([1.0, -1.0], dtype=torch.float64))
    product = Product([Gaussian([1.0, -1.0], a), Gaussian([0.0, 0.0], b)])
    assert GRID.kl(product, Gaussian(mean, cov)) < 1e-10


def narrow_and_wide():
    return [Gaussian([-4.0, 0.0], torch.eye(2)), Gaussian([4.0, 0.0], 0.25 * torch.eye(2))]


def share_of_left(energy):
    grid = Grid(-9, 9, 250, dtype=torch.float64)
    mass = (grid.log_density(energy) + grid.log_weights()).exp()
    return float(mass[: grid.n // 2].sum())


def test_mixture_without_log_z_has_arbitrary_weights():
    # algorithms.md, section 18: widths 1 and 1/2 weigh 4 to 1 in the plane when log Z is left out.
    energies = narrow_and_wide()
    naive = Mixture(energies, [0.5, 0.5])
    assert share_of_left(naive) == pytest.approx(0.8, abs=1e-3)


def test_mixture_with_log_z_has_the_weights_it_says():
    energies = narrow_and_wide()
    mixture = Mixture(energies, [0.3, 0.7], [e.log_z for e in energies])
    assert share_of_left(mixture) == pytest.approx(0.3, abs=1e-3)
    even = Mixture(energies, None, [e.log_z for e in energies])
    assert Grid(-9, 9).log_z(even) == pytest.approx(0, abs=1e-3)


def test_one_dimensional_mixture_of_widths_one_and_a_half_weighs_two_to_one():
    x = torch.linspace(-12, 12, 10_001, dtype=torch.float64)[:, None]
    parts = [Gaussian([-5.0], [[1.0]]), Gaussian([5.0], [[0.25]])]
    naive, right = Mixture(parts), Mixture(parts, None, [p.log_z for p in parts])
    for mixture, share in [(naive, 2 / 3), (right, 1 / 2)]:
        density = (-mixture(x)).exp()
        assert float(density[:5_000].sum() / density.sum()) == pytest.approx(share, abs=1e-4)


def test_cold_energy_is_tempered_before_a_tether_is_added():
    # Prior N(0, 4) learnt at T = 1e-3, one pixel seen as 1.5 with noise 1: posterior N(1.2, 0.8).
    cold, temperature = Scaled(Gaussian([0.0], [[4.0]], dtype=torch.float64), 1e-3), 1e-3
    tether = Tether(torch.tensor([[1.5]], dtype=torch.float64), 1.0)
    posterior = Product(tempered([cold, tether], [temperature, 1.0]))
    assert mean_and_variance(posterior) == pytest.approx((1.2, 0.8), rel=1e-6)
    slip = Tempered(Product([cold, tether]), temperature)
    mean, variance = mean_and_variance(slip)
    assert mean == pytest.approx(1.5, abs=1e-3) and variance < 1.1e-3


def mean_and_variance(energy):
    """Of a 1-d Gaussian energy, from its gradient at 0 and at 1."""
    _, grad = value_and_grad(energy, torch.tensor([[0.0], [1.0]], dtype=torch.float64))
    precision = float(grad[1] - grad[0])
    return float(-grad[0] / precision), 1 / precision


def langevin(energy, x, step_size, temperature, seed):
    rng = generator(seed)
    for _ in range(50):
        _, grad = value_and_grad(energy, x)
        noise = torch.randn(x.shape, generator=rng, dtype=x.dtype)
        x = x - step_size / 2 * grad + math.sqrt(step_size * temperature) * noise
    return x


def test_energy_step_temperature_is_the_same_chain_as_tempered_energy():
    energy, temperature, step = Gaussian([1.0, 0.0], [[2.0, 0.3], [0.3, 1.0]]), 0.02, 0.1
    cold = langevin(energy, X, step, temperature, seed=1)
    step_at_one = shared_step([step], [temperature])
    torch.testing.assert_close(langevin(Tempered(energy, temperature), X, step_at_one, 1.0, seed=1), cold)


def test_shared_step_is_the_smallest():
    assert shared_step([10.0, 1.0, 0.02], [1.25e-6, 5e-5, 1.0]) == pytest.approx(1.25e-5)


def test_tempered_leaves_temperature_one_alone():
    reference = GaussianReference(1.0)
    assert tempered([reference], [1.0]) == (reference,)


def test_negation_is_bounded_by_its_ceiling():
    e1, e2 = Gaussian([0.0], [[4.0]], dtype=torch.float64), Gaussian([0.0], [[1.0]], dtype=torch.float64)
    far = torch.tensor([[100.0]], dtype=torch.float64)
    assert Negation(e1, e2, 0.5)(far) < -1000
    assert Negation(e1, e2, 0.5, ceiling=8.0)(far) == e1(far) - 4.0
    assert Negation(e1, e2, 0.5, ceiling=8.0)(far / 50) == e1(far / 50) - 0.5 * e2(far / 50)


def test_wall_in_a_product_and_in_a_mixture():
    def wall(x):
        return torch.where(x[:, 0] > 0, 0 * x[:, 0], math.inf)

    energy = Gaussian([0.0, 0.0], torch.eye(2), dtype=torch.float64)
    left, right = torch.tensor([[-1.0, 0.0], [1.0, 0.0]], dtype=torch.float64)[:, None]
    assert Product([energy, wall])(left) == math.inf
    assert Product([energy, wall])(right) == energy(right)
    assert Mixture([energy, wall], [0.5, 0.5], [0, 0])(left) == energy(left) + math.log(2)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Product([]), "Product of no energies"),
        (lambda: Ensemble([]), "Ensemble of no energies"),
        (lambda: Mixture([abs], [0.5, 0.5]), "weights has 2 entries for 1"),
        (lambda: Mixture([abs, abs], [0.5, 0.0]), "positive"),
        (lambda: Mixture([abs, abs], None, [1.0]), "log_z has 1 entries for 2"),
        (lambda: Tempered(abs, 0.0), "temperature is 0.0"),
        (lambda: Tempered(abs, torch.tensor([1.0, -1.0])), "temperature"),
        (lambda: Tempered(abs, math.nan), "temperature is nan"),
        (lambda: Scaled(abs, math.inf), "factor is inf"),
        (lambda: Negation(abs, abs, -0.1), "alpha is -0.1"),
        (lambda: Negation(abs, abs, 1.0, math.inf), "ceiling is inf"),
        (lambda: tempered([abs], [1.0, 2.0]), "temperatures has 2 entries for 1"),
        (lambda: shared_step([], []), "empty"),
        (lambda: shared_step([0.1], [0.0]), "temperature is 0.0"),
    ],
)
def test_wrong_arguments_are_refused(make, says):
    with pytest.raises(UsageError, match=says):
        make()


def test_factor_of_another_number_of_chains_is_refused():
    with pytest.raises(UsageError, match="one a chain"):
        Scaled(Gaussian([0.0, 0.0], torch.eye(2)), torch.ones(3))(X)


def test_networks_that_return_a_column_add_up_with_those_that_do_not():
    """(B, 1) + (B,) would be (B, B)."""

    def column(x):
        return x.square().sum(1, keepdim=True)

    def plain(x):
        return x.sum(1)

    x = torch.randn(5, 3, generator=generator(0))
    for energy in (
        Product([column, plain]),
        Ensemble([plain, column]),
        Mixture([column, plain]),
        Negation(plain, column),
        Scaled(column, torch.arange(5.0)),
        Tempered(column, torch.arange(1.0, 6.0)),
        PullBack(column, lambda z: z),
    ):
        assert energy(x).shape == (5,)
    torch.testing.assert_close(Product([column, plain])(x), x.square().sum(1) + x.sum(1))

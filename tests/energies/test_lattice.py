import itertools
import math

import pytest
import torch
from targets import GaussianField, Ising

from gibbsian.core.energy import hessian_vector
from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator

SHAPES = [(1, 4, 3), (2, 2, 5), (1, 1, 4)]


def precision(field):
    """The dense precision matrix, a column a basis vector."""
    size = math.prod(field.event)
    basis = torch.eye(size, dtype=torch.float64).reshape(size, *field.event)
    return hessian_vector(field, torch.zeros_like(basis), basis).reshape(size, size)


@pytest.mark.parametrize("shape", SHAPES)
def test_field_agrees_with_its_dense_precision(shape):
    field = GaussianField(shape, mass=0.3, stiffness=1.7, dtype=torch.float64)
    dense = precision(field)
    assert torch.allclose(dense, dense.T)
    size = len(dense)
    assert field.log_z == pytest.approx(0.5 * size * math.log(2 * math.pi) - 0.5 * float(dense.logdet()))
    torch.testing.assert_close(field.var.flatten(), dense.inverse().diagonal())
    x = torch.randn((3, *shape), generator=generator(0), dtype=torch.float64)
    flat = x.flatten(1)
    torch.testing.assert_close(field(x), 0.5 * ((flat @ dense) * flat).sum(1))


def test_field_draws_have_the_covariance_of_the_dense_precision():
    # 144 products, each within 5 standard errors: false alarms 1 in 10,000 seeds.
    field = GaussianField((1, 4, 3), dtype=torch.float64)
    x = field.draw(40_000, generator(1)).flatten(1)
    products = x[:, :, None] * x[:, None, :]
    error = products.std(0) / math.sqrt(len(x))
    z = (products.mean(0) - precision(field).inverse()) / error
    assert z.abs().max() < 5


def ising_by_hand(side, coupling, field):
    """log Z and mean spin by a sum over states, written out neighbour by neighbour."""
    sites = list(itertools.product(range(side), repeat=2))
    total, spins = 0.0, dict.fromkeys(sites, 0.0)
    for state in itertools.product([-1, 1], repeat=len(sites)):
        s = dict(zip(sites, state, strict=True))
        bonds = sum(s[i, j] * s.get((i + 1, j), 0) + s[i, j] * s.get((i, j + 1), 0) for i, j in sites)
        weight = math.exp(coupling * bonds + field * sum(state))
        total += weight
        for site in sites:
            spins[site] += weight * s[site]
    return math.log(total), [spins[site] / total for site in sites]


@pytest.mark.parametrize(("side", "coupling", "field"), [(1, 0.4, 0.3), (2, 0.4, 0.1), (3, -0.3, 0.2)])
def test_ising_agrees_with_a_sum_over_states(side, coupling, field):
    log_z, mean = ising_by_hand(side, coupling, field)
    target = Ising(side, coupling, field)
    assert target.log_z == pytest.approx(log_z)
    torch.testing.assert_close(target.mean.flatten(), torch.tensor(mean, dtype=torch.float64))


def test_ising_of_side_four_by_transfer_matrices():
    coupling, side = 0.35, 4
    rows = torch.tensor(list(itertools.product([-1.0, 1.0], repeat=side)), dtype=torch.float64)
    inside = torch.exp(coupling * (rows[:, 1:] * rows[:, :-1]).sum(1))
    between = torch.exp(coupling * rows @ rows.T)
    vector = inside
    for _ in range(side - 1):
        vector = inside * (between @ vector)
    assert Ising(side, coupling).log_z == pytest.approx(float(vector.sum().log()))


def test_ising_draws_are_spins_with_the_probabilities_of_the_states():
    # Pearson's chi-squared over 16 states: 15 degrees of freedom exceed 56.5 once in a million seeds.
    target, n = Ising(2, 0.3, 0.1), 20_000
    x = target.draw(n, generator(2))
    assert x.dtype == torch.float32 and set(x.unique().tolist()) == {-1.0, 1.0}
    code = ((x.flatten(1) + 1) / 2) @ torch.tensor([1.0, 2.0, 4.0, 8.0])
    counts = torch.bincount(code.long(), minlength=16)
    expected = n * target.probabilities
    assert float(((counts - expected) ** 2 / expected).sum()) < 56.5


def test_ising_gradient_is_the_field_that_a_spin_feels():
    target = Ising(3, 0.4, 0.1, dtype=torch.float64)
    s = target.draw(4, generator(3)).requires_grad_()
    target(s).sum().backward()
    flipped = s.detach().clone()
    flipped[:, 1, 1] *= -1
    torch.testing.assert_close(target(flipped) - target(s.detach()), -2 * (s * s.grad)[:, 1, 1].detach())


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Ising(5), "side is 5"),
        (lambda: Ising(0), "side is 0"),
        (lambda: GaussianField((8, 8)), "shape is"),
        (lambda: GaussianField((1, 8, 8), mass=0.0), "mass is 0"),
        (lambda: GaussianField((1, 8, 8), stiffness=-1.0), "stiffness -1"),
    ],
)
def test_wrong_parameters_are_refused(make, says):
    with pytest.raises(UsageError, match=says):
        make()

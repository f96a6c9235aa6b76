"""Sign and gradient against closed forms, in float64."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from gibbsian.core.energy import curvature, hessian_vector, score_function, value, value_and_grad
from gibbsian.core.errors import UsageError

X = torch.tensor([[1.0, -2.0], [0.5, 3.0], [0.0, 0.0]], dtype=torch.float64)
A = torch.tensor([[2.0, 0.5], [0.5, 1.0]], dtype=torch.float64)


def quadratic(x):
    return 0.5 * ((x @ A) * x).sum(1)


def test_value_and_gradient() -> None:
    e, grad = value_and_grad(quadratic, X)
    torch.testing.assert_close(e, quadratic(X))
    torch.testing.assert_close(grad, X @ A)
    assert not e.requires_grad and not grad.requires_grad and not X.requires_grad


def test_score_points_to_lower_energy() -> None:
    """score = -grad E / T: the sign convention of the library, on a skewed target as well."""
    torch.testing.assert_close(score_function(quadratic, X, temperature=0.5), -2 * X @ A)
    skewed = lambda x: (x + torch.exp(-x)).sum(1)  # noqa: E731  Gumbel, whose two sides differ
    torch.testing.assert_close(score_function(skewed, X), torch.exp(-X) - 1)
    moved = X + 1e-4 * score_function(skewed, X)
    assert (skewed(moved)[:2] < skewed(X)[:2]).all()


def test_tuples_and_leaves_that_do_not_matter() -> None:
    e, (gz, ge) = value_and_grad(lambda p: p[0].square().sum(1), (X, torch.ones(3, 4)))
    assert e.shape == (3,)
    torch.testing.assert_close(gz, 2 * X)
    assert torch.equal(ge, torch.zeros(3, 4))


def test_works_inside_no_grad_and_leaves_parameters_alone() -> None:
    net = nn.Linear(2, 1).double()
    with torch.no_grad():
        _, grad = value_and_grad(lambda x: net(x)[:, 0], X)
    torch.testing.assert_close(grad, net.weight.detach().expand(3, 2))
    assert all(p.grad is None for p in net.parameters())


def test_differentiable_keeps_the_graph_to_parameters_and_position() -> None:
    scale = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    e, grad = value_and_grad(lambda x: scale * x.pow(3).sum(1), X, differentiable=True)
    loss = grad.square().sum() + e.sum()
    loss.backward()
    wanted = (2 * 2.0 * (3 * X.square()).square()).sum() + X.pow(3).sum()
    torch.testing.assert_close(scale.grad, wanted)


def test_the_callers_position_is_left_as_it_was() -> None:
    value_and_grad(quadratic, X, differentiable=True)
    assert not X.requires_grad


def test_hessian_vector_products() -> None:
    v = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], dtype=torch.float64)
    torch.testing.assert_close(hessian_vector(quadratic, X, v), v @ A)
    assert torch.equal(hessian_vector(lambda x: x.sum(1), X, v), torch.zeros_like(v))


def test_curvature_along_probes_keeps_its_graph() -> None:
    scale = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    v, w = torch.tensor([[1.0, 0.0]]).expand(3, 2).double(), torch.ones_like(X)
    energy = lambda x: scale * (x.pow(3).sum(1) + x[:, 0] * x[:, 1])  # noqa: E731
    e, grad, (first, second) = curvature(energy, X, [v, w])
    torch.testing.assert_close(e, energy(X))
    torch.testing.assert_close(grad, scale * (3 * X.square() + X.flip(1)))
    torch.testing.assert_close(first, scale * 6 * X[:, 0])
    torch.testing.assert_close(second, scale * (6 * X.sum(1) + 2))
    second.sum().backward()
    torch.testing.assert_close(scale.grad, (6 * X.sum(1) + 2).sum())


def test_curvature_of_a_linear_energy_is_0_and_pairs_add_up() -> None:
    weight = torch.ones(2, dtype=torch.float64, requires_grad=True)
    for energy in (lambda x: x @ weight, lambda x: x.sum(1)):
        assert torch.equal(curvature(energy, X, [X])[2][0], torch.zeros(3, dtype=torch.float64))
    pair, v = (X, 2 * X), (torch.ones_like(X), X)
    found = curvature(lambda p: (p[0] * p[1]).sum(1) + p[0].square().sum(1), pair, [v])[2][0]
    torch.testing.assert_close(found, 2 * X.sum(1) + 4)


@pytest.mark.parametrize(
    "bad", [lambda x: x, lambda x: x.sum(), lambda x: x[:2, 0], lambda x: 1.0, lambda x: None]
)
def test_energies_of_the_wrong_shape_are_refused(bad) -> None:
    with pytest.raises(UsageError, match="one number a chain|one\\s+number"):
        value(bad, X)


def test_a_column_of_energies_is_one_number_a_chain() -> None:
    """As an nn.Sequential that ends in a Linear(., 1) returns it; kept as (B, 1) it would broadcast."""
    torch.testing.assert_close(value(lambda x: x.sum(1, keepdim=True), X), X.sum(1))
    e, grad = value_and_grad(lambda x: x.square().sum(1, keepdim=True), X)
    assert e.shape == (len(X),)
    torch.testing.assert_close(grad, 2 * X)


def test_energies_without_a_gradient_are_refused() -> None:
    with pytest.raises(UsageError, match="no gradient"):
        value_and_grad(lambda x: torch.zeros(3), X)

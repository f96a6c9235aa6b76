"""Divergences against hand-computed ones on two atoms, where means are sums and nothing is estimated."""

from __future__ import annotations

import math

import pytest
import torch

from gibbsian.core.errors import UsageError
from gibbsian.objectives.divergence import (
    TERMS,
    base_loss,
    energy_loss,
    gradient_penalty,
    kale,
    log_mean_exp,
)

P, G = (0.25, 0.75), (0.5, 0.5)
TRUE = {
    "kale": sum(p * math.log(p / g) for p, g in zip(P, G, strict=True)),
    "reverse_kl": sum(g * math.log(g / p) for p, g in zip(P, G, strict=True)),
    "pearson": sum((p - g) ** 2 / g for p, g in zip(P, G, strict=True)),
    "hellinger": sum((p**0.5 - g**0.5) ** 2 for p, g in zip(P, G, strict=True)),
    "jensen_shannon": sum(
        p * math.log(p / (p + g)) + g * math.log(g / (p + g)) for p, g in zip(P, G, strict=True)
    ),
}
ZERO = torch.zeros((), dtype=torch.float64)


def atoms() -> torch.Tensor:
    """-log dP/dG on the two atoms."""
    return torch.tensor([-math.log(p / g) for p, g in zip(P, G, strict=True)], dtype=torch.float64)


def spread(e: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """E of data with the proportions of P, and of base samples with those of G."""
    return e[torch.tensor([0, 1, 1, 1])], e[torch.tensor([0, 1])]


@pytest.mark.parametrize("name", TERMS)
def test_value_at_the_log_ratio_is_the_divergence(name) -> None:
    loss = energy_loss(*spread(atoms()), ZERO, name)
    assert float(loss.metrics["divergence"]) == pytest.approx(TRUE[name], rel=1e-12)
    assert float(loss.value) == pytest.approx(-TRUE[name], rel=1e-12)


@pytest.mark.parametrize("name", [*TERMS, "donsker"])
def test_the_log_ratio_is_stationary_and_a_maximum(name) -> None:
    e = atoms().requires_grad_()
    c = torch.zeros((), dtype=torch.float64, requires_grad=True)
    value = energy_loss(*spread(e), c, name).value
    (slope,) = torch.autograd.grad(value, e)
    assert slope.abs().max() < 1e-12
    moved = energy_loss(*spread(e + torch.tensor([0.3, -0.1])), c, name).value
    assert float(moved.detach()) > float(value.detach())


def test_c_is_stationary_at_the_log_partition() -> None:
    e = torch.tensor([0.3, -1.2, 2.0], dtype=torch.float64)
    c = log_mean_exp(-e).requires_grad_()
    loss = energy_loss(e[:1], e, c)
    (slope,) = torch.autograd.grad(loss.value, c)
    assert abs(float(slope)) < 1e-12 and abs(float(loss.metrics["log_partition_error"])) < 1e-12
    assert float(loss.metrics["divergence"]) == pytest.approx(float(kale(e[:1], e)), rel=1e-12)
    for moved in (-2.0, 0.4):
        told = energy_loss(e[:1], e, c.detach() + moved).metrics
        assert float(told["log_partition_error"]) == pytest.approx(moved, rel=1e-12)


def test_base_gradient_is_weighted_by_softmax() -> None:
    """Not mean E, and not the exp(-(E + c)) term: two slips that the reference warns of."""
    e = torch.tensor([0.3, -1.2, 2.0], dtype=torch.float64, requires_grad=True)
    for name in ("kale", "donsker"):
        (slope,) = torch.autograd.grad(base_loss(e, ZERO, name).value, e)
        torch.testing.assert_close(slope, torch.softmax(-e, 0).detach())


@pytest.mark.parametrize("name", ["reverse_kl", "pearson", "hellinger"])
def test_base_loss_is_the_part_of_the_bound_that_the_base_moves(name) -> None:
    e = atoms().requires_grad_()
    (slope,) = torch.autograd.grad(base_loss(spread(e)[1], ZERO, name).value, e)
    whole = energy_loss(spread(e.detach())[0], spread(e)[1], ZERO, name).metrics["divergence"]
    step = 1e-6
    for i in range(2):
        near = e.detach().clone()
        near[i] += step
        moved = energy_loss(spread(e.detach())[0], spread(near)[1], ZERO, name).metrics["divergence"]
        assert float(moved - whole) / step == pytest.approx(float(slope[i]), rel=1e-4)


def test_plain_gan_generator_does_not_saturate() -> None:
    e = torch.tensor([5.0, 5.0], dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(base_loss(e, ZERO, "jensen_shannon").value, e)
    assert float(slope.sum()) > 0.99


def test_kale_of_two_gaussians_is_their_divergence() -> None:
    """KL(N(1, 1) | N(0, 1)) = 1/2; z-bound 5 on 40,000 draws each, false alarm 6e-7."""
    rng = torch.Generator().manual_seed(0)
    x = 1 + torch.randn(40_000, generator=rng, dtype=torch.float64)
    base = torch.randn(40_000, generator=rng, dtype=torch.float64)
    found = kale(0.5 - x, 0.5 - base)
    # sd of the mean of x is 1/200, of log mean exp sqrt(e - 1)/200
    assert abs(float(found) - 0.5) < 5 * math.sqrt(1 + math.e - 1) / 200


def test_penalty_of_a_linear_energy_is_its_slope_squared_and_keeps_its_graph() -> None:
    w = torch.tensor([3.0, -4.0], requires_grad=True)
    rng = torch.Generator().manual_seed(0)
    found = gradient_penalty(lambda x: x @ w, torch.randn(7, 2), torch.randn(7, 2), rng)
    assert float(found.detach()) == pytest.approx(25.0)
    assert torch.allclose(torch.autograd.grad(found, w)[0], 2 * w.detach())


def test_penalty_looks_between_data_and_base_only() -> None:
    x, base = torch.full((500, 1), 2.0), torch.full((500, 1), 3.0)
    found = gradient_penalty(lambda x: x.square().sum(1) / 2, x, base, torch.Generator().manual_seed(0))
    assert 4 < float(found.detach()) < 9
    assert float(found.detach()) == pytest.approx(19 / 3, abs=0.3)  # x^2 on [2, 3]; sd .07


def test_wrong_shapes_and_names_are_told() -> None:
    e = torch.zeros(3)
    with pytest.raises(UsageError, match="divergence 'kal'.*kale"):
        energy_loss(e, e, torch.zeros(()), "kal")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="divergence 'total'"):
        base_loss(e, torch.zeros(()), "total")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="one number a point"):
        energy_loss(e[:, None], e, torch.zeros(()))
    with pytest.raises(UsageError, match="equal shapes"):
        gradient_penalty(lambda x: x.sum(1), e[:, None], e[:2, None], torch.Generator())

"""The self-normalised likelihood against exact answers: a Gaussian whose moments, Z and draws are known."""

from __future__ import annotations

import math

import pytest
import torch

from gibbsian.core.errors import UsageError
from gibbsian.objectives.snl import self_normalised

N = 200_001


def points(scale, n=N):
    """Quantiles of N(0, scale^2): means over them are integrals, to about 1 / n."""
    return scale * torch.special.ndtri((torch.arange(n, dtype=torch.float64) + 0.5) / n)


def log_q(x, width):
    return -0.5 * (x / width).square() - math.log(width * math.sqrt(2 * math.pi))


def loss(precision, b, width=1.5, scale=0.8):
    """Of E = precision x^2 / 2 with data of deviation `scale` and q of deviation `width`."""
    x, drawn = points(scale), points(width)
    e = [precision * a.square() / 2 for a in (x, drawn)]
    return self_normalised(*e, log_q(drawn, width), b, b)


@pytest.mark.parametrize("precision", [0.7, 1.0, 1 / 0.64])
def test_at_log_z_it_is_minus_the_log_likelihood(precision) -> None:
    log_z = torch.tensor(0.5 * math.log(2 * math.pi / precision), dtype=torch.float64)
    found = loss(precision, log_z)
    assert float(found.value) == pytest.approx(precision * 0.64 / 2 + float(log_z), abs=2e-4)
    assert float(found.metrics["mass"]) == pytest.approx(1, abs=2e-4)


@pytest.mark.parametrize("width", [1.0, 1.5, 3.0])
def test_its_minimum_is_the_data_and_log_z(width) -> None:
    truth = (1 / 0.64, 0.5 * math.log(2 * math.pi * 0.64))
    theta = [torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in truth]
    slope = torch.autograd.grad(loss(*theta, width=width).value, theta)
    assert max(abs(float(g)) for g in slope) < 1e-3
    least = float(loss(*theta, width=width).value.detach())
    for moved in (0.9, 1.1):
        assert float(loss(truth[0] * moved, theta[1].detach(), width).value) > least
        assert float(loss(truth[0], theta[1].detach() * moved, width).value) > least


@pytest.mark.parametrize("b", [-1.0, 0.0, 2.0])
def test_it_is_never_below_minus_the_log_likelihood(b) -> None:
    exact = 0.32 + 0.5 * math.log(2 * math.pi)
    gap = b + math.exp(-b) * math.sqrt(2 * math.pi) - 1 - 0.5 * math.log(2 * math.pi)
    found = float(loss(1.0, torch.tensor(b, dtype=torch.float64)).value)
    assert found == pytest.approx(exact + gap, rel=1e-3) and gap > 0


def test_b_may_differ_by_condition() -> None:
    """Two conditions of unlike Z, half of the rows each: each pays with its own b."""
    e, q = torch.zeros(4), torch.tensor([0.0, -1.0, 0.0, -1.0])
    b = torch.tensor([0.0, 1.0, 0.0, 1.0])
    found = self_normalised(e[:2], e, q, b[:2], b)
    assert float(found.value) == pytest.approx(0.5) and float(found.metrics["effective"]) == pytest.approx(1)


@pytest.mark.parametrize(
    "shapes", [((4, 1), (4,), (4,)), ((4,), (4,), (3,)), ((0,), (4,), (4,)), ((4,), (4, 1), (4, 1))]
)
def test_other_shapes_are_refused_in_one_line(shapes) -> None:
    pos, neg, other = (torch.zeros(s) for s in shapes)
    with pytest.raises(UsageError, match=r"give one number a sample"):
        self_normalised(pos, neg, other, torch.zeros(()), torch.zeros(()))


def test_how_many_draws_the_weights_are_worth():
    """Weights 1, 1, 1, 3 over q = 1: mass 3/2, squared over the mean of squares 3 is 3/4."""
    e_neg, zero = -torch.tensor([1.0, 1.0, 1.0, 3.0]).log(), torch.zeros(4)
    told = self_normalised(torch.zeros(2), e_neg, zero, torch.tensor(0.0), torch.tensor(0.0)).metrics
    assert float(told["mass"]) == pytest.approx(1.5)
    assert float(told["effective"]) == pytest.approx(0.75)

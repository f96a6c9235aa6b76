"""The sampler's terms against versions written by hand, and the entropy estimate against exact entropies."""

from __future__ import annotations

import math

import pytest
import torch

from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator
from gibbsian.objectives.improved import entropy_term, kl_term, nearest


def nearest_entropy(x: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    """The entropy in nats of the density from which both `x` `(N, *event)` and `others` `(M, *event)` come.

    D mean log min_j |x_i - others_j| + log V_D + 1 + 1/2 + ... + 1/M, where V_D is the volume of the unit
    ball in the event's D dimensions. The draws are independent; the bias goes to 0 with M. A point of both
    makes it minus infinite. Source: L. Kozachenko, N. Leonenko, Problems Inform. Transmission 23, 1987.
    """
    dim = x[0].numel()
    volume = dim / 2 * math.log(math.pi) - math.lgamma(dim / 2 + 1)
    harmonic = sum(1 / k for k in range(1, len(others) + 1))
    return dim * nearest(x, others).log().mean() + volume + harmonic


def points(seed: int, n: int, *event: int) -> torch.Tensor:
    return torch.randn(n, *event, generator=generator(seed), dtype=torch.float64)


def test_the_kl_term_is_a_weighted_mean():
    e = points(0, 5).requires_grad_()
    loss = kl_term(e, 0.7)
    loss.value.backward()
    assert torch.allclose(e.grad, torch.full((5,), 0.7 / 5, dtype=torch.float64), rtol=0, atol=1e-15)
    assert float(loss.metrics["kl_energy"]) == pytest.approx(float(e.detach().mean()))
    assert not loss.metrics["kl_energy"].requires_grad


def test_the_entropy_gradient_is_that_of_a_loop_by_hand():
    x, others = points(1, 7, 2, 3).requires_grad_(), points(2, 11, 2, 3)
    loss = entropy_term(x, others, 0.3)
    loss.value.backward()
    wanted, value = torch.zeros_like(x), 0.0
    for i in range(7):
        gaps = [x.detach()[i] - b for b in others]
        gap = min(gaps, key=lambda g: float(g.square().sum()))
        square = gap.square().sum()
        value += float(square.sqrt().log()) / 7
        wanted[i] = -0.3 / 7 * gap / square  # d log |g| = g / |g|^2
    assert torch.allclose(x.grad, wanted, rtol=0, atol=1e-12)
    assert float(loss.value.detach()) == pytest.approx(-0.3 * value, abs=1e-12)
    assert float(loss.metrics["log_nearest"]) == pytest.approx(value, abs=1e-12)


def test_descending_the_entropy_term_drives_ends_away_from_stored_ones():
    x, others = points(1, 7, 2).requires_grad_(), points(2, 11, 2)
    entropy_term(x, others).value.backward()
    moved = x.detach() - 1e-3 * x.grad
    assert (nearest(moved, others) > nearest(x.detach(), others)).all()


def test_stored_ends_are_held():
    others = points(2, 11, 2).requires_grad_()
    entropy_term(points(1, 7, 2).requires_grad_(), others).value.backward()
    assert others.grad is None


def test_equal_points_have_a_finite_logarithm_and_no_gradient():
    x = points(1, 3, 4).float().requires_grad_()
    loss = entropy_term(x, x.detach().clone(), 1.0)
    loss.value.backward()
    assert float(loss.value.detach()) == pytest.approx(-math.log(1e-6), rel=1e-5)
    assert (x.grad == 0).all()


@pytest.mark.parametrize("dim", [1, 2, 5])
@pytest.mark.parametrize("scale", [0.1, 3.0])
def test_the_entropy_of_scaled_samples_moves_by_d_log_s(dim, scale):
    x, others = points(3, 50, dim), points(4, 80, dim)
    moved = nearest_entropy(scale * x, scale * others) - nearest_entropy(x, others)
    assert float(moved) == pytest.approx(dim * math.log(scale), abs=1e-10)


@pytest.mark.parametrize(("dim", "deviation"), [(1, 1.0), (2, 0.3), (3, 2.0)])
def test_the_entropy_of_a_gaussian(dim, deviation):
    x, others = deviation * points(5, 2000, dim), deviation * points(6, 4000, dim)
    exact = dim / 2 * math.log(2 * math.pi * math.e * deviation**2)
    # Over 12 other seeds: deviation .028 to .043, bias at most .01. Beyond .25, 5.6 deviations: 2e-8 each.
    assert abs(float(nearest_entropy(x, others)) - exact) < 0.25


def test_the_term_is_the_entropy_over_the_dimensions():
    x, others = points(1, 7, 2, 3), points(2, 11, 2, 3)
    shift = nearest_entropy(x, others) / 6 + entropy_term(x, others, 1.0).value
    again = nearest_entropy(2 * x, 3 * others) / 6 + entropy_term(2 * x, 3 * others, 1.0).value
    assert float(shift) == pytest.approx(float(again), abs=1e-12)


@pytest.mark.parametrize(
    ("wrong", "line"),
    [
        (lambda: kl_term(points(0, 3, 2)), "one a chain end"),
        (lambda: kl_term(points(0, 3)[:0]), "one a chain end"),
        (lambda: kl_term(points(0, 3), -1.0), "kl_weight"),
        (lambda: entropy_term(points(0, 3, 2), points(0, 3, 2), -1.0), "entropy_weight"),
        (lambda: nearest(points(0, 3, 2), points(0, 3, 3)), "one event shape"),
        (lambda: nearest(points(0, 3, 2), points(0, 3, 2)[:0]), "at least one row"),
    ],
)
def test_misuse_is_one_line(wrong, line):
    with pytest.raises(UsageError, match=line) as caught:
        wrong()
    assert "\n" not in str(caught.value)

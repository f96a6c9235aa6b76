"""Projected gradient ascent against linear classifiers, whose worst perturbations are known exactly."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator
from gibbsian.tasks.attack.pgd import Ball, Climb, cross_entropies, margins, pgd

W = torch.tensor([[0.5, -1, 0.2, 0.8, -0.3, 1], [1, 0.4, -0.9, 0.1, 0.6, -0.5]], dtype=torch.float64)
NORMS = ("linf", "l2")


def linear(x):
    """Two logits of points of six coordinates."""
    return x @ W.T


def points(n=8, seed=0):
    x = 0.3 + 0.4 * torch.rand(n, 6, generator=generator(seed), dtype=torch.float64)
    return x, linear(x).argmax(1)


def right(found, y):
    """Images that every restart left right."""
    return torch.stack([linear(x).argmax(1) == y for x in found]).all(0)


@pytest.mark.parametrize("norm", NORMS)
def test_a_linear_classifier_is_left_by_the_closed_form(norm):
    x, y = points()
    w = W[1 - y] - W[y]
    step = w.sign() if norm == "linf" else w / w.norm(dim=1, keepdim=True)
    for radius in (0.01, 0.05):
        ball = Ball(norm, radius, -9.0, 9.0)
        for loss in ("margin", "cross_entropy"):
            how = Climb(40, 1, loss, relative=20.0)  # long steps turn fast on the Euclidean sphere
            found = pgd(linear, x, y, ball, how, generator(1), stop=False)[0]
            assert torch.allclose(found, x + radius * step, atol=1e-5)


@pytest.mark.parametrize("norm", NORMS)
def test_the_radius_at_which_a_linear_classifier_breaks(norm):
    x, y = points(40)
    w = W[1 - y] - W[y]
    exact = -margins(linear(x), y) / (w.abs().sum(1) if norm == "linf" else w.norm(dim=1))
    radius = float(exact.median())
    found = pgd(linear, x, y, Ball(norm, radius, -9.0, 9.0), Climb(40, 2), generator(0))
    sure = (exact - radius).abs() > 1e-4
    assert torch.equal(right(found, y)[sure], (exact > radius)[sure]) and sure.sum() >= 38


@given(st.sampled_from(NORMS), st.floats(0, 2), st.integers(0, 10**6))
@settings(max_examples=20, deadline=None)
def test_ball_and_box_are_never_left(norm, radius, seed):
    x, y = points(4, seed)
    for steps in (0, 3):
        found = pgd(
            linear, x, y, Ball(norm, radius, 0.0, 1.0), Climb(steps, 2, relative=5.0), generator(seed)
        )
        moved = (found - x).flatten(2)
        length = moved.abs().amax(2) if norm == "linf" else moved.norm(dim=2)
        assert float(length.max()) <= radius * (1 + 1e-5) + 1e-6
        assert float(found.min()) >= 0.0 and float(found.max()) <= 1.0


def test_the_ball_is_around_the_clean_image_not_around_the_last_point():
    """IGEBM's released attack clips the increment for L2, so that 40 steps go 40 radii away."""
    x, y = points()
    found = pgd(
        linear, x, y, Ball("l2", 0.01, -9.0, 9.0), Climb(40, 1, relative=40.0), generator(0), stop=False
    )
    assert float((found[0] - x).norm(dim=1).max()) <= 0.01 * (1 + 1e-5)


@pytest.mark.parametrize("norm", NORMS)
def test_radius_0_leaves_images_as_they_are(norm):
    x, y = points()
    found = pgd(linear, x, y, Ball(norm, 0.0, 0.0, 1.0), Climb(3, 2), generator(0), stop=False)
    assert torch.equal(found, x.expand(2, *x.shape))


@pytest.mark.parametrize("norm", NORMS)
def test_starts_fill_the_ball_evenly(norm):
    clean, ball = torch.zeros(4000, 2), Ball(norm, 1.0, -9.0, 9.0)
    x = ball.draw(clean, generator(0))
    inside = (x.abs().amax(1) if norm == "linf" else x.norm(dim=1)) < 0.5**0.5
    assert float(inside.float().mean()) == pytest.approx(0.5, abs=0.04)  # half of the area; 5 deviations
    assert x.mean(0).abs().max() < 0.05


def test_more_restarts_only_add_points():
    x, y = points(40)
    ball = Ball("linf", 0.06, 0.0, 1.0)
    one, three = (pgd(linear, x, y, ball, Climb(2, k, relative=1.0), generator(3)) for k in (1, 3))
    assert torch.equal(one[0], three[0])
    assert not (right(three, y) & ~right(one, y)).any() and right(one, y).any()


def test_images_that_are_not_asked_for_stay_clean_and_change_nothing_for_the_others():
    x, y = points(6)
    among = torch.tensor([True, False, True, False, True, True])
    ball = Ball("linf", 0.1, 0.0, 1.0)
    part = pgd(linear, x, y, ball, Climb(5, 2), generator(0), among=among)
    whole = pgd(linear, x, y, ball, Climb(5, 2), generator(0))
    assert torch.equal(part[:, ~among], x[~among].expand(2, -1, -1))
    assert torch.equal(part[:, among], whole[:, among])


def test_images_are_left_alone_once_they_are_broken():
    calls = []

    def counted(x):
        calls.append(len(x))
        return linear(x)

    x, y = points(10)
    found = pgd(counted, x, y, Ball("linf", 2.0, -9.0, 9.0), Climb(40, 3), generator(0))
    assert sum(calls) < 10 * 20 and not right(found, y).any()
    assert torch.equal(found[0], found[2])


def test_the_point_of_the_largest_margin_is_kept():
    """On |x| the ascent overshoots the crest at 0.1: what is kept is the best point seen, not the last."""

    def crest(x):
        height = -(x[:, 0] - 0.1).abs()
        return torch.stack([torch.zeros_like(height), height], 1)

    seen = []

    def watched(x):
        seen.append(x.detach().clone())
        return crest(x)

    x, y = torch.zeros(1, 1), torch.zeros(1, dtype=torch.long)
    found = pgd(watched, x, y, Ball("linf", 1.0, -9.0, 9.0), Climb(7, 1, "margin"), generator(0), stop=False)
    every = torch.cat(seen)
    best = every[crest(every)[:, 1].argmax()]
    assert torch.equal(found[0, 0], best) and not torch.equal(every[-1], best)


def test_the_mean_over_draws_is_climbed():
    """Two draws that pull apart with forces 3 and 1: the mean goes with the stronger one."""

    def draws(x):
        zero = torch.zeros_like(x[:, 0])
        return torch.stack([torch.stack([zero, 3 * x[:, 0]], 1), torch.stack([zero, -x[:, 0]], 1)])

    x, y = torch.zeros(2, 1), torch.zeros(2, dtype=torch.long)
    found = pgd(draws, x, y, Ball("linf", 0.5, -9.0, 9.0), Climb(5, 1, "margin"), generator(0), stop=False)
    assert torch.allclose(found[0], torch.full((2, 1), 0.5))


def test_a_gradient_that_is_not_finite_moves_nothing():
    ball, x = Ball("linf", 0.5, -9.0, 9.0), torch.zeros(2, 3)
    grad = torch.ones(2, 3)
    grad[0, 1] = torch.nan
    moved = ball.climb(x, grad, 0.1, x)
    assert torch.equal(moved[0], x[0]) and torch.allclose(moved[1], torch.full((3,), 0.1))


def test_losses_of_a_table():
    logits, y = torch.tensor([[2.0, 1.0, 0.0], [0.0, 3.0, 1.0]]), torch.tensor([0, 2])
    assert torch.equal(margins(logits, y), torch.tensor([-1.0, 2.0]))
    expected = torch.nn.functional.cross_entropy(logits, y, reduction="none")
    assert torch.allclose(cross_entropies(logits, y), expected)
    assert torch.allclose(cross_entropies(logits[None].expand(3, 2, 3), y), expected.expand(3, 2))


def test_far_apart_logits_have_a_gradient_still():
    x, y = torch.full((1, 1), 0.5), torch.zeros(1, dtype=torch.long)

    def steep(x):
        return torch.cat([1000 * (1 - x), 0 * x], 1)

    plain = torch.nn.functional.cross_entropy(steep(x.requires_grad_()), y)
    plain.backward()
    assert float(x.grad) == 0  # what an attack on plain cross-entropy would follow
    found = pgd(steep, x.detach(), y, Ball("linf", 0.2, 0.0, 1.0), Climb(10, 1), generator(0), stop=False)
    assert float(found[0]) == pytest.approx(0.7)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: Ball("linff", 1.0, 0.0, 1.0), "did you mean 'linf'"),
        (lambda: Ball("l2", -1.0, 0.0, 1.0), "radius is -1.0"),
        (lambda: Ball("l2", 1.0, 1.0, 1.0), "low must be below high"),
        (lambda: Climb(loss="margins"), "did you mean 'margin'"),
        (lambda: Climb(steps=-1), "0 steps or more"),
        (lambda: Climb(restarts=0), "1 start or more"),
    ],
)
def test_wrong_arguments_are_one_line(make, told):
    with pytest.raises(UsageError, match=told) as caught:
        make()
    assert "\n" not in str(caught.value)


def test_steps_have_their_length_where_squares_of_the_gradient_underflow():
    clean, grad = torch.zeros(1, 6), torch.tensor([[3e-30, 4e-30, 0, 0, 0, 0]])
    moved = Ball("l2", 1.0, -1.0, 1.0).climb(clean, grad, 0.1, clean)
    assert torch.allclose(moved, torch.tensor([[0.06, 0.08, 0, 0, 0, 0]]))

"""Schedules: ends, monotony, formulas."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gibbsian.core.errors import UsageError
from gibbsian.noise import Constant, Cosine, Decay, Geometric, Linear, Polynomial, Staircase

positive = st.floats(1e-6, 1e3)
counts = st.integers(1, 200)


@pytest.mark.parametrize("kind", [Linear, Geometric, Cosine])
@settings(deadline=None)
@given(start=positive, end=positive, steps=counts)
def test_between_two_ends_monotone_and_constant_after(kind, start, end, steps):
    schedule = kind(start, end, steps)
    values = [schedule(k) for k in range(steps + 3)]
    if steps > 1:
        assert values[0] == pytest.approx(start, rel=1e-12)
    assert values[steps - 1 :] == [end] * 4
    sign = 1 if end >= start else -1
    slack = 1e-12 * max(start, end)
    assert all(sign * (b - a) >= -slack for a, b in zip(values, values[1:], strict=False))


@settings(deadline=None)
@given(start=positive, end=positive, steps=st.integers(1, 50))
def test_half_way(start, end, steps):
    n = 2 * steps + 1
    assert Linear(start, end, n)(steps) == pytest.approx((start + end) / 2)
    assert Cosine(start, end, n)(steps) == pytest.approx((start + end) / 2)
    assert Geometric(start, end, n)(steps) == pytest.approx(math.sqrt(start * end))


def test_cosine_leaves_its_ends_slowly():
    schedule = Cosine(1.0, 0.0, 101)
    assert 1 - schedule(10) < 0.1 and schedule(90) < 0.1


@settings(deadline=None)
@given(a=positive, b=st.floats(0.1, 100), gamma=st.floats(0.1, 1))
def test_polynomial_falls_by_its_power(a, b, gamma):
    schedule = Polynomial(a, b, gamma)
    assert schedule(0) == pytest.approx(a * b**-gamma)
    assert schedule(1) < schedule(0)
    far = 10**9
    assert math.log(schedule(2 * far) / schedule(far)) / math.log(2) == pytest.approx(-gamma, abs=1e-6)


def test_constant_and_staircase():
    assert Constant(0.3)(0) == Constant(0.3)(10**6) == 0.3
    stairs = Staircase(1e-4, 0.1, 200)
    assert [stairs(k) for k in (0, 199, 200, 400)] == pytest.approx([1e-4, 1e-4, 1e-5, 1e-6])


@settings(deadline=None)
@given(total=st.integers(1, 300), data=st.data())
def test_decay_rises_stays_falls(total, data):
    cooldown = data.draw(st.floats(0, 1))
    floor = data.draw(st.floats(0, 1))
    falling = round(cooldown * total)
    warmup = data.draw(st.integers(0, total - falling))
    decay = Decay(total, warmup, cooldown, floor)
    values = [decay(k) for k in range(total + 2)]
    rise, flat, fall = values[:warmup], values[warmup : total - falling], values[total - falling :]
    assert rise == sorted(rise) and (not rise or (rise[0] == 1 / warmup and rise[-1] == 1))
    assert all(v == 1 for v in flat)
    assert all(a >= b - 1e-12 for a, b in zip(fall, fall[1:], strict=False))
    if falling:
        assert values[total - 1] == values[total + 1] == pytest.approx(floor, abs=1e-12)
        assert fall[0] < 1 or floor == 1 or (1 - fall[0]) < 1e-3
    else:
        assert values[-1] == 1


@pytest.mark.parametrize(
    "make",
    [
        lambda: Linear(1, 0, 0),
        lambda: Geometric(0, 1, 5),
        lambda: Geometric(1, -1, 5),
        lambda: Polynomial(1, 0),
        lambda: Polynomial(1, 1, 1.5),
        lambda: Staircase(1, 0, 5),
        lambda: Decay(10, warmup=8, cooldown=0.5),
        lambda: Decay(10, cooldown=1.5),
        lambda: Decay(0),
    ],
)
def test_nonsense_is_refused(make):
    with pytest.raises(UsageError):
        make()

"""Schedules: formulas."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gibbsian.core.errors import UsageError
from gibbsian.noise import Polynomial, Staircase

positive = st.floats(1e-6, 1e3)


@settings(deadline=None)
@given(a=positive, b=st.floats(0.1, 100), gamma=st.floats(0.1, 1))
def test_polynomial_falls_by_its_power(a, b, gamma):
    schedule = Polynomial(a, b, gamma)
    assert schedule(0) == pytest.approx(a * b**-gamma)
    assert schedule(1) < schedule(0)
    far = 10**9
    assert math.log(schedule(2 * far) / schedule(far)) / math.log(2) == pytest.approx(-gamma, abs=1e-6)


def test_polynomial_by_default():
    assert Polynomial(2.0)(3) == pytest.approx(2 * 4**-0.55)


def test_staircase():
    stairs = Staircase(1e-4, 0.1, 200)
    assert [stairs(k) for k in (0, 199, 200, 400)] == pytest.approx([1e-4, 1e-4, 1e-5, 1e-6])


@pytest.mark.parametrize(
    "make",
    [
        lambda: Polynomial(1, 0),
        lambda: Polynomial(1, 1, 1.5),
        lambda: Staircase(1, 0, 5),
    ],
)
def test_nonsense_is_refused(make):
    with pytest.raises(UsageError):
        make()

"""Levels of noise: their ends, their number and their spacing by hand."""

from __future__ import annotations

import pytest

from gibbsian.noise import geometric_levels, polynomial_levels


@pytest.mark.parametrize("levels", [geometric_levels, polynomial_levels])
def test_they_fall_from_one_end_to_the_other(levels):
    found = levels(8.0, 0.5, 5)
    assert found[0] == 8.0
    assert found[-1] == 0.5
    assert len(found) == 5
    assert list(found) == sorted(found, reverse=True)


def test_equal_ratios():
    assert geometric_levels(8.0, 0.5, 5) == pytest.approx((8.0, 4.0, 2.0, 1.0, 0.5))


def test_equal_steps_of_a_root():
    assert polynomial_levels(9.0, 1.0, 3, rho=2.0) == pytest.approx((9.0, 4.0, 1.0))
    seventh = polynomial_levels(2.0**7, 1.0, 3)
    assert seventh[1] == pytest.approx(1.5**7)

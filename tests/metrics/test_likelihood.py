"""Bits a dimension, by counting."""

from __future__ import annotations

import math

import pytest

from gibbsian.metrics.likelihood import bits_per_dimension


def test_a_uniform_density_of_grey_levels_has_eight_bits_or_so():
    """Values k / 255 in a range of 2 with noise of a level's width: a density of 255 / (256 * 2)."""
    nats = -3 * math.log(255 / (256 * 2))
    assert bits_per_dimension(nats, 3, 2.0) == pytest.approx(8.0)


def test_without_a_range_it_is_the_density():
    assert bits_per_dimension(5 * math.log(2), 5) == pytest.approx(1.0)

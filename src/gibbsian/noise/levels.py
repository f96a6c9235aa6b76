"""Levels of noise to sample through, from large to small."""

from __future__ import annotations


def polynomial_levels(largest: float, least: float, count: int, rho: float = 7.0) -> tuple[float, ...]:
    """`count` >= 2 levels, evenly spaced in their `rho`-th root, so that most lie low (T. Karras et al. 2022,
    eq. 5)."""
    first, last = largest ** (1 / rho), least ** (1 / rho)
    inner = ((first + (last - first) * i / (count - 1)) ** rho for i in range(1, count - 1))
    return (largest, *inner, least)


def geometric_levels(largest: float, least: float, count: int) -> tuple[float, ...]:
    """`count` >= 2 levels in equal ratios."""
    ratio = least / largest
    return (*(largest * ratio ** (i / (count - 1)) for i in range(count - 1)), least)

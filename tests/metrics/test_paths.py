"""Measures of paths against closed forms."""

from __future__ import annotations

import pytest
import torch

from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator
from gibbsian.metrics.paths import components, energy_score, frechet_per_step, outside


@pytest.mark.parametrize(("share", "kept"), [(0.5, 1), (0.85, 2), (0.9, 3), (1.0, 4)])
def test_components_hold_their_share(share, kept) -> None:
    """Variances 8, 5, 1 and 1: the first three hold 14 of 15."""
    both = torch.cat([s * torch.eye(4, dtype=torch.float64) for s in (1, -1)])
    rows = both * torch.tensor([8, 5, 1, 1.0]).sqrt()
    found = components(rows + 7, share)
    assert found.shape == (4, kept)
    torch.testing.assert_close(found.T @ found, torch.eye(found.shape[1], dtype=torch.float64))
    assert abs(float(found[0, 0])) == pytest.approx(1)


@pytest.mark.parametrize("shift", [0.0, 1.0, 3.0])
def test_frechet_of_shifted_clouds_is_the_squared_shift(shift) -> None:
    x = torch.randn(300, 4, 3, generator=generator(0))
    moved = x.clone()
    moved[:, 2, 0] += shift
    found = frechet_per_step(x, moved, torch.eye(3, dtype=torch.float64))
    assert found[2] == pytest.approx(shift**2, abs=1e-6) and found[0] == pytest.approx(0, abs=1e-6)


def test_the_energy_score_is_least_for_the_right_spread() -> None:
    """Of N(0, s^2) futures and N(0, 1) truths it is sqrt(2 / pi) (sqrt(1 + s^2) - s / sqrt(2))."""
    rng, n = generator(0), 200_000
    first, second, y = (torch.randn(n, 1, 1, generator=rng) for _ in range(3))
    scores = {s: float(energy_score(s * first, s * second, y).mean()) for s in (0.0, 0.5, 1.0, 2.0)}
    for s, value in scores.items():
        assert value == pytest.approx((2 / torch.pi) ** 0.5 * ((1 + s * s) ** 0.5 - s / 2**0.5), abs=0.01)
    assert min(scores, key=scores.get) == 1.0
    for bad in ((first[1:], second, y), (first, second[1:], y), (first, second, y[1:])):
        with pytest.raises(UsageError, match="give the same"):
            energy_score(*bad)


def test_outside_counts_each_coordinate() -> None:
    paths = torch.tensor([[[0.0, 5.0], [2.0, 0.0]], [[-1.0, 0.5], [1.0, 1.0]]])
    found = outside(paths, torch.tensor([0.0, 0.0]), torch.tensor([1.0, 1.0]))
    assert found.tolist() == [0.5, 0.25]

"""Distances to the nearest row: copies, repetitions, noise, and what held-out rows say of themselves."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.neighbors import NearestNeighbors

from gibbsian.core.errors import UsageError
from gibbsian.metrics import novelty
from gibbsian.metrics.novelty import NearestRow, Novelty


def points(n: int, seed: int = 0, shift: float = 0.0, width: int = 8) -> torch.Tensor:
    return shift + torch.randn(n, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("shift", [0.0, 1000.0])
def test_the_nearest_row_is_found_far_from_zero_and_in_chunks(shift, monkeypatch):
    monkeypatch.setattr(novelty, "CHUNK", 7)
    x, rows = points(100, 1, shift), points(70, 2, shift)
    want = NearestNeighbors(n_neighbors=1).fit(rows.numpy()).kneighbors(x.numpy())[0][:, 0]
    np.testing.assert_allclose(NearestRow(rows)(x).numpy(), want, rtol=1e-5)
    assert float(NearestRow(rows)(rows).max()) == 0


def test_the_first_ones_and_their_numbers_are_scikit_learns():
    x, rows = points(40, 1), points(70, 2)
    want, numbers = NearestNeighbors(n_neighbors=4).fit(rows.numpy()).kneighbors(x.numpy())
    far, found = NearestRow(rows).first(x, 4)
    np.testing.assert_allclose(far.numpy(), want, rtol=1e-5)
    np.testing.assert_array_equal(found.numpy(), numbers)


def test_rows_that_the_data_hold_twice_are_counted():
    train, held = points(900, 1), points(100, 2)
    train[10], train[20] = train[3], train[3]
    held[0], held[1] = train[5], train[6] + 1e-3
    train[30:33] = train[40:43] + 1e-3  # 30, 32, 40 and 42 are probed: every other row, each as near
    assert Novelty(train, held).repeats() == novelty.Repeats(1, 1, 2, 4, 450)


def test_every_kind_of_sample_is_told():
    train, held = points(2000, 1), points(400, 2)
    measured = Novelty(train, held)
    good = measured.measure(points(400, 3))
    assert good["nn_ratio"] == pytest.approx(1, abs=0.1) and good["diversity"] == pytest.approx(1, abs=0.1)
    assert good["near_copies"] == pytest.approx(measured.of_held()["near_copies"], abs=0.05)
    copies = measured.measure(train[1600:] + 1e-6)  # the last ones: all training rows are looked at
    assert copies["near_copies"] == 1 and copies["nn_ratio"] < 1e-4 and copies["diversity"] > 0.8
    few = measured.measure(points(10, 4).repeat(40, 1) + 0.01 * points(400, 5))
    assert few["diversity"] < 0.1 and few["near_copies"] < 0.1
    far = measured.measure(points(400, 3, shift=10))
    assert far["nn_ratio"] > 5 and far["near_copies"] == 0


def test_the_ratio_is_of_distances_to_training_rows_over_those_of_held_out_ones():
    """By hand: samples at 2 from {0, 10} over held-out rows at 1; the other way round it would be 1 / 1."""
    train, held, samples = (torch.tensor(v)[:, None] for v in ([0.0, 10.0], [1.0, 9.0], [2.0, 8.0]))
    found = Novelty(train, held).measure(samples)
    assert found == {"nn_ratio": 2.0, "near_copies": 0.0, "diversity": 6 / 8}
    assert Novelty(held, train).measure(samples)["nn_ratio"] == 1.0
    assert Novelty(train, held).measure(torch.tensor([[0.4], [8.0]]))["near_copies"] == 0.5


@pytest.mark.parametrize(("n", "held"), [(50, 400), (400, 50), (17, 16)])
def test_diversity_is_among_equal_numbers(n, held):
    found = Novelty(points(500, 1), points(held, 2)).measure(points(n, 3))
    assert found["diversity"] == pytest.approx(1, abs=0.2)


def test_held_out_rows_say_what_is_usual():
    of_held = Novelty(points(500, 1), points(100, 2)).of_held()
    assert of_held["nn_ratio"] == 1 and of_held["diversity"] == 1 and 0 <= of_held["near_copies"] < 0.2


def test_held_out_rows_that_are_training_rows_say_nothing_of_copies():
    found = Novelty(points(50), points(50)).measure(points(50, 3))
    assert set(found) == {"diversity"}


def test_rows_that_are_not_finite_are_refused():
    with pytest.raises(UsageError, match="not finite"):
        Novelty(points(50), points(20, 1)).measure(torch.full((20, 8), torch.nan))

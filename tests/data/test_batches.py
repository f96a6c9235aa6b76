"""Batches: every row once an epoch, and the same again after a restart."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gibbsian.core.errors import CheckpointError, UsageError
from gibbsian.core.random import generator
from gibbsian.data.batches import Batches
from gibbsian.data.dataset import Dataset, from_arrays


def images(n: int = 11) -> Dataset:
    raw = np.random.default_rng(0).integers(0, 256, (n, 4, 6, 3), dtype=np.uint8)
    return from_arrays(raw, np.arange(n), cond=255 - raw)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 30), st.integers(1, 40))
def test_every_epoch_visits_every_row_once(n, size):
    batches = Batches(from_arrays(np.zeros((n, 2))), size, generator(0))
    seen = torch.cat([batches.next().index for _ in range(3 * n)])
    assert all(len(part) == size for part in seen.split(size))
    for epoch in seen[: len(seen) // n * n].reshape(-1, n):
        assert sorted(epoch.tolist()) == list(range(n))


def test_epochs_differ_and_are_counted():
    batches = Batches(from_arrays(np.zeros((50, 2))), 50, generator(0))
    one, two = batches.next().index, batches.next().index
    assert not torch.equal(one, two) and batches.epoch == 2


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("before", [0, 1, 5])
def test_it_resumes_bit_for_bit(flip, before):
    rng = generator(3)
    batches = Batches(images(), 4, rng, flip=flip)
    for _ in range(before):
        batches.next()
    state, stream = batches.state_dict(), rng.get_state()
    want = [batches.next() for _ in range(9)]
    again = generator(0)
    again.set_state(stream)
    resumed = Batches(images(), 4, again, flip=flip)
    resumed.load_state_dict(state)
    for batch in want:
        other = resumed.next()
        assert torch.equal(batch.x, other.x) and torch.equal(batch.index, other.index)
    assert resumed.epoch == batches.epoch
    assert all(isinstance(value, torch.Tensor) for value in state.values())


def test_the_saved_state_does_not_move_on():
    batches = Batches(images(), 4, generator(0))
    batches.next()
    state = batches.state_dict()
    kept = {key: value.clone() for key, value in state.items()}
    for _ in range(10):
        batches.next()
    assert all(torch.equal(state[key], kept[key]) for key in kept)


def test_flips_mirror_about_half_with_their_conditions():
    data = images(200)
    batch = Batches(data, 200, generator(1), flip=True).next(0.0, 255.0)
    plain = data.batch(batch.index, 0.0, 255.0)
    flipped = (batch.x == plain.x.flip(3)).flatten(1).all(1)
    kept = (batch.x == plain.x).flatten(1).all(1)
    assert bool((flipped ^ kept).all())
    # binomial(200, 1/2): deviation 7, false alarm below 1e-5
    assert 65 < int(flipped.sum()) < 135
    torch.testing.assert_close(batch.cond, 255 - batch.x)


def test_points_are_not_flipped():
    x = np.random.default_rng(0).normal(size=(30, 2))
    batch = Batches(from_arrays(x), 30, generator(1), flip=True).next()
    assert torch.equal(batch.x, torch.tensor(x, dtype=torch.float32)[batch.index])


def test_range_is_the_callers():
    batches = Batches(images(), 11, generator(0))
    assert float(batches.next(0.0, 1.0).x.min()) >= 0 > float(batches.next(-1.0, 1.0).x.min())


def test_no_draw_from_the_global_generator():
    state = torch.random.get_rng_state()
    Batches(images(), 4, generator(0), flip=True).next()
    assert torch.equal(state, torch.random.get_rng_state())


def test_bad_states_and_sizes_are_refused():
    batches = Batches(images(), 4, generator(0))
    batches.next()
    other = Batches(images(12), 4, generator(0))
    with pytest.raises(CheckpointError, match="11 rows"):
        other.load_state_dict(batches.state_dict())
    with pytest.raises(UsageError, match="batch_size"):
        Batches(images(), 0, generator(0))

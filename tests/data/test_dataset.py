"""Data sets in memory: ranges, shapes, selections, fingerprints."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gibbsian.core.errors import DataError, UsageError
from gibbsian.data.dataset import as_floats, from_arrays

EVERY_BYTE = torch.arange(256, dtype=torch.uint8)


def images(n: int = 20, channels: int | None = 3) -> np.ndarray:
    shape = (n, 4, 5) if channels is None else (n, 4, 5, channels)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


@given(st.floats(-2, 0.5), st.floats(0.75, 3))
def test_bytes_fill_the_range_and_never_leave_it(low, high):
    x = as_floats(EVERY_BYTE.reshape(1, 16, 16), low, high)
    assert x.dtype == torch.float32 and x.shape == (1, 1, 16, 16)
    assert float(x.min()) == pytest.approx(low, abs=1e-6) and float(x.max()) == pytest.approx(high, abs=1e-6)
    back = ((x.double() - low) / (high - low) * 255).round().to(torch.uint8)
    assert torch.equal(back.flatten(), EVERY_BYTE)


def test_the_usual_ranges_are_exact_at_the_ends():
    for low, high in ((-1.0, 1.0), (0.0, 1.0)):
        x = as_floats(EVERY_BYTE.reshape(1, 16, 16), low, high)
        assert float(x.min()) == low and float(x.max()) == high


def test_colour_goes_from_channels_last_to_channels_first():
    raw = images()
    data = from_arrays(raw, np.arange(20) % 3)
    batch = data.batch(torch.tensor([4, 1]), 0.0, 255.0)
    assert data.event_shape == (3, 4, 5) and batch.x.shape == (2, 3, 4, 5) and batch.x.is_contiguous()
    assert float(batch.x[0, 2, 3, 1]) == raw[4, 3, 1, 2]
    assert batch.y.tolist() == [1, 1] and batch.index.tolist() == [4, 1]


@pytest.mark.parametrize("channels", [None, 1])
def test_grey_images_have_one_channel(channels):
    data = from_arrays(images(channels=channels))
    assert data.event_shape == (1, 4, 5) and data.is_image and data.y is None and data.x.shape == (20, 4, 5)


def test_points_pass_through():
    x = np.random.default_rng(0).normal(size=(30, 2)) * 50
    data = from_arrays(x)
    assert not data.is_image and data.event_shape == (2,) and data.x.dtype == torch.float32
    assert torch.equal(data.batch(torch.tensor([7]), 0.0, 1.0).x, torch.tensor(x[[7]], dtype=torch.float32))


def test_conditions_travel_with_their_rows():
    raw = images()
    data = from_arrays(raw, cond=255 - raw).subset(torch.tensor([3, 9]))
    batch = data.batch(torch.tensor([1]), 0.0, 255.0)
    torch.testing.assert_close(batch.cond, 255 - batch.x)


def test_subset_and_take_keep_labels_beside_rows():
    raw = images()
    data = from_arrays(raw, np.arange(20), classes=tuple("abcdefghijklmnopqrst"))
    some = data.subset(torch.tensor([5, 2]))
    assert np.array_equal(some.x.numpy(), raw[[5, 2]]) and some.y.tolist() == [5, 2]
    assert len(data.take(3)) == 3 and data.take(3).y.tolist() == [0, 1, 2] and some.classes == data.classes


@given(st.integers(2, 60), st.data())
def test_split_off_is_a_partition_and_always_the_same(n, draw):
    held = draw.draw(st.integers(1, n - 1))
    data = from_arrays(np.arange(n)[:, None], np.arange(n))
    train, validation = data.split_off(held)
    assert len(validation) == held and (train.split, validation.split) == ("train", "validation")
    assert sorted(train.y.tolist() + validation.y.tolist()) == list(range(n))
    assert train.y.tolist() == sorted(train.y.tolist())
    assert torch.equal(validation.y, data.split_off(held)[1].y)


def test_fingerprint_sees_contents_and_not_the_name():
    raw, y = images(), np.arange(20) % 3
    data = from_arrays(raw, y, name="one")
    assert len(data.fingerprint) == 64 and data.fingerprint == from_arrays(raw, y, name="two").fingerprint
    touched = raw.copy()
    touched[3, 1, 1, 0] ^= 1
    others = [
        from_arrays(touched, y),
        from_arrays(raw, (y + 1) % 3),
        from_arrays(raw),
        from_arrays(raw, y, classes=("a", "b", "c")),
        from_arrays(raw, y, cond=raw),
        from_arrays(raw.reshape(20, 5, 4, 3), y),
        data.subset(torch.arange(20).flip(0)),
    ]
    assert len({data.fingerprint, *(other.fingerprint for other in others)}) == 8


def test_a_read_only_array_is_taken_and_left_alone():
    raw = images()
    raw.setflags(write=False)
    data = from_arrays(raw)
    data.batch(torch.arange(20))
    assert np.array_equal(data.x.numpy(), raw)


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.zeros((0, 4)), None, "at least one row"),
        (np.array(5.0), None, "expected (N, ...)"),
        (np.ones((5, 3, 8, 8), np.uint8), None, "all 0 or 1"),
        (np.zeros((5, 8, 8, 5), np.uint8), None, "1 or 3"),
        (np.array([[1.0, np.nan]]), None, "not finite"),
        (np.zeros((5, 2)), np.zeros(4), "labels of shape"),
        (np.zeros((2, 2)), np.array([0.5, 1, 2]), "2 rows but 3 conditions"),
        (np.zeros((2, 2)), np.array([-1, 0]), "labels from -1"),
        (np.array([["a", "b"]]), None, "not numbers"),
    ],
)
def test_bad_arrays_are_one_line(x, y, message):
    with pytest.raises(DataError) as error:
        from_arrays(x, y, name="mine")
    assert message in str(error.value) and "\n" not in str(error.value)


def test_bad_selections_are_refused():
    data = from_arrays(np.zeros((5, 2)))
    with pytest.raises(UsageError, match="it has 5 rows"):
        data.take(6)
    for held in (0, 5, -1):
        with pytest.raises(UsageError, match="set aside"):
            data.split_off(held)
    with pytest.raises(DataError, match="0 to 1"):
        from_arrays(np.zeros((3, 2)), np.array([0, 1, 2]), classes=("a", "b"))
    with pytest.raises(DataError, match="conditions"):
        from_arrays(np.zeros((3, 2)), cond=np.zeros((2, 2)))

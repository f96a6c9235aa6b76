"""Arrays: images told from numbers, channels found, and a line for each decision."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch

from gibbsian.core.errors import DataError, UsageError
from gibbsian.data.dataset import from_arrays
from gibbsian.data.load import load
from gibbsian.data.own import dataset

BYTES = np.random.default_rng(0).integers(0, 256, (40, 8, 9, 3), dtype=np.uint8)
GREY = BYTES[..., 0]
UNIT = (BYTES / 255).astype(np.float32)
FIRST = UNIT.transpose(0, 3, 1, 2)


@pytest.mark.parametrize(
    ("x", "same", "words"),
    [
        (UNIT, BYTES, "0 to 1, kept in 256 levels, channels last, as axis 3 has 3 entries"),
        (FIRST, BYTES, "0 to 1, kept in 256 levels, channels first, as axis 1 has 3 entries"),
        (FIRST.astype(np.float64) * 2 - 1, BYTES, "values are -1 to 1"),
        (torch.from_numpy(FIRST), BYTES, "channels first"),
        (UNIT[..., 0], GREY, "40 grey images of 8 x 9"),
        (UNIT[..., :1], GREY, "40 grey images of 8 x 9"),
        (FIRST[:, :1], GREY, "channels first, as axis 1 has 1 entries"),
        (GREY.astype(np.int64), GREY, "values are 0 to 255"),
        (GREY.astype(np.float64), GREY, "values are 0 to 255"),
        (BYTES.transpose(0, 3, 1, 2), BYTES, "channels first"),
        (GREY > 99, (GREY > 99) * np.uint8(255), "grey images"),
    ],
)
def test_images_in_every_dress_are_the_same_bytes(x, same, words):
    data = from_arrays(x)
    assert data.is_image and np.array_equal(data.x.numpy(), same)
    assert len(data.notes) == 1 and words in data.notes[0] and "\n" not in data.notes[0]


@pytest.mark.parametrize("x", [BYTES, GREY, BYTES[..., :1], BYTES[:, :, 0].astype(float) * 50])
def test_what_needs_no_decision_has_no_note(x):
    x = x if x.ndim != 3 or x.dtype == np.uint8 else x[:, 0]
    assert from_arrays(x).notes == ()


@pytest.mark.parametrize(
    ("x", "event", "words"),
    [
        (np.linspace(0, 1, 20), (1,), "20 numbers are read as points of one coordinate"),
        (FIRST[:, :2], (2, 8, 9), "not as images"),
        (10 * UNIT, (3, 8, 9), "numbers of shape (3, 8, 9), 0 to 10, channels last"),
        (GREY % 17 * 1.0, (8, 9), "0 to 16, channels first"),
        (np.ones((4, 3, 5, 6, 7)), (3, 5, 6, 7), None),
    ],
)
def test_numbers_keep_their_units(x, event, words):
    data = from_arrays(x, images=False if words is None else None)
    assert not data.is_image and data.event_shape == event and data.x.dtype == torch.float32
    assert data.notes == () if words is None else words in data.notes[0]
    assert float(data.x.max()) == pytest.approx(float(x.max()))


SIGNALS = np.random.default_rng(0).normal(size=(20, 3, 40)).astype(np.float32)


@pytest.mark.parametrize(
    ("x", "event", "words"),
    [
        (
            SIGNALS[:, :1],
            (1, 40),
            "20 signals of 40 samples and 1 channel, .* first; else say channels=last",
        ),
        (SIGNALS, (3, 40), "3 channels.* channels first"),
        (SIGNALS.transpose(0, 2, 1), (3, 40), "3 channels.* channels last; else say channels=first"),
        (torch.from_numpy(SIGNALS).double(), (3, 40), "or images=True for grey images"),
        (np.clip(SIGNALS, 0, 1), (3, 40), "0 to 1, channels first"),
        (np.round(SIGNALS * 40).clip(0, 255), (3, 40), "3 channels, 0 to"),
        (GREY[:, :1], (1, 9), "1 channel"),
        (SIGNALS[:, :, :6], (3, 6), "not as images: images are bytes"),
        (np.tile(SIGNALS, (1, 12, 1)), (36, 40), "36 channels"),
    ],
)
def test_signals_are_channels_and_samples(x, event, words):
    data = from_arrays(x)
    assert not data.is_image and data.event_shape == event
    assert len(data.notes) == 1 and re.search(words, data.notes[0])
    assert float(data.x.sum()) == pytest.approx(float(x.sum()), rel=1e-4)


@pytest.mark.parametrize("shape", [(40, 8, 9), (40, 32, 100), (40, 28, 28), (40, 16, 63)])
def test_near_squares_of_an_image_range_stay_images(shape):
    assert from_arrays(np.random.default_rng(0).random(shape)).is_image
    assert from_arrays(np.random.default_rng(0).integers(0, 256, (*shape[:2], 400), dtype=np.uint8)).is_image


def test_of_signals_a_person_can_overrule(tmp_path):
    unit = np.random.default_rng(0).random((20, 8, 40))
    assert from_arrays(unit, images=True).event_shape == (1, 8, 40)
    assert from_arrays(unit[:, :, :9], images=False).event_shape == (8, 9)
    assert from_arrays(unit, channels="last").event_shape == (40, 8)
    assert from_arrays(GREY, channels="first").event_shape == (8, 9)
    np.save(tmp_path / "a.npy", unit)
    for options, event in ((("images", True), (1, 8, 40)), (("channels", "last"), (40, 8))):
        found = dataset(tmp_path / "a.npy", **dict([options]))
        assert found.event_shape == event and load(str(found.recipe)).event_shape == event
    with pytest.raises(UsageError, match="for files of arrays, which digits is not"):
        load("digits@images=no")


def test_a_person_can_overrule():
    both = np.random.default_rng(0).random((20, 3, 8, 3))
    assert from_arrays(both).event_shape == (3, 8, 3)
    assert "although axis 3 has 3 entries as well" in from_arrays(both).notes[0]
    last = from_arrays(both, channels="last")
    assert last.event_shape == (3, 3, 8) and "channels" not in last.notes[0]
    kept = from_arrays(FIRST, images=False)
    assert not kept.is_image and np.array_equal(kept.x.numpy(), FIRST) and kept.notes == ()
    with pytest.raises(UsageError, match="unknown channels"):
        from_arrays(both, channels="middle")
    with pytest.raises(UsageError, match="no 1 or 3 there"):
        from_arrays(UNIT, channels="first")
    for x, words in ((5 * UNIT, "values are 0 to 5"), (np.ones((4, 2)), r"shape \(4, 2\)")):
        with pytest.raises(DataError, match=f"cannot be read as images.*{words}"):
            from_arrays(x, images=True)


def test_bytes_of_zeros_and_ones_are_a_mistake():
    with pytest.raises(DataError, match="store them as bool"):
        from_arrays((GREY > 99).astype(np.uint8))


def test_labels_may_be_words_or_a_column():
    x = np.zeros((4, 2))
    data = from_arrays(x, np.array(["cat", "ant", "cat", "bee"]))
    assert data.y.tolist() == [2, 0, 2, 1] and data.classes == ("ant", "bee", "cat")
    assert from_arrays(x, np.array([[1], [0], [1], [0]])).y.tolist() == [1, 0, 1, 0]


def test_complex_numbers_are_refused():
    with pytest.raises(DataError, match="not real numbers"):
        from_arrays(torch.zeros(3, 2, dtype=torch.complex64))


def test_notes_stay_with_a_part():
    data = from_arrays(UNIT)
    assert data.take(3).notes == data.split_off(5)[1].notes == data.notes


@pytest.mark.parametrize("kind", [">f4", ">f8", ">i4", ">u8", "f2", np.longdouble, "u2", "i8"])
def test_numbers_of_every_kind_and_byte_order_are_the_same(tmp_path, kind):
    points = (np.arange(40).reshape(20, 2) % 7).astype(kind)
    wanted = torch.tensor(points.astype(np.float32))
    assert torch.equal(from_arrays(points).x, wanted)
    assert from_arrays(GREY.astype(kind)).is_image
    np.save(tmp_path / "a.npy", points)
    assert torch.equal(load(str(tmp_path / "a.npy"), "all").x, wanted)


@pytest.mark.parametrize("most", [2**64 - 1, 2**63, 2**62])
def test_whole_numbers_beyond_64_bits_do_not_wrap_round(most):
    for x in (np.full((4, 2), most, np.uint64), torch.full((4, 2), 1).to(torch.uint64) * most):
        with pytest.raises(DataError, match="overflow"):
            from_arrays(x)


@pytest.mark.parametrize(
    ("shape", "event"),
    [
        ((20, 8, 8, 2), (2, 8, 8)),
        ((20, 8, 9, 4), (4, 8, 9)),
        ((20, 32, 32, 12), (12, 32, 32)),
        ((20, 2, 8, 8), (2, 8, 8)),
        ((20, 4, 8, 8), (4, 8, 8)),
    ],
)
def test_few_entries_at_the_end_are_channels(shape, event):
    x = np.random.default_rng(0).random(shape)
    data = from_arrays(x)
    assert not data.is_image and data.event_shape == event
    assert ("channels last, as axis 3" in data.notes[0]) == (shape[1:] != event)
    kept = from_arrays(x, images=False, channels="first")
    assert kept.event_shape == shape[1:]


@pytest.mark.parametrize("background", [None, "black", "grey"])
def test_a_fourth_channel_of_bytes_is_alpha(tmp_path, background):
    clear = np.concatenate([BYTES, np.zeros_like(BYTES[..., :1])], -1)
    clear[:, :4, :, 3] = 255
    shade = {None: 255, "black": 0, "grey": 128}[background]
    np.save(tmp_path / "a.npy", clear)
    for x in (clear, clear.transpose(0, 3, 1, 2), tmp_path / "a.npy"):
        data = dataset(x, background=background)
        assert data.x[:, 4:].eq(shade).all() and data.event_shape == (3, 8, 9)
        assert f"is read as alpha, laid over {background or 'white'}" in data.notes[0]
    assert np.array_equal(dataset(clear).x[:, :4].numpy(), BYTES[:, :4])
    assert dataset(clear, images=False).event_shape == (4, 8, 9)


@pytest.mark.parametrize("x", [BYTES[0], UNIT[0], UNIT[0].astype(np.float64), BYTES[0].astype(np.int64)])
def test_one_picture_in_colour_says_how_it_is_given(x):
    assert "one in colour is x[None]" in from_arrays(x).notes[0]

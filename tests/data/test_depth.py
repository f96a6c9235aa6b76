"""Images of more than eight bits, sizes, backgrounds and colours: decided for a set, and kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from known import decided
from PIL import Image

import gibbsian as gb
from gibbsian.core.errors import DataError, UsageError

RAMP = np.linspace(0, 1, 64).reshape(8, 8)


def files(folder: Path, *values: np.ndarray, ending: str = "tif", kind: str | None = None) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for i, value in enumerate(values):
        image = Image.fromarray(value)
        (image.convert(kind) if kind else image).save(folder / f"{i:02}.{ending}")
    return folder


@pytest.mark.parametrize(
    ("values", "levels"),
    [
        ((RAMP * 4095).astype(np.uint16), (0, 4095)),
        ((RAMP * 1000).astype(np.uint16), (0, 1023)),
        ((RAMP * 65535).astype(np.int32), (0, 65535)),
        ((RAMP * 200).astype(np.int32), (0, 255)),
        (RAMP.astype(np.float32), (0, 1)),
        ((2 * RAMP - 1).astype(np.float32), (-1, 1)),
        ((RAMP * 255).astype(np.float32), (0, 255)),
    ],
)
def test_levels_are_the_narrowest_that_hold_all_files_and_are_kept(tmp_path, values, levels):
    files(tmp_path, *[values] * 3, (values / 4).astype(values.dtype))  # a dark one is read as the others are
    data = gb.dataset(tmp_path)
    low, high = levels
    want = (np.stack([values, values / 4]).astype(values.dtype).astype(float) - low) * 255 / (high - low)
    whole = np.concatenate([data.x.numpy(), gb.dataset(tmp_path, "test").x.numpy()])
    assert all(min(np.abs(x - w).max() for w in want) <= 0.5 for x in whole)
    assert data.recipe.levels == levels and f"{low} to {high} are black to white" in decided(data)[0]
    assert gb.dataset(data.full_name).fingerprint == data.fingerprint


@pytest.mark.parametrize("values", [RAMP * 200 - 100, RAMP * 2e6, RAMP * 7, RAMP * np.nan])
def test_values_of_no_known_levels_are_one_line(tmp_path, values):
    files(tmp_path, *[values.astype(np.float32)] * 3)
    with pytest.raises(DataError, match="--levels LOW:HIGH|not finite") as error:
        gb.dataset(tmp_path)
    assert "\n" not in str(error.value)


def test_levels_can_be_given_and_others_are_clipped(tmp_path):
    files(tmp_path, *[(RAMP * 200 - 100).astype(np.float32)] * 3)
    x = gb.dataset(f"{tmp_path}@levels=-100:0").x[0].numpy()
    assert x.min() == 0 and (x == 255).mean() >= 0.5
    for text in ("5", "3:1", "a:b"):
        with pytest.raises(UsageError, match="levels"):
            gb.dataset(f"{tmp_path}@levels={text}")


@pytest.mark.parametrize(("grey", "channels"), [(1, 3), (5, 3), (6, 1), (9, 1)])
def test_most_files_decide_on_colour(tmp_path, grey, channels):
    colour = np.zeros((8, 8, 3), np.uint8)
    files(tmp_path, *[colour[..., 0]] * grey, *[colour] * (10 - grey), ending="png")
    data = gb.dataset(tmp_path)
    assert data.event_shape[0] == channels and f"{grey} of 10 files are grey" in data.notes[0]
    assert data.recipe.grey is (channels == 1)
    assert gb.dataset(tmp_path, grey=channels == 3).event_shape[0] == 4 - channels


@pytest.mark.parametrize(("resize", "border"), [("crop", 90), ("stretch", 90), ("pad", 0)])
def test_ways_to_another_size(tmp_path, resize, border):
    files(tmp_path, *[np.full((4, 12), 90, np.uint8)] * 3, ending="png")
    how = {} if resize == "crop" else {"resize": resize, "background": "black"}
    data = gb.dataset(tmp_path, size=8, **how)
    assert int(data.x[0, 0, 0]) == border and int(data.x[0, 4, 4]) == 90
    assert gb.dataset(data.full_name).fingerprint == data.fingerprint


@pytest.mark.parametrize(("background", "shade"), [(None, 255), ("black", 0), ("grey", 128)])
def test_what_shows_through(tmp_path, background, shade):
    clear = np.zeros((8, 8, 4), np.uint8)
    files(tmp_path, *[clear] * 3, ending="png")
    data = gb.dataset(tmp_path, background=background)
    assert (data.x == shade).all() and decided(data)[-1].endswith(f"laid over {background or 'white'}")


@pytest.mark.parametrize("key", ["resize", "background", "levels", "images", "channels"])
def test_another_word_is_one_line(key):
    with pytest.raises(UsageError, match=f"{key}"):
        gb.dataset(f"digits@{key}=other")


def test_pictures_come_alone_in_lists_and_from_files(tmp_path):
    shades = [Image.new("L", (8, 8), i) for i in range(5)]
    files(tmp_path, np.asarray(shades[3]), ending="png")
    for given in (shades[3], tmp_path / "00.png", [shades[3]]):
        data = gb.dataset(given)
        assert data.event_shape == (1, 8, 8) and len(data) == 1 and int(data.x[0, 0, 0]) == 3
    mixed = [Image.new("RGB", (9, 8)), Image.new("L", (8, 12))]
    assert gb.dataset(mixed, size=4, grey=True).event_shape == (1, 4, 4)
    with pytest.raises(DataError, match="item 1 has shape .*give size= and grey="):
        gb.dataset(mixed)

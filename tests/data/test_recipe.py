"""The line that reads a data set again, and images brought to one size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from known import decided
from PIL import Image

import gibbsian as gb
from gibbsian.core.errors import DataError, UsageError
from gibbsian.data.load import load, load_recipe
from gibbsian.data.options import read_size
from gibbsian.data.recipe import DataRecipe


def photos(folder: Path, shapes: list[tuple[int, ...]], seed: int = 0) -> Path:
    """Colour images of those shapes."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    for i, shape in enumerate(shapes):
        Image.fromarray(rng.integers(0, 256, (*shape, 3), dtype=np.uint8)).save(folder / f"{i:02}.png")
    return folder


@pytest.mark.parametrize(
    "recipe",
    [
        DataRecipe("digits"),
        DataRecipe("folder:/a b/c@d", (24, 32), True),
        DataRecipe("mnist:to:folder:x", (8, 8), False, 20),
        DataRecipe("x.npz", None, None, 5, "skip"),
    ],
)
def test_a_recipe_and_its_line_are_one(recipe):
    assert DataRecipe.parse(str(recipe)) == recipe


@pytest.mark.parametrize(
    ("line", "match"),
    [
        ("folder:x@size=0", "pixels above 0"),
        ("folder:x@size=8xx8", "size is '8xx8'"),
        ("folder:x@grey=maybe", "yes or no"),
        ("folder:x@validation=-1", "number of rows"),
        ("folder:x@on_error=skp", "did you mean 'skip'"),
        ("folder:x@size=8@size=9", "size is 9x9, but"),
    ],
)
def test_bad_options_are_one_line(line, match):
    with pytest.raises(UsageError, match=match) as error:
        DataRecipe.parse(line)
    assert "\n" not in str(error.value)


def test_sizes_are_one_number_or_height_and_width():
    assert read_size("32") == (32, 32) and read_size(" 24X32 ") == (24, 32)
    for text in ("", "-3", "3x", "3.5", "3x4x5"):
        with pytest.raises(UsageError):
            read_size(text)


@pytest.mark.parametrize("size", [8, (8, 6), (5, 9)])
def test_a_set_reads_itself_again_from_any_folder(tmp_path, monkeypatch, size):
    photos(tmp_path / "own", [(10 + i % 3, 12) for i in range(12)])
    monkeypatch.chdir(tmp_path)
    data = gb.dataset("own", size=size, grey=True)
    monkeypatch.chdir("/")
    again = load_recipe(data.recipe)
    assert again.fingerprint == data.fingerprint == load(data.full_name).fingerprint
    assert data.event_shape == (1, *((size, size) if isinstance(size, int) else size))
    assert str(tmp_path / "own") in data.full_name


@pytest.mark.parametrize("line", ["own@size=8", "folder:own@size=8x8@grey=no", "./own@size=8"])
def test_a_path_takes_options_with_or_without_its_kind(tmp_path, monkeypatch, line):
    photos(tmp_path / "own", [(10, 12)] * 4)
    monkeypatch.chdir(tmp_path)
    assert gb.dataset(line).event_shape == (3, 8, 8)


def test_the_centre_is_cut_out_before_it_is_resampled(tmp_path):
    """The ends of the longer side are black and hardly show."""
    x = np.zeros((8, 24, 3), np.uint8)
    x[:, 8:16] = 200
    for i in range(4):
        (tmp_path / "own").mkdir(exist_ok=True)
        Image.fromarray(x).save(tmp_path / "own" / f"{i}.png")
    assert (gb.dataset(tmp_path / "own", size=4).x > 180).all()
    assert gb.dataset(tmp_path / "own", size=(4, 12)).x.lt(20).any()


@pytest.mark.parametrize(
    ("shapes", "size", "told"),
    [
        ([(8, 8)] * 4, 8, None),
        ([(8, 8)] * 4, 4, "4 images of 1 size brought to 4x4: the centred square"),
        (
            [(8, 9), (9, 8), (12, 12), (4, 12)],
            6,
            "4 images of 4 sizes brought to 6x6: .*, 1 of them enlarged",
        ),
        ([(8, 9), (9, 8)] * 2, (4, 2), "4 images of 2 sizes brought to 4x2: the largest centred box"),
    ],
)
def test_a_change_of_size_is_told_in_one_line(tmp_path, shapes, size, told):
    notes = decided(gb.dataset(photos(tmp_path / "own", shapes), size=size))
    assert len(notes) == (told is not None)
    if told:
        with pytest.raises(AssertionError, match=told):
            raise AssertionError(notes[0])


def test_a_side_in_the_camera_s_orientation_is_no_other_size(tmp_path):
    folder = photos(tmp_path / "own", [(6, 8)] * 3)
    turned, exif = Image.open(folder / "00.png").transpose(Image.Transpose.ROTATE_90), Image.Exif()
    exif[0x0112] = 6
    turned.save(folder / "03.png", exif=exif)
    assert decided(gb.dataset(folder, size=(6, 8))) == ()


@pytest.mark.parametrize("name", ["folder:{}/own@size=8", "{}/own.npz@grey=yes", "{}/own.csv"])
def test_data_that_moved_say_what_to_give(tmp_path, name):
    line = name.format(tmp_path)
    with pytest.raises(DataError, match="there is no (folder|file) .*--data (folder:DIR|FILE)") as error:
        load(line)
    assert str(error.value).count("@") == line.count("@")


def test_rows_set_aside_are_part_of_the_recipe():
    data = gb.dataset("digits", validation=97)
    train, held = load(data.full_name), load(data.full_name, "validation")
    assert (len(train), len(held), data.full_name) == (1300, 97, "digits@validation=97")
    assert train.fingerprint == data.fingerprint
    with pytest.raises(UsageError, match="validation is 5, but"):
        load(data.full_name, validation=5)


def test_options_of_a_run_hold_where_none_are_given():
    stored = DataRecipe("folder:/a", (8, 8), True)
    assert DataRecipe("folder:/b").like(stored) == DataRecipe("folder:/b", (8, 8), True)
    assert DataRecipe("folder:/b", (4, 4)).like(stored) == DataRecipe("folder:/b", (4, 4))
    assert DataRecipe("digits").like(stored) == DataRecipe("digits")


def test_a_subset_and_a_batch_keep_size_and_order(tmp_path):
    data = gb.dataset(photos(tmp_path / "own", [(8, 9)] * 12), size=(4, 6))
    assert data.batch(torch.arange(3)).x.shape == (3, 3, 4, 6)


@pytest.mark.parametrize("name", ["own.npz", "folder:photos", "deep/own.csv", "../own.npy"])
def test_a_path_that_is_relative_to_another_folder_is_explained(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=f"relative paths begin at {tmp_path}; give the") as error:
        load(name)
    assert "\n" not in str(error.value)
    with pytest.raises(DataError) as error:
        load(
            name.replace("folder:", "folder:/nowhere/").replace("../", "/nowhere/")
            if ":" in name
            else f"/no/{name}"
        )
    assert "relative paths" not in str(error.value)

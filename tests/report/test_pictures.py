"""Pictures have the right size, colours and ends."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from gibbsian.core.errors import UsageError
from gibbsian.report.pictures import (
    CURVES,
    PANEL,
    curve,
    grid,
    landscape,
    ramp,
    save_gif,
    save_image,
    sheet,
    stacked,
    to_uint8,
)


def test_to_uint8_clamps_and_keeps_order() -> None:
    x = torch.tensor([-2.0, -1.0, 0.0, 1.0, 9.0]).reshape(1, 1, 1, 5)
    assert to_uint8(x, -1.0, 1.0).tolist() == [[[0, 0, 128, 255, 255]]]
    assert to_uint8(torch.rand(2, 3, 4, 5), 0.0, 1.0).shape == (2, 4, 5, 3)


def test_grid_places_tiles_row_by_row() -> None:
    images = np.stack([np.full((20, 20), v, np.uint8) for v in (10, 20, 30)])
    sheet = np.asarray(grid(images, columns=2, scale=1, gap=1))
    assert sheet.shape == (41, 41, 3)
    assert [int(sheet[y, x, 0]) for y, x in ((0, 0), (0, 21), (21, 0), (21, 21))] == [10, 20, 30, 255]
    assert np.asarray(grid(images, columns=2, scale=3, gap=1)).shape == (121, 121, 3)


@pytest.mark.parametrize(("channels", "length"), [(1, 8), (3, 128), (7, 500)])
def test_signals_are_curves_in_panels_row_by_row(channels: int, length: int) -> None:
    x = torch.linspace(-1, 1, length).expand(3, channels, length).clone()
    x[2, 0, 0] = float("nan")
    drawn = np.asarray(sheet(x, -1.0, 1.0, columns=2)).astype(int)
    width = min(max(length, 120), 320)
    assert drawn.shape == (2 * PANEL + 2, 2 * width + 2, 3)
    first, ink = drawn[:PANEL, :width], CURVES[channels - 1 if channels <= len(CURVES) else channels - 7]
    close = np.abs(first - ink).sum(-1) < 120
    rows, columns = np.nonzero(close)
    assert np.corrcoef(rows, columns)[0, 1] < -0.95, "rising curves rise from left to right"


def test_a_sheet_of_images_is_a_grid() -> None:
    x = torch.rand(4, 3, 16, 16)
    assert np.array_equal(np.asarray(sheet(x, 0.0, 1.0)), np.asarray(grid(to_uint8(x, 0.0, 1.0))))


def test_pixels_stay_sharp_but_for_tiny_images_which_are_framed() -> None:
    checks = (np.indices((16, 16)).sum(0) % 2 * 255).astype(np.uint8)
    assert set(np.asarray(grid(checks[None])).ravel().tolist()) == {0, 255}
    tiny = np.asarray(grid(np.full((1, 8, 8), 255, np.uint8)))[..., 0]
    assert tiny.shape == (60, 60) and tiny[0, 0] < 20 and tiny[30, 30] == 255


def test_ramp_is_bright_where_energy_is_low() -> None:
    colours = ramp(np.array([0.0, 0.5, 1.0, np.inf, -np.inf, np.nan])).astype(int).sum(-1)
    assert colours[0] > colours[1] > colours[2] == colours[3] == colours[5] and colours[4] == colours[0]


def test_landscape_has_y_upwards() -> None:
    energy = np.ones((10, 10))
    energy[9, 0] = 0.0  # high y, low x: the top left corner
    picture = (
        np.asarray(landscape(energy, 1.0, np.zeros((1, 2)), np.full((1, 2), 0.5), side=100))
        .astype(int)
        .sum(-1)
    )
    assert picture[2, 2] > picture[97, 2] + 100
    assert np.asarray(landscape(np.full((4, 4), np.inf), 1.0, np.zeros((0, 2)), np.zeros((0, 2)))).size > 0
    titled = landscape(energy, 1.0, np.zeros((1, 2)), np.zeros((1, 2)), "step 1", side=50)
    assert titled.size == (50, 66) and np.asarray(titled)[:16].min() < 150


def test_curves_and_stacks() -> None:
    line = curve([1.0, np.nan, 3.0], 100)
    assert line.size == (100, 80) and np.asarray(line).std() > 0
    assert np.asarray(curve([1.0], 100)).std() == 0
    assert stacked(line, curve([0.0, 1.0], 40, 20)).size == (100, 100)


def test_films_have_all_frames_and_no_leftovers(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (8, 8), (v, 0, 0)) for v in (0, 120, 240)]
    save_gif(frames, tmp_path / "a" / "film.gif", hold=2)
    with Image.open(tmp_path / "a" / "film.gif") as film:
        assert film.n_frames >= 3
    assert [p.name for p in (tmp_path / "a").iterdir()] == ["film.gif"]
    with pytest.raises(UsageError, match="no frames"):
        save_gif([], tmp_path / "none.gif")


def test_pictures_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    picture = Image.new("RGB", (4, 4))
    for path in (tmp_path / "file" / "a.png", tmp_path / "a.nonsense"):
        with pytest.raises(UsageError, match="cannot write picture"):
            save_image(picture, path)
    with pytest.raises(UsageError, match="cannot write animation"):
        save_gif([picture], tmp_path / "file" / "a.gif")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]

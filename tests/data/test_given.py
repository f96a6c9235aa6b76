"""Images handed over as files."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from gibbsian.core.errors import DataError, UsageError
from gibbsian.data.given import given_images


@pytest.fixture
def folder(tmp_path):
    for i, value in enumerate((0, 255)):
        Image.fromarray(np.full((8, 8), value, np.uint8)).save(tmp_path / f"{i}.png")
    return tmp_path


def test_a_folder_and_a_file(folder):
    x, names = given_images(folder, (1, 8, 8))
    assert names == ["0", "1"] and x.shape == (2, 1, 8, 8)
    assert float(x[0].max()) == -1.0 and float(x[1].min()) == 1.0
    one, names = given_images(folder / "1.png", (1, 8, 8), low=0.0)
    assert names == ["1"] and float(one.min()) == 1.0


def test_size_and_colour_change_only_when_asked_for(folder):
    with pytest.raises(UsageError, match="8 x 8 pixels and this model takes 16 x 16: add --fit"):
        given_images(folder, (1, 16, 16))
    with pytest.raises(UsageError, match="is grey and this model takes colour: add --fit"):
        given_images(folder, (3, 8, 8))
    x, _ = given_images(folder, (3, 16, 16), fit=True)
    assert x.shape == (2, 3, 16, 16)
    assert given_images(folder, (1, 8, 9), fit=True)[0].shape == (2, 1, 8, 9)


def test_names_stay_apart(folder):
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(folder / "1.bmp")
    assert given_images(folder, (1, 8, 8))[1] == ["0-png", "1-bmp", "1-png"]


def test_what_is_no_image_is_one_line(folder, tmp_path):
    with pytest.raises(DataError, match="there is no image file or folder"):
        given_images(tmp_path / "nowhere", (1, 8, 8))
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no images"):
        given_images(tmp_path / "empty", (1, 8, 8))
    (folder / "2.png").write_bytes(b"nothing")
    with pytest.raises(DataError, match="cannot be read as an image"):
        given_images(folder, (1, 8, 8))
    with pytest.raises(UsageError, match="not image files"):
        given_images(folder, (2,))

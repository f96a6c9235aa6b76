"""Images handed over as files."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from gibbsian.core.errors import DataError, UsageError
from gibbsian.data.dataset import from_arrays
from gibbsian.data.given import changes, given_images, painted, shaped


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


@pytest.mark.parametrize(
    ("like", "value"), [("", 1000 / 1023), ("folder:x@levels=0:4095", 1000 / 4095), ("@levels=0:1000", 1.0)]
)
@pytest.mark.parametrize("fit", [False, True])
def test_levels_are_those_of_the_run(tmp_path, like, value, fit):
    Image.fromarray(np.full((8, 8), 1000, np.uint16)).save(tmp_path / "deep.png")
    x, _ = given_images(tmp_path / "deep.png", (1, 8, 8), low=0.0, fit=fit, like=like)
    assert x.mean() == pytest.approx(value, abs=1 / 255)


def test_the_background_is_that_of_the_run(tmp_path):
    Image.fromarray(np.zeros((8, 8, 4), np.uint8)).save(tmp_path / "clear.png")
    for background, value in (("black", 0.0), ("white", 1.0)):
        like = f"folder:x@background={background}"
        x, _ = given_images(tmp_path / "clear.png", (3, 8, 8), low=0.0, like=like)
        assert float(x.mean()) == value


def test_names_stay_apart(folder):
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(folder / "1.bmp")
    assert given_images(folder, (1, 8, 8))[1] == ["0-png", "1-bmp", "1-png"]


@pytest.mark.parametrize(
    ("files", "names"),
    [
        (("a/0.png", "b/1.png"), ["0", "1"]),
        (("a/0.png", "b/0.png"), ["a-0-png", "b-0-png"]),
        (("a/c/0.png", "b/c/0.png", "b/1.png"), ["a-c-0-png", "b-1-png", "b-c-0-png"]),
    ],
)
def test_folders_of_classes_are_read_with_a_name_each(tmp_path, files, names):
    for file in files:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8)).save(tmp_path / file)
    x, found = given_images(tmp_path, (1, 8, 8))
    assert found == names and len(x) == len(names)


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


def photo(path, size=(20, 12), hole=None) -> None:
    """A photograph of `size` (width, height), its pixels transparent in the box `hole`."""
    image = Image.new("RGBA", size, (200, 100, 50, 255))
    if hole:
        image.paste((0, 0, 0, 0), hole)
    image.save(path)


@pytest.mark.parametrize("size", [(8, 8), (20, 12), (12, 20)])
def test_a_mask_of_the_photo_is_cut_and_resampled_as_the_photo(tmp_path, size):
    width, height = size
    photo(tmp_path / "a.png", size)
    mask = np.zeros((height, width), np.uint8)
    mask[:, width // 2 :] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    found = painted(f"{tmp_path}/mask.png", [tmp_path / "a.png"], (3, 8, 8))
    assert found.shape == (1, 8, 8) and found[:, :, 4:].all() and not found[:, :, :4].any()


def test_a_thin_line_on_a_large_photo_stays_unknown(tmp_path):
    photo(tmp_path / "a.png", (64, 64))
    mask = np.zeros((64, 64), np.uint8)
    mask[:, 33:35] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    found = painted(f"{tmp_path}/mask.png", [tmp_path / "a.png"], (3, 16, 16))
    assert found[0, :, 8].all() and found.sum() == 16


def test_transparent_pixels_are_a_mask_of_each_photo(tmp_path):
    photo(tmp_path / "a.png", (16, 16), (0, 0, 8, 16))
    photo(tmp_path / "b.png", (32, 16), (16, 0, 32, 16))
    found = painted("alpha", [tmp_path / "a.png", tmp_path / "b.png"], (3, 8, 8))
    assert found[0, :, :4].all() and not found[0, :, 4:].any()
    assert found[1, :, 4:].all() and not found[1, :, :4].any()
    photo(tmp_path / "c.png")
    with pytest.raises(UsageError, match="c.png has no transparent pixels"):
        painted("alpha", [tmp_path / "c.png"], (3, 8, 8))
    with pytest.raises(UsageError, match="images of your own"):
        painted("alpha", [], (3, 8, 8))


def test_a_folder_of_masks_goes_by_name(tmp_path):
    (tmp_path / "masks").mkdir()
    for k, name in enumerate("ab"):
        photo(tmp_path / f"{name}.png", (8, 8))
        mask = np.zeros((8, 8), np.uint8)
        mask[k] = 255
        Image.fromarray(mask).save(tmp_path / f"masks/{name}.bmp")
    photos = [tmp_path / "a.png", tmp_path / "b.png"]
    found = painted(f"{tmp_path}/masks", photos, (3, 8, 8))
    assert found[0, 0].all() and found[1, 1].all() and found.sum() == 16
    (tmp_path / "masks/b.bmp").unlink()
    with pytest.raises(UsageError, match="no mask file .*b.png"):
        painted(f"{tmp_path}/masks", photos, (3, 8, 8))


@pytest.mark.parametrize("fit", [False, True])
def test_a_mask_of_a_wrong_size_is_one_line(tmp_path, fit):
    photo(tmp_path / "a.png")
    Image.new("L", (30, 30), 255).save(tmp_path / "mask.png")
    words = (f"{tmp_path}/mask.png", [tmp_path / "a.png"], (3, 8, 8))
    if fit:
        assert painted(*words, fit=True).all()
        return
    with pytest.raises(UsageError, match="30 x 30.*images are 8 x 8, the photo 20 x 12.*--fit"):
        painted(*words)


@pytest.mark.parametrize(
    ("shape", "told"),
    [
        ((3, 12, 20), ""),
        ((3, 8, 8), "cut in the middle and resampled to 8x8"),
        ((1, 12, 20), "made grey"),
        ((1, 8, 8), "resampled to 8x8, made grey"),
    ],
)
def test_what_fitting_changes_is_told(tmp_path, shape, told):
    photo(tmp_path / "a.png")
    found = changes(tmp_path / "a.png", shape)
    assert (found == "") == (told == "") and told in found


@pytest.mark.parametrize("shape", [(3, 8, 8), (1, 6, 12), (3, 12, 6), (1, 20, 12)])
def test_sets_of_images_come_in_the_shape_that_is_asked_for(shape):
    data = from_arrays(np.random.default_rng(0).integers(0, 256, (5, 20, 12), dtype=np.uint8))
    found = shaped(data, shape)
    assert found.event_shape == shape and len(found) == 5
    assert bool(found.notes) == (shape != (1, 20, 12))

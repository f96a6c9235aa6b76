"""Folders of images, in memory and streamed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from known import decided
from PIL import Image

from gibbsian.core.errors import DataError
from gibbsian.data import folder
from gibbsian.data.batches import Batches
from gibbsian.data.images import read_mask
from gibbsian.data.load import load


def write(path: Path, shape: tuple[int, ...] = (6, 8, 3), seed: int = 0) -> np.ndarray:
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    Image.fromarray(values).save(path)
    return values


@pytest.fixture
def classes(tmp_path: Path) -> Path:
    """Two classes of 10 colour images."""
    for i in range(20):
        write(tmp_path / ("cat" if i < 10 else "dog") / "deep" / f"{i:02}.png", seed=i)
    return tmp_path


def test_folders_are_classes_and_a_tenth_is_for_testing(classes):
    train, test = (load(f"folder:{classes}", split) for split in ("train", "test"))
    assert (len(train), len(test)) == (18, 2) and train.classes == ("cat", "dog")
    assert train.event_shape == (3, 6, 8) and train.x.dtype == torch.uint8
    rows = {x.numpy().tobytes() for data in (train, test) for x in data.x}
    assert len(rows) == 20


def test_pixels_and_labels_are_those_of_the_files(tmp_path):
    want = {write(tmp_path / name / "0.png", seed=i).tobytes(): i for i, name in enumerate("abc")}
    data = load(f"folder:{tmp_path}")
    assert [want[x.numpy().tobytes()] for x in data.x] == data.y.tolist()


def test_loose_images_are_unlabelled_and_hidden_files_are_passed_over(tmp_path):
    for i in range(4):
        write(tmp_path / f"{i}.png", (5, 5), seed=i)
    (tmp_path / ".DS_Store").write_text("x")
    data = load(f"folder:{tmp_path}")
    assert data.y is None and data.classes == () and data.event_shape == (1, 5, 5)


def test_train_and_test_folders_are_the_splits(tmp_path):
    for i in range(6):
        write(tmp_path / ("train" if i < 4 else "test") / "ab"[i % 2] / f"{i}.png", seed=i)
    write(tmp_path / "train" / "c" / "c.png", seed=9)
    train, test = (load(f"folder:{tmp_path}", split) for split in ("train", "test"))
    assert (len(train), len(test)) == (5, 2) and train.classes == test.classes == ("a", "b", "c")


def test_streamed_is_the_same_data(classes, monkeypatch):
    kept = load(f"folder:{classes}")
    monkeypatch.setattr(folder, "MEMORY_LIMIT", 0)
    streamed = load(f"folder:{classes}")
    assert isinstance(streamed.rows, folder.ImageFiles) and len(streamed) == 18
    assert streamed.event_shape == kept.event_shape and torch.equal(streamed.x, kept.x)
    some = streamed.take(5).subset(torch.tensor([3, 0]))
    assert torch.equal(some.x, kept.x[[3, 0]]) and torch.equal(some.y, kept.y[[3, 0]])
    two = (Batches(data, 7, torch.Generator().manual_seed(0)).next() for data in (kept, streamed))
    assert torch.equal(*(batch.x for batch in two))
    assert streamed.fingerprint == load(f"folder:{classes}").fingerprint != some.fingerprint
    assert streamed.rows.digest() != streamed.take(17).rows.digest()


def test_size_crops_and_grey_drops_colour(classes, monkeypatch):
    for limit in (1 << 30, 0):
        monkeypatch.setattr(folder, "MEMORY_LIMIT", limit)
        data = load(f"folder:{classes}", size=4, grey=True)
        assert data.event_shape == (1, 4, 4)
        assert data.batch(torch.arange(2)).x.shape == (2, 1, 4, 4)


def test_a_folder_and_an_archive_of_the_same_images_agree(tmp_path):
    pictures = [write(tmp_path / "all" / f"{i:02}.png", (9, 7, 3), seed=i) for i in range(12)]
    np.savez(tmp_path / "all.npz", x=np.stack(pictures))
    for options in ({"size": 6}, {"grey": True}, {"size": 5, "grey": True}, {}):
        one = load(f"folder:{tmp_path / 'all'}", **options)
        two = load(str(tmp_path / "all.npz"), **options)
        assert torch.equal(one.x, two.x)


def one_line(path: Path, **options) -> str:
    with pytest.raises(DataError) as error:
        load(f"folder:{path}", **options).batch(torch.arange(1))
    assert "\n" not in str(error.value)
    return str(error.value)


def test_faults_are_one_line(tmp_path, monkeypatch):
    assert "there is no folder" in one_line(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    assert "holds no images" in one_line(tmp_path / "empty")
    write(tmp_path / "text" / "0.png")
    (tmp_path / "text" / "notes.txt").write_text("hello")
    assert "notes.txt is not an image" in one_line(tmp_path / "text")
    for i in range(3):
        write(tmp_path / "sizes" / f"{i}.png", (6, 6 + i // 2, 3))
    assert "give a size" in one_line(tmp_path / "sizes")
    assert load(f"folder:{tmp_path / 'sizes'}", size=6).event_shape == (3, 6, 6)
    write(tmp_path / "mixed" / "0.png")
    write(tmp_path / "mixed" / "a" / "0.png")
    assert "both images" in one_line(tmp_path / "mixed")


@pytest.mark.parametrize("limit", [0, 1 << 30])
@pytest.mark.parametrize("fault", ["text", "cut", "empty"])
def test_a_broken_image_is_named(tmp_path, monkeypatch, fault, limit):
    monkeypatch.setattr(folder, "MEMORY_LIMIT", limit)
    for i in range(3):
        write(tmp_path / f"{i}.png", (32, 32, 3), seed=i)
    for i in range(1, 3):
        broken = tmp_path / f"{i}.png"
        raw = broken.read_bytes()
        broken.write_bytes({"text": b"not a picture", "cut": raw[: len(raw) // 2], "empty": b""}[fault])
    with pytest.raises(DataError, match=r"\d.png cannot be read as an image") as error:
        load(f"folder:{tmp_path}").batch(torch.arange(2))
    assert "\n" not in str(error.value)


def test_pixels_of_more_than_eight_bits_keep_their_levels(tmp_path):
    """Pillow cuts them off at 255."""
    ramp = np.linspace(0, 1, 64).reshape(8, 8)
    kinds = {"png": (ramp * 65535).astype(np.uint16), "tif": ramp.astype(np.float32)}
    kinds["tiff"] = (ramp * 65535).astype(np.int32)
    for ending, values in kinds.items():
        (tmp_path / ending).mkdir()
        for i in range(4):
            Image.fromarray(values).save(tmp_path / ending / f"{i}.{ending}")
        x = load(f"folder:{tmp_path / ending}").x[0]
        assert x.shape == (8, 8) and np.abs(x.numpy() - ramp * 255).max() <= 0.5
    Image.fromarray((ramp * 7 - 1).astype(np.float32)).save(tmp_path / "tif" / "9.tif")
    with pytest.raises(DataError, match="values are -1 to 6: name those of black and white"):
        load(f"folder:{tmp_path / 'tif'}")


def test_one_grey_file_does_not_drop_the_colour_of_all(tmp_path):
    write(tmp_path / "train" / "0.png", (6, 8))
    for i in range(1, 5):
        write(tmp_path / "train" / f"{i}.png")
    write(tmp_path / "test" / "0.png", (6, 8))
    train, test = (load(f"folder:{tmp_path}", split) for split in ("train", "test"))
    assert train.event_shape == test.event_shape == (3, 6, 8)
    assert decided(train) == ("2 of 6 files are grey: all are read in colour, as the others are",)


@pytest.mark.parametrize("parts", [("train", "val"), ("Train", "Test"), ("train",), ("train", "valid"), ()])
def test_parts_by_their_usual_names(tmp_path, parts):
    for part in parts or ("",):
        for i in range(8):
            write(tmp_path / part / ("cat" if i < 4 else "dog") / f"{i}.png", seed=i)
    train, test = (load(f"folder:{tmp_path}", split) for split in ("train", "test"))
    assert train.classes == test.classes == ("cat", "dog")
    assert (len(train), len(test)) == ((8, 8) if len(parts) == 2 else (7, 1))


def transparent(kind: str) -> Image.Image:
    """8 x 8 pixels of value 40, the right half of them transparent."""
    values, alpha = np.full((8, 8), 40, np.uint8), np.full((8, 8), 255, np.uint8)
    alpha[:, 4:] = 0
    grey = Image.fromarray(np.stack([values, alpha], -1), "LA")
    if kind == "P":
        image = Image.fromarray(np.where(alpha > 0, 1, 0).astype(np.uint8), "P")
        image.putpalette([0, 0, 0, 40, 40, 40] + [0] * 762)
        image.info["transparency"] = 0
        return image
    return grey if kind == "LA" else grey.convert(kind)


@pytest.mark.parametrize(("kind", "channels"), [("LA", 1), ("RGBA", 3), ("P", 3)])
def test_alpha_is_laid_over_white(tmp_path, kind, channels):
    for i in range(4):
        transparent(kind).save(tmp_path / f"{i}.png")
    data = load(f"folder:{tmp_path}")
    x = data.x[0].reshape(8, 8, channels)
    assert x[:, :4].eq(40).all() and x[:, 4:].eq(255).all()
    assert decided(data) == ("4 of 4 files have an alpha channel: laid over white",)


def test_an_opaque_alpha_channel_changes_nothing(tmp_path):
    values = write(tmp_path / "a" / "0.png", seed=3)
    (tmp_path / "b").mkdir()
    Image.fromarray(values).convert("RGBA").save(tmp_path / "b" / "0.png")
    for name in "ab":
        (tmp_path / name / "1.png").write_bytes((tmp_path / name / "0.png").read_bytes())
    assert torch.equal(load(f"folder:{tmp_path}/a").x, load(f"folder:{tmp_path}/b").x)


@pytest.mark.parametrize("ending", ["gif", "tiff", "webp"])
def test_of_several_pictures_the_first_is_read_and_it_is_told(tmp_path, ending):
    frames = [Image.new("L", (8, 8), shade) for shade in (0, 255)]
    for i in range(3):
        frames[0].save(tmp_path / f"{i}.{ending}", save_all=True, append_images=frames[1:])
    data = load(f"folder:{tmp_path}")
    assert int(data.x.float().max()) <= 2
    assert decided(data)[-1] == "3 of 3 files are animated or have several pages: the first picture is read"


@pytest.mark.parametrize("kind", ["LA", "RGBA", "P"])
def test_a_mask_on_a_transparent_layer_is_black_there(tmp_path, kind):
    image = transparent(kind).convert("RGBA")
    image.paste((255, 255, 255, 255), (0, 0, 2, 8))
    image.save(tmp_path / "mask.png")
    mask = read_mask(tmp_path / "mask.png", 8, 8)
    assert mask[:, :2].all() and not mask[:, 2:].any()

"""dSprites: slices, halves, factors, the cache, damaged files."""

from __future__ import annotations

import os
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch

from gibbsian.core.errors import DataError
from gibbsian.data import sprites
from gibbsian.data.dataset import carve
from gibbsian.data.load import load
from gibbsian.data.sprites import halve, read_sprites

REAL = Path(os.environ.get("GIBBSIAN_DATA") or Path(__file__).parents[3] / "shared" / "data")
FILE = "dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz"
N = 200


def write(folder: Path, **changes: np.ndarray) -> tuple[Path, dict[str, np.ndarray]]:
    """A small file of the original's layout, with an array of objects as its `metadata` is."""
    rng = np.random.default_rng(0)
    classes = np.stack([rng.integers(0, k, N) for k in (1, *sprites.SIZES)], 1)
    arrays = {"imgs": rng.integers(0, 2, (N, 64, 64), dtype=np.uint8), "latents_classes": classes}
    arrays |= {"metadata": np.array({"title": "x"}, dtype=object)} | changes
    folder.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(folder / FILE, **arrays)
    return folder / FILE, arrays


@pytest.mark.parametrize("split", ["train", "test"])
def test_slices_give_the_rows_of_the_house_cut(tmp_path, monkeypatch, split):
    monkeypatch.setattr(sprites, "SLICE", 7)
    path, arrays = write(tmp_path)
    rows = carve(N, N // 10, "")[split == "test"].numpy()
    whole, half = read_sprites(path, split), read_sprites(path, split, 32, cache=tmp_path / "cache")
    assert np.array_equal(whole.x, arrays["imgs"][rows] * 255)
    mean = whole.x.reshape(-1, 32, 2, 32, 2).mean((2, 4))
    assert half.x.dtype == np.uint8 and np.abs(half.x - mean).max() <= 0.5
    for found in (whole, half):
        assert np.array_equal(found.factors.values.numpy(), arrays["latents_classes"][rows, 1:])
        assert found.factors.sizes == (3, 6, 40, 32, 32) and found.y is None


def test_halves_by_hand():
    x = np.zeros((5, 2, 2), np.uint8)
    for k in range(5):
        x[k].flat[:k] = 1
    assert halve(x).flatten().tolist() == [0, 64, 128, 191, 255]


def test_the_cache_is_used_and_belongs_to_one_file(tmp_path, monkeypatch):
    cache = tmp_path / "cache"
    path, arrays = write(tmp_path / "one")
    other, _ = write(tmp_path / "two", imgs=1 - arrays["imgs"])
    first = read_sprites(path, "train", 32, cache=cache)
    assert len(list(cache.iterdir())) == 1 and not list(cache.glob(".part-*"))
    changed = read_sprites(other, "train", 32, cache=cache)
    assert np.array_equal(changed.x, 255 - first.x) or np.abs(255.0 - changed.x - first.x).max() <= 1
    monkeypatch.setattr(sprites, "_halve_all", None)
    again = read_sprites(path, "train", 32, cache=cache)
    assert np.array_equal(again.x, first.x) and len(list(cache.iterdir())) == 2


def test_a_cache_that_cannot_be_written_costs_only_time(tmp_path):
    path, _ = write(tmp_path)
    (tmp_path / "file").write_text("")
    assert len(read_sprites(path, "test", 32, cache=tmp_path / "file" / "cache").x) == N // 10


def test_both_names_load_with_factors(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    write(tmp_path / "dsprites")
    for name, side in (("dsprites", 64), ("dsprites32", 32)):
        train, test = (load(name, split, data_dir=tmp_path) for split in ("train", "test"))
        assert train.event_shape == (1, side, side) and (len(train), len(test)) == (180, 20)
        assert train.take(5).factors.values.shape == (5, 5) and train.y is None
    parts = [load("dsprites32", s, data_dir=tmp_path, validation=30) for s in ("train", "validation")]
    assert [len(part.factors) for part in parts] == [150, 30]


def test_files_of_another_kind_are_one_line(tmp_path):
    path, arrays = write(tmp_path)
    raw = path.read_bytes()
    for bad in (b"", b"hello", raw[:1000], raw[:200] + b"\0" * 50 + raw[250:]):
        path.write_bytes(bad)
        refused(path)
    for changes in (
        {"imgs": arrays["imgs"] * 255},
        {"imgs": arrays["imgs"].astype(float)},
        {"imgs": arrays["imgs"][0]},
        {"imgs": arrays["imgs"][:-1]},
        {"latents_classes": np.array([{}], dtype=object)},
        {"latents_classes": arrays["latents_classes"] + 1},
        {"latents_classes": arrays["latents_classes"][:, :3]},
    ):
        write(tmp_path, **changes)
        refused(path)
    with pytest.raises(DataError, match="there is no file"):
        read_sprites(tmp_path / "nothing.npz", "train")


def refused(path: Path) -> None:
    for side in (64, 32):
        with pytest.raises(DataError) as error:
            read_sprites(path, "train", side, cache=path.parent / "cache")
        assert "\n" not in str(error.value)


@pytest.mark.data
def test_the_real_file(tmp_path, monkeypatch):
    """Every image from its factors: the centre of mass follows x and y, the area follows the scale."""
    if not (REAL / "dsprites_rerendered").is_dir() and not (REAL / "dsprites").is_dir():
        pytest.skip(f"no sprites in {REAL}: set GIBBSIAN_DATA")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    tracemalloc.start()
    train = load("dsprites32", data_dir=REAL)
    assert tracemalloc.get_traced_memory()[1] < 3e9
    tracemalloc.stop()
    test = load("dsprites32", "test", data_dir=REAL)
    (path,) = (tmp_path / "gibbsian" / "sprites").iterdir()
    path.unlink()
    assert (len(train), len(test)) == (663_552, 73_728)
    x, v = test.x.double(), test.factors.values.double()
    mass = x.sum((1, 2))
    place = torch.stack([(x.sum(1) * torch.arange(32)).sum(1), (x.sum(2) * torch.arange(32)).sum(1)], 1)
    for column in (0, 1):
        told = torch.corrcoef(torch.stack([place[:, column] / mass, v[:, 3 + column]]))[0, 1]
        assert float(told) > 0.99
    assert float(torch.corrcoef(torch.stack([mass.sqrt(), v[:, 1]]))[0, 1]) > 0.8

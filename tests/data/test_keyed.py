"""Arrays by name, in files, dictionaries and items; what is a path but not data."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from known import decided
from safetensors.torch import save_file
from torch.utils.data import Dataset

import gibbsian as gb
from gibbsian.core.errors import DataError, GibbsianError

X = np.random.default_rng(0).integers(0, 256, (30, 8, 8), dtype=np.uint8)
Y = np.arange(30) % 3


@pytest.mark.parametrize(
    ("x", "y"), [("x", "y"), ("X", "y"), ("images", "labels"), ("data", "target"), ("image", "label")]
)
def test_usual_names_by_every_way(tmp_path, x, y):
    named = {x: X, y: Y}
    np.savez(tmp_path / "a.npz", **named)
    save_file({k: torch.from_numpy(v) for k, v in named.items()}, tmp_path / "a.safetensors")

    class Items(Dataset):
        def __len__(self):
            return len(X)

        def __getitem__(self, i):
            return {k: v[i] for k, v in named.items()}

    for given in (named, Items()):
        data = gb.dataset(given)
        assert np.array_equal(data.x.numpy(), X) and data.y.tolist() == Y.tolist()
    for file in ("a.npz", "a.safetensors"):
        data = gb.dataset(tmp_path / file)
        assert len(data) == 27 and data.classes == ("0", "1", "2")


@pytest.mark.parametrize("train", ["train_x", "x_train", "X_train", "train_images", "training_data"])
def test_parts_by_name(tmp_path, train):
    test = train.replace("training", "test").replace("train", "test")
    y, z = (name.replace("X", "y").replace("x", "y").replace("images", "labels").replace("data", "target")
            for name in (train, test))  # fmt: skip
    np.savez(
        tmp_path / "a.npz", **{train: X, y: np.array(list("abc"))[Y], test: X[:4], z: np.array(["c"] * 4)}
    )
    first, second = (gb.dataset(tmp_path / "a.npz", part) for part in ("train", "test"))
    assert (len(first), len(second)) == (30, 4) and first.classes == second.classes == ("a", "b", "c")
    assert second.y.tolist() == [2] * 4  # counted as in the training part


def test_what_is_not_read_is_told(tmp_path):
    np.savez(tmp_path / "a.npz", images=X, labels=Y, other=Y, val_images=X)
    assert decided(gb.dataset(tmp_path / "a.npz")) == (
        "'images' is the data, 'labels' the labels, not read: other, val_images",
    )
    np.savez(tmp_path / "b.npz", x=X, y=Y, label_names=["u", "v", "w"])
    assert gb.dataset(tmp_path / "b.npz").classes == ("u", "v", "w")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("a.zip", "unpack it"),
        ("a.tar.gz", "unpack it"),
        ("a.h5", "is no file that is read"),
        ("a.pt", "is no file that is read"),
        ("nowhere/at/all", "there is no file or folder"),
        ("a.safetensors", "cannot be read as .safetensors"),
    ],
)
def test_paths_that_are_no_data_are_one_line(tmp_path, name, words):
    if "nowhere" not in name:
        (tmp_path / name).write_bytes(b"x")
    with pytest.raises(GibbsianError, match=words) as error:
        gb.dataset(tmp_path / name)
    assert "\n" not in str(error.value)


class Breaks(Dataset):
    def __len__(self):
        return 3

    def __getitem__(self, i):
        raise KeyError(i)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (Breaks(), "item 0 of Breaks cannot be read: KeyError"),
        (np.ma.masked_array(np.ones((3, 2)), [[1, 0]] * 3), "3 masked values"),
        (torch.eye(3).to_sparse(), "not real numbers in order"),
        (torch.empty(3, 2, device="meta"), "not real numbers in order"),
        (np.full((3, 2), 1e300), "overflow"),
        ({"foo": X, "bar": Y}, "holds foo, bar: expected x"),
    ],
)
def test_what_cannot_be_read_is_one_line(data, words):
    with pytest.raises(DataError, match=words) as error:
        gb.dataset(data)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("top", [255, 4095, 65535])
def test_arrays_of_deep_images_are_read_where_asked_for(tmp_path, top):
    np.save(tmp_path / "a.npy", np.linspace(0, top, 640).reshape(10, 8, 8))
    kept = gb.dataset(tmp_path / "a.npy")
    assert not kept.is_image and "images=True" in kept.notes[0]
    data = gb.dataset(f"{tmp_path}/a.npy@images=yes")
    assert data.is_image and abs(float(data.x.float().mean()) - 127.5) < 30
    assert gb.dataset(tmp_path / "a.npy", levels=(0, top / 2)).x.eq(255).float().mean() > 0.4

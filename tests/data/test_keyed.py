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


@pytest.mark.parametrize(
    "train", ["train_x", "x_train", "X_train", "train_images", "training_data", "trainX", "Xtrain"]
)
def test_parts_by_name(tmp_path, train):
    test = train.replace("training", "test").replace("train", "test")
    y, z = (name.replace("X", "Y").replace("x", "y").replace("images", "labels").replace("data", "target")
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


PLAIN = np.random.default_rng(0).random((30, 8, 8))


@pytest.mark.parametrize(
    ("train", "test", "wanted"),
    [
        (2 * PLAIN - 1, PLAIN[:4], 127.5 * PLAIN[:4] + 127.5),  # alone it would be 0 to 1
        (PLAIN, PLAIN[:4] - 1, 127.5 * PLAIN[:4]),
        (10 * PLAIN, PLAIN[:4], PLAIN[:4]),  # alone it would be images
        (X.astype(np.int64), X[:4].astype(np.int64) // 3, X[:4] // 3),
        (X, X[:4], X[:4]),
    ],
)
def test_both_parts_are_read_in_one_range(tmp_path, train, test, wanted):
    np.savez(tmp_path / "a.npz", train_x=train, test_x=test)
    both = [gb.dataset(tmp_path / "a.npz", part) for part in ("train", "test", "all")]
    assert [len(data) for data in both] == [30, 4, 34]
    assert torch.equal(torch.cat([both[0].x, both[1].x]), both[2].x)
    assert np.abs(both[1].x.numpy() - wanted).max() <= (0.5 if both[1].is_image else 1e-6)


@pytest.mark.parametrize(
    "test", [X[:4] / 255.0, X[:4, :5], X[:4, None].repeat(3, 1), np.zeros((0, 8, 8), np.uint8)]
)
def test_parts_of_two_kinds_are_one_line(tmp_path, test):
    np.savez(tmp_path / "a.npz", train_x=X, test_x=test)
    with pytest.raises(DataError, match="train_x holds uint8 .* test_x .*: store both parts alike"):
        gb.dataset(tmp_path / "a.npz")

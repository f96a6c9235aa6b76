"""Data that a person has at hand: arrays, pairs, torch data sets, loaders, paths."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

from gibbsian.core.errors import DataError, GibbsianError, UsageError
from gibbsian.data.load import load
from gibbsian.data.own import dataset, model_range

X = np.random.default_rng(0).integers(0, 256, (30, 8, 8), dtype=np.uint8)
Y = np.arange(30) % 3


class Items(Dataset):
    """A map-style data set of the items given."""

    def __init__(self, items):
        self.items = items

    def __len__(self):
        return len(self.items)

    def __getitem__(self, i):
        return self.items[i]


class Stream(IterableDataset):
    def __iter__(self):
        return iter(X)


LABELLED = {
    "pair of arrays": (X, Y),
    "pair of tensors": (torch.from_numpy(X), torch.from_numpy(Y)),
    "mixed pair": (X, torch.from_numpy(Y)),
    "tensor data set": TensorDataset(torch.from_numpy(X), torch.from_numpy(Y)),
    "items": Items([(torch.from_numpy(x), int(y)) for x, y in zip(X, Y, strict=True)]),
    "pictures": Items([(Image.fromarray(x), torch.tensor(y)) for x, y in zip(X, Y, strict=True)]),
    "floats first": Items([(torch.from_numpy(x)[None] / 255, y) for x, y in zip(X, Y, strict=True)]),
    "loader": DataLoader(TensorDataset(torch.from_numpy(X), torch.from_numpy(Y)), batch_size=7),
}


@pytest.mark.parametrize("way", LABELLED)
def test_the_same_rows_come_by_every_way(way):
    stream = torch.get_rng_state()
    data = dataset(LABELLED[way])
    assert np.array_equal(data.x.numpy(), X) and data.y.tolist() == Y.tolist()
    assert data.classes == ("0", "1", "2") and data.name == "arrays"
    assert torch.equal(torch.get_rng_state(), stream)
    assert all("\n" not in note for note in data.notes)


@pytest.mark.parametrize("data", [X, torch.from_numpy(X), list(X), Items(list(X)), (X,)])
def test_without_labels(data):
    found = dataset(data)
    assert np.array_equal(found.x.numpy(), X) and found.y is None


def test_what_is_not_used_is_said():
    notes = dataset(LABELLED["loader"]).notes
    assert "not its batches, order or sampler" in notes[0]
    assert "30 items were read once" in dataset(LABELLED["items"]).notes[0]


def test_a_set_of_ours_and_names_come_as_before():
    digits = load("digits")
    assert dataset(digits) is digits
    for name in ("digits", Path("digits")):
        assert dataset(name, "test").fingerprint == load("digits", "test").fingerprint
    assert len(dataset("digits", validation=100)) == len(digits) - 100


def test_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.savez("one.npz", x=X, y=Y)
    np.save("bare.npy", X)
    Path("photos").mkdir()
    Path("digits").mkdir()
    for i, x in enumerate(X):
        Image.fromarray(x).save(f"photos/{i:02d}.png")
    assert dataset("one.npz").y is not None and len(dataset(tmp_path / "bare.npy")) == 27
    for folder in ("photos", tmp_path / "photos", "folder:photos"):
        assert dataset(folder).event_shape == (1, 8, 8)
    assert dataset("digits").name == "digits" and len(dataset("digits")) == 1397
    np.save("objects.npy", np.array([{}, {}]))
    for bad, words in (("objects.npy", "cannot be read as .npy"), ("none.npy", "there is no file")):
        with pytest.raises(DataError, match=words):
            dataset(bad)


def test_size_and_colour_of_arrays():
    data = dataset((X, Y), size=4, grey=False)
    assert data.event_shape == (3, 4, 4) and data.y.tolist() == Y.tolist()
    with pytest.raises(UsageError, match="size and grey are for images"):
        dataset(np.zeros((5, 2)), size=4)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (None, "a NoneType is no data"),
        (3.5, "a float is no data"),
        (object(), "is no data"),
        ({"a": X, "b": X}, "the dictionary holds a, b: expected x"),
        ((X, Y, Y), "3 arrays"),
        (Stream(), "no fixed number of rows"),
        (Items([]), "empty"),
        (Items([{"a": x, "b": x} for x in X]), "an item holds a, b: expected x"),
        (Items([(x, 1, 2) for x in X]), "items are tuple of"),
        (Items([np.zeros((2, 2)), np.zeros((2, 3))]), "item 1 has shape"),
        ([[1.0, 2.0], [3.0]], "a list"),
        ([X, Y], "its parts are of unlike shapes"),
        (((X, Y), (X[:4], Y[:4])), "a pair (x, y), y being their labels"),
        (np.array([[np.inf, 1.0]]), "not finite"),
        ((X, Y[:5]), "labels of shape"),
    ],
)
def test_what_cannot_be_read_is_one_line(data, words):
    with pytest.raises(GibbsianError) as error:
        dataset(data)
    assert words in str(error.value) and "\n" not in str(error.value)


def test_options_of_other_data_are_refused():
    for data, options in (
        (X, {"split": "test"}),
        (load("digits"), {"images": True}),
        (load("digits"), {"size": 4}),
    ):
        with pytest.raises(UsageError, match="no option of data of this kind"):
            dataset(data, **options)


def test_the_range_of_a_model_grows_with_numbers_only():
    points = dataset(np.array([[-3.0, 0.0], [1.0, 7.0]]), standardise=False)
    assert model_range(points, -4, 8) is None
    assert model_range(dataset(points.x), -0.5, 1) == (-1.1, 1.1), "of what models see"
    assert model_range(points, -1, 1) == (-3.5, 7.5)
    assert model_range(dataset(X), 0, 0.5) is None
    assert model_range(load("toy:ring"), 0, 0.5) is None

"""Labels in every dress become classes 0 to k - 1, and each decision is a line."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gibbsian.core.errors import DataError
from gibbsian.data.dataset import from_arrays
from gibbsian.data.load import load
from gibbsian.data.own import dataset

X = np.zeros((4, 2))


@pytest.mark.parametrize(
    ("y", "counted", "classes", "words"),
    [
        (np.array([0, 1, 2, 1]), [0, 1, 2, 1], ("0", "1", "2"), None),
        (
            np.array([3, 9, 7, 3]),
            [0, 2, 1, 0],
            ("3", "7", "9"),
            "labels 3, 7, 9 are counted as classes 0",
        ),
        (np.array([1, 2, 3, 1]), [0, 1, 2, 0], ("1", "2", "3"), "labels 1, 2, 3"),
        (torch.tensor([0.0, 1.0, 1.0, 0.0]), [0, 1, 1, 0], ("0", "1"), None),
        (np.array([-1, 1, 1, -1]), [0, 1, 1, 0], ("-1", "1"), "labels -1, 1 are counted"),
        (np.array([True, False, True, True]), [1, 0, 1, 1], ("0", "1"), None),
        (np.array([7, 7, 7, 7]), [0, 0, 0, 0], ("7",), "labels 7 are counted as classes 0 to 0"),
        (np.array(["b", "a", "b", "b"]), [1, 0, 1, 1], ("a", "b"), None),
        (np.array(["b", "a", "b", "b"], object), [1, 0, 1, 1], ("a", "b"), None),
        (np.array([b"b", b"a", b"b", b"b"]), [1, 0, 1, 1], ("a", "b"), None),
        (np.eye(3)[[2, 0, 1, 2]], [2, 0, 1, 2], ("0", "1", "2"), "places of the 1 in each row"),
    ],
)
def test_labels_are_counted_in_their_order(y, counted, classes, words):
    data = from_arrays(X, y)
    assert data.y.tolist() == counted and data.classes == classes
    assert data.notes == () if words is None else words in data.notes[0] and len(data.notes) == 1


@pytest.mark.parametrize(
    ("y", "words"),
    [
        ([-1, 0, 1, 2], "labels from -1 to 2.*rows without a label, leave these rows out"),
        ([-1, -1, 0, 0], "labels from -1 to 0"),
        ([np.nan, 0, 1, 1], "not finite: leave the rows without a label out"),
        (np.zeros((4, 2)), "labels of shape"),
        (np.array([None, "a", "b", "c"], object), "whole numbers or words"),
    ],
)
def test_rows_without_a_label_and_the_like_are_one_line(y, words):
    with pytest.raises(DataError, match=words):
        from_arrays(X, np.asarray(y))


def test_the_parts_of_a_file_are_counted_alike(tmp_path):
    parts = {"train_x": X, "train_y": np.array([3, 7, 9, 3]), "test_x": X, "test_y": np.array([9, 9, 3, 3])}
    np.savez(tmp_path / "a.npz", **parts)
    train, test = (load(str(tmp_path / "a.npz"), split) for split in ("train", "test"))
    assert train.y.tolist() == [0, 1, 2, 0] and test.y.tolist() == [2, 2, 0, 0]
    assert train.classes == test.classes == ("3", "7", "9")


def test_a_table_and_a_torch_data_set_are_no_exception(tmp_path):
    lines = [f"{i},{i / 2},{3 + 4 * (i % 3)}" for i in range(40)]
    (tmp_path / "a.csv").write_text("\n".join(["a,b,class", *lines]))
    assert dataset(tmp_path / "a.csv").classes == ("3", "7", "11")
    rows = torch.utils.data.TensorDataset(torch.zeros(4, 2), torch.tensor([3, 7, 9, 3]))
    assert dataset(rows).classes == ("3", "7", "9")

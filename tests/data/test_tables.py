"""Tables from scikit-learn: standardised by the training part, cut in five."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from sklearn.datasets import load_diabetes, load_wine

from gibbsian.core.errors import UsageError
from gibbsian.data.dataset import carve
from gibbsian.data.load import load
from gibbsian.data.names import TABLES


@pytest.mark.parametrize("name", TABLES)
def test_tables_are_points_in_units_of_the_training_part(name):
    shape, classes, *_ = TABLES[name]
    train, test = load(f"table:{name}"), load(f"table:{name}", "test")
    assert train.event_shape == test.event_shape == shape and train.x.dtype == torch.float32
    assert len(test) == (len(train) + len(test)) // 5
    torch.testing.assert_close(train.x.mean(0), torch.zeros(shape), atol=1e-5, rtol=0)
    torch.testing.assert_close(train.x.std(0, correction=0), torch.ones(shape), atol=1e-5, rtol=0)
    assert len(train.classes) == classes and (train.y is not None) == bool(classes)
    assert train.fingerprint == load(f"table:{name}").fingerprint != test.fingerprint


def test_rows_and_labels_are_scikit_learns():
    bunch = load_wine()
    train, test = carve(178, 35, "")
    mean, deviation = bunch.data[train].mean(0), bunch.data[train].std(0)
    found = load("table:wine", "test")
    assert np.allclose(found.x.numpy(), (bunch.data[test] - mean) / deviation, atol=1e-5)
    assert np.array_equal(found.y.numpy(), bunch.target[test]) and found.classes[0] == "class_0"


def test_the_outcome_of_diabetes_is_a_column_and_no_column_has_two_values():
    bunch = load_diabetes(scaled=False)
    train = carve(442, 88, "")[0]
    x = load("table:diabetes").x
    outcome = bunch.target[train]
    assert np.allclose(x[:, -1], (outcome - outcome.mean()) / outcome.std(), atol=1e-5)
    assert min(len(column.unique()) for column in x.T) > 10


def test_validation_is_set_aside():
    parts = [load("table:iris", split, validation=20) for split in ("train", "validation", "test")]
    assert [len(part) for part in parts] == [100, 20, 30]


def test_what_is_refused(monkeypatch):
    with pytest.raises(UsageError, match="did you mean 'wine'"):
        load("table:wime")
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(UsageError, match=r"table:wine needs scikit-learn: pip install 'gibbsian\[tables\]'"):
        load("table:wine")

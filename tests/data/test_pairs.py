"""Two domains as one data set."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gibbsian.core.errors import UsageError
from gibbsian.data.dataset import from_arrays
from gibbsian.data.load import load
from gibbsian.data.pairs import domains, two_domains


def images(n: int, side: int, value: int, name: str = "a", colour: bool = False) -> object:
    shape = (n, side, side, 3) if colour else (n, side, side)
    return from_arrays(np.full(shape, value, np.uint8), np.zeros(n, np.int64), name=name)


def test_rows_are_the_target_and_conditions_the_source():
    both = two_domains(images(3, 8, 255), images(7, 8, 0, "b"), "a:to:b")
    batch = both.batch(torch.arange(7), 0.0, 1.0)
    assert len(both) == 7 and both.y is not None and both.name == "a:to:b"
    assert float(batch.x.max()) == 0.0 and float(batch.cond.min()) == 1.0


def test_every_source_image_is_used():
    source = from_arrays(np.arange(5, dtype=np.uint8)[:, None, None] * np.ones((1, 4, 4), np.uint8))
    both = two_domains(source, images(11, 4, 0), "a:to:b")
    counts = torch.bincount(both.cond[:, 0, 0].long())
    assert counts.tolist() == [3, 2, 2, 2, 2]


def test_the_source_takes_size_and_colour_of_the_target():
    both = two_domains(images(2, 16, 200), images(2, 8, 0, colour=True), "a:to:b")
    assert both.cond.shape == (2, 8, 8, 3)


def test_names():
    assert domains("mnist") is None and domains("digits:to:mnist") == ("digits", "mnist")
    for name in (":to:mnist", "mnist:to:", "a:to:b:to:c"):
        with pytest.raises(UsageError, match="SOURCE:to:TARGET"):
            domains(name)
    both = load("digits:to:digits", "test")
    assert len(both) == 400 and both.cond.shape == (400, 8, 8)
    with pytest.raises(UsageError, match="holds points"):
        load("toy:ring:to:digits")

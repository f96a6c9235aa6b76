"""Few rows a class: the same ones always."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from gibbsian.core.errors import UsageError
from gibbsian.data.dataset import from_arrays
from gibbsian.data.few import few


def numbered(n: int = 60):
    """Rows that hold their own number, of three classes in turn."""
    return from_arrays(torch.arange(n).double()[:, None], torch.arange(n) % 3)


def test_they_are_of_every_class_in_order_and_always_the_same() -> None:
    data = numbered()
    part = few(data, 4)
    rows = part.x[:, 0].long()
    assert part.y.bincount().tolist() == [4, 4, 4] and torch.equal(part.y, rows % 3)
    assert torch.equal(rows, rows.sort().values) and torch.equal(rows, few(data, 4).x[:, 0].long())
    assert set(few(data, 2).x[:, 0].tolist()) < set(part.x[:, 0].tolist()), "fewer are a part of more"
    assert len(few(data, 20)) == 60


@pytest.mark.parametrize("per_class", [1, 4, 7])
def test_they_are_the_first_of_the_permutation_and_not_of_the_data(per_class) -> None:
    order = np.random.RandomState(0).permutation(60)
    wanted = sorted(row for c in range(3) for row in [r for r in order if r % 3 == c][:per_class])
    assert few(numbered(), per_class).x[:, 0].tolist() == wanted != list(range(3 * per_class))


def test_what_is_not_there_is_one_line() -> None:
    short = numbered().subset(torch.tensor([0, 1, 2, 3, 4]))
    with pytest.raises(UsageError, match="2 rows a class of arrays: class 2 has 1, ask for at most as many"):
        few(short, 2)
    for data, count in [(replace(short, y=None), 1), (short, 0)]:
        with pytest.raises(UsageError, match="ask for 1 or more of labelled data"):
            few(data, count)

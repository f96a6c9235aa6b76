"""The latest images that a translating model has met."""

from __future__ import annotations

import pytest
import torch

from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator
from gibbsian.starts.seen import SeenImages


def numbered(first: int, last: int) -> torch.Tensor:
    return torch.arange(float(first), float(last)).reshape(-1, 1)


def test_the_latest_are_kept_and_come_once_while_they_last():
    seen = SeenImages((1,), capacity=4)
    seen.keep(numbered(0, 3))
    assert sorted(seen.draw(3, generator(0)).flatten().tolist()) == [0, 1, 2]
    seen.keep(numbered(3, 6))
    assert sorted(seen.draw(4, generator(0)).flatten().tolist()) == [2, 3, 4, 5]
    assert sorted(seen.draw(8, generator(0)).flatten().tolist()) == [2, 2, 3, 3, 4, 4, 5, 5]


def test_more_than_fit_leave_the_last():
    seen = SeenImages((1,), capacity=3)
    seen.keep(numbered(0, 8))
    assert sorted(seen.stored.flatten().tolist()) == [5, 6, 7] and int(seen.kept) == 8
    seen.keep(numbered(8, 9))
    assert sorted(seen.stored.flatten().tolist()) == [6, 7, 8]


def test_none_yet_and_no_room_are_refused():
    with pytest.raises(UsageError, match="met no images"):
        SeenImages((1,)).draw(1, generator(0))
    with pytest.raises(UsageError, match="capacity"):
        SeenImages((1,), capacity=0)

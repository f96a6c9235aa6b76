"""Lines of progress where no bar can be shown."""

from __future__ import annotations

import pytest

from gibbsian.core import pace
from gibbsian.core.pace import Pace


@pytest.fixture
def clock(monkeypatch):
    """A clock that is set by hand."""
    now = [0.0]
    monkeypatch.setattr(pace.time, "monotonic", lambda: now[0])
    return now


@pytest.mark.parametrize(
    ("seconds", "done", "total", "told"),
    [
        (10, 50, 100, "train: 50 of 100 updates, 5 updates/s, 10 s left"),
        (10, 5, 5000, "train: 5 of 5,000 updates, 2 s/update, 2.8 h left"),
        (100, 100, 700, "train: 100 of 700 updates, 1 updates/s, 10 min left"),
        (10, 100, 100, "train: 100 of 100 updates, 10 updates/s"),
    ],
)
def test_a_line_says_how_far_how_fast_and_how_long(clock, seconds, done, total, told):
    said = []
    tell = Pace("train", "update", said.append)
    clock[0] = seconds
    tell(done, total)
    assert said == [told]


@pytest.mark.parametrize(("most", "left"), [(30, "20 s"), (1000, "2 min"), (5, "0 s")])
def test_a_budget_of_time_bounds_what_is_left(clock, most, left):
    said = []
    tell = Pace("train", "update", said.append, most=most)
    clock[0] = 10
    tell(10, 100)
    assert said[0].endswith(f", {left} left")


def test_at_most_a_line_in_ten_seconds(clock):
    said = []
    tell = Pace("sample", say=said.append)
    for second in range(1, 61):
        clock[0] = second
        tell(second, 60, "so")
    assert len(said) == 6 and said[0].endswith(", so")


def test_parts_and_earlier_work_count_for_the_rate_alone(clock):
    said = []
    tell = Pace("sample", say=said.append)
    for second in range(1, 21):
        clock[0] = second
        tell(10 * ((second - 1) % 5 + 1), 50)
    assert said[-1] == "sample: 50 of 50 steps, 10 steps/s"
    tell = Pace("train", "update", said.append, first=1000)
    clock[0] += 10
    tell(1010, 2000)
    assert said[-1] == "train: 1,010 of 2,000 updates, 1 updates/s, 16 min left"

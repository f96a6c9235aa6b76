"""Turns, medians and ratios."""

from __future__ import annotations

import time

from benchmarks.timing import Spread, interleave, ratio, seconds, spread


def test_everyone_has_one_turn_a_round_in_rotated_order():
    turns: list[str] = []
    taken = interleave({name: lambda name=name: turns.append(name) for name in "abc"}, 4)
    assert "".join(turns) == "abc" + "bca" + "cab" + "abc"
    assert {name: len(values) for name, values in taken.items()} == {"a": 4, "b": 4, "c": 4}
    assert min(min(values) for values in taken.values()) >= 0


def test_nobody_is_no_error():
    assert interleave({}, 3) == {}


def test_seconds_count_what_the_call_left_to_the_device():
    owed = [0.0]

    def call() -> None:
        owed[0] = 0.02

    def wait() -> None:
        time.sleep(owed[0])
        owed[0] = 0.0

    owed[0] = 0.5  # of somebody before: not ours
    assert 0.02 <= seconds(call, wait) < 0.4


def test_spread_is_median_least_and_greatest():
    assert spread([3.0, 1.0, 9.0, 2.0, 4.0]) == Spread(3.0, 1.0, 9.0)


def test_a_ratio_is_of_medians_and_its_spread_of_rounds():
    assert ratio([2.0, 6.0, 4.0], [1.0, 2.0, 4.0]) == Spread(2.0, 1.0, 3.0)

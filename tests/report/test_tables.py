"""Numbers with their intervals, in words."""

from __future__ import annotations

import pytest

from gibbsian.metrics.interval import Interval
from gibbsian.report.tables import cell, over, summary


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (Interval(1.0, 0.963, 1.0), "1 [0.963, 1]"),
        (Interval(0.0, 0.0, 0.12), "0 [0, 0.12]"),
        (Interval(0.5, 0.4, 0.6), "0.5 ± 0.1"),
        (Interval(2.0, 2.0, 2.0), "2 ± 0"),
        (None, "-"),
    ],
)
def test_a_cell_shows_on_which_side_the_room_is(value, told):
    assert cell(value) == told


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_shares_that_never_vary_are_not_certain(share):
    rows = summary([{"recall": share, "modes": share, "accuracy": 0.5}] * 3, 100)
    assert 0.001 < rows["recall"].half_width < 0.02
    assert rows["modes"].half_width == 0 and over([share] * 3).half_width == 0

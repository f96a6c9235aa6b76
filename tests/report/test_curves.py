"""The picture of a training, from the lines of its log."""

from __future__ import annotations

import numpy as np
import pytest

from gibbsian.report.curves import BLUE, HEIGHT, NEGATIVE, curves, overlaid


def log(**measures):
    """Fifty lines; a measure is a function of the line's number."""
    return [{"step": 10 * i, **{k: v(i) for k, v in measures.items()}} for i in range(50)]


def share(picture, colour):
    return (np.asarray(picture) == np.array(colour)).all(2).mean()


@pytest.mark.parametrize(
    ("measures", "panels"),
    [
        ({"loss": lambda i: -i}, 1),
        ({"energy_loss": lambda i: i, "base_loss": lambda i: 1.0, "energy_gap": lambda i: i}, 2),
        ({"loss": lambda i: i, "energy_pos": lambda i: i, "energy_neg": lambda i: -i, "drift": abs}, 3),
        ({"loss": lambda i: "nan" if i % 2 else 1.0}, 1),
        ({"loss": lambda i: float("inf") if i == 3 else i}, 1),
    ],
)
def test_a_panel_for_each_kind_of_number(measures, panels):
    assert curves(log(**measures), "run").height == 38 + panels * HEIGHT


@pytest.mark.parametrize("lines", [[], [{"step": 1}], [{"step": 1, "loss": 2.0}], log(other=abs)])
def test_nothing_to_draw(lines):
    assert curves(lines) is None


def test_rollbacks_are_marked_and_go_on_from_where_they_went_back():
    whole = log(energy_pos=lambda i: 1.0, energy_neg=lambda i: i)
    back = [*whole[:40], {"step": 100, "event": "rollback"}, *whole[10:]]
    plain, marked = curves(whole), curves(back)
    assert marked.size == plain.size and np.asarray(marked).sum() != np.asarray(plain).sum()
    assert share(marked, NEGATIVE) < 1.5 * share(plain, NEGATIVE)


def test_a_long_log_is_drawn_at_once():
    assert curves([{"step": i, "loss": i % 7} for i in range(20_000)]) is not None


def test_a_run_has_its_colour_in_every_panel():
    only, both = log(energy_gap=lambda i: i), log(energy_gap=lambda i: 2 * i, loss=lambda i: 50 - i)
    first = overlaid({"a": only, "b": both}).crop((0, 0, 10_000, HEIGHT))
    alone = overlaid({"b": log(loss=lambda i: 50 - i)})
    assert share(alone, BLUE) > 0 and share(first, BLUE) == 0 and share(first, NEGATIVE) > 0

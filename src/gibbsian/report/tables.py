"""Numbers with intervals: as plain values, as cells, as tables of text or Markdown."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch

from ..metrics.interval import Interval, mean_interval, share_interval

Row = Mapping[str, Interval]
DIGITS = ".4g"
"""Of cells in a table of rows."""


SHARES = {
    *("precision", "recall", "coverage", "c2st", "near_copies"),
    *("mode_recall", "mode_quality", "asked_class", "lost"),
}
"""Measures that are shares of single samples, modes or rows."""


def over(values: Sequence[float], share_of: int = 0) -> Interval:
    """Mean and 95 % interval (Student's t) of 2 or more independent values; NaN where one is not finite.

    Values that are shares of `share_of` trials each have no interval beyond 0 and 1, and Wilson's where all
    are 0 or all are 1.
    """
    if not all(map(math.isfinite, values)):
        return Interval(math.nan, math.nan, math.nan)
    if share_of and set(values) in ({0.0}, {1.0}):
        return share_interval(int(sum(values)) * share_of, len(values) * share_of)
    found = mean_interval(torch.tensor(values, dtype=torch.float64))
    return replace(found, low=max(found.low, 0.0), high=min(found.high, 1.0)) if share_of else found


def bounded(found: Mapping[str, Interval], n: int) -> dict[str, Interval]:
    """`found` of one set of `n` samples: `SHARES` without an interval beyond 0 and 1, Wilson's at these."""
    told = dict(found)
    for key in SHARES & told.keys():
        p = told[key].estimate
        cut = replace(told[key], low=max(told[key].low, 0.0), high=min(told[key].high, 1.0))
        told[key] = share_interval(round(p) * n, n) if p in (0.0, 1.0) else cut
    return told


def plain(value: Interval) -> dict[str, Any]:
    """The estimate and the ends of its interval."""
    return {"value": value.estimate, "interval": [value.low, value.high]}


def cell(value: Interval | None, form: str = ".3g") -> str:
    """Estimate in `form` and half-width, or both ends where the estimate is one of them; a dash for none."""
    if value is None:
        return "-"
    if value.low < value.high and value.estimate in (value.low, value.high):
        return f"{value.estimate:{form}} [{value.low:{form}}, {value.high:{form}}]"
    return f"{value.estimate:{form}} ± {value.half_width:.2g}"


def table(head: Sequence[str], body: Sequence[Sequence[str]], markdown: bool = False) -> str:
    """Aligned columns, two blanks apart, with a rule below the titles; or Markdown."""
    if markdown:
        return "\n".join("| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *body))
    widths = [max(len(row[i]) for row in (head, *body)) for i in range(len(head))]
    told = ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in (head, *body)]
    return "\n".join([told[0], "-" * max(map(len, told)), *told[1:]])


def summary(sets: Sequence[Mapping[str, float]], n: int = 0) -> dict[str, Interval]:
    """Mean and 95 % interval, by Student's t over the sets, of every number that all have; NaN where one is
    not finite. `n` are the samples of a set, of which some numbers are `SHARES`.
    """
    common = [key for key in sets[0] if all(key in s for s in sets)]
    return {key: over([s[key] for s in sets], n if key in SHARES else 0) for key in common}


def plain_rows(rows: Mapping[Any, Row]) -> dict[str, Any]:
    """Rows of intervals as nested plain values."""
    return {str(name): {k: plain(v) for k, v in row.items()} for name, row in rows.items()}


def rows_table(rows: Mapping[Any, Row], title: str = "") -> str:
    """Rows of intervals under the names of their measures."""
    keys = list(next(iter(rows.values())))
    body = [[str(name), *(cell(row.get(k), DIGITS) for k in keys)] for name, row in rows.items()]
    return table([title, *keys], body)

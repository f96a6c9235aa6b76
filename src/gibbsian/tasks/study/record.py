"""What the studies share: what they return, intervals over draws, rows of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from ...core.errors import UsageError
from ...metrics.interval import Interval
from ..tables import cell, over, plain, table

Row = Mapping[str, Interval]
DIGITS = ".4g"
"""Of the studies' cells."""


class Study(Protocol):
    """What every topic returns."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as `gibbsian study --json` prints them."""

    def text(self) -> str:
        """Tables and notes for people."""

    def figures(self) -> dict[str, Any]:
        """Matplotlib figures by name; needs the extra `plot`."""


def require_draws(draws: int, n: int, least: int) -> None:
    """Raise `UsageError` unless there are draws enough for an interval, and samples enough for a measure."""
    if draws < 2 or n < least:
        raise UsageError(f"{draws} draws of n = {n}: take 2 draws or more, of {least} or more")


def summary(sets: Sequence[Mapping[str, float]]) -> dict[str, Interval]:
    """Mean and 95 % interval, by Student's t over the sets, of every number; NaN where one is not finite."""
    return {key: over([s[key] for s in sets]) for key in sets[0]}


def plain_rows(rows: Mapping[Any, Row]) -> dict[str, Any]:
    """Rows of intervals as nested plain values."""
    return {str(name): {k: plain(v) for k, v in row.items()} for name, row in rows.items()}


def rows_table(rows: Mapping[Any, Row], title: str = "") -> str:
    """Rows of intervals under the names of their measures."""
    keys = list(next(iter(rows.values())))
    body = [[str(name), *(cell(row.get(k), DIGITS) for k in keys)] for name, row in rows.items()]
    return table([title, *keys], body)

"""What the studies share in telling: intervals over draws, plain values, tables."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import torch

from ...core.errors import UsageError
from ...metrics.interval import Interval, mean_interval

Row = Mapping[str, Interval]


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


def over(values: Sequence[float]) -> Interval:
    """Mean and interval of independent values, 2 or more."""
    if not all(map(math.isfinite, values)):
        return Interval(math.nan, math.nan, math.nan)
    return mean_interval(torch.tensor(values, dtype=torch.float64))


def plain(value: Interval) -> dict[str, Any]:
    """The estimate and the ends of its interval."""
    return {"value": value.estimate, "interval": [value.low, value.high]}


def plain_rows(rows: Mapping[Any, Row]) -> dict[str, Any]:
    """Rows of intervals as nested plain values."""
    return {str(name): {k: plain(v) for k, v in row.items()} for name, row in rows.items()}


def cell(value: Interval | None) -> str:
    """Estimate and half-width, as many digits as they deserve."""
    return "-" if value is None else f"{value.estimate:.4g} ± {value.half_width:.2g}"


def rows_table(rows: Mapping[Any, Row], title: str = "") -> str:
    """Rows of intervals under the names of their measures."""
    keys = list(next(iter(rows.values())))
    return lines(
        [title, *keys], [[str(name), *(cell(row.get(k)) for k in keys)] for name, row in rows.items()]
    )


def lines(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """Aligned columns, two blanks apart, with a rule below the titles."""
    widths = [max(len(row[i]) for row in (head, *body)) for i in range(len(head))]
    told = ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in (head, *body)]
    return "\n".join([told[0], "-" * max(map(len, told)), *told[1:]])

"""Plots: labelled axes, intervals of 95 % as whiskers. They need the extra `plot`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from ..metrics.interval import Interval
from .pictures import grid, to_uint8

COLOURS = ("#2a6f97", "#e09f3e", "#9e2a2b", "#6a994e", "#7b5ea7", "#495057")
GREY = "#adb5bd"


def panels(rows: int, columns: int, width: float = 4.6, height: float = 3.0) -> tuple[Any, list[Any]]:
    """A figure of `rows` x `columns` panels, each of `width` x `height` inches, and the panels row by row."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width * columns, height * rows), layout="constrained")
    found = list(figure.subplots(rows, columns, squeeze=False).flat)
    for panel in found:
        panel.tick_params(labelsize=8)
        panel.spines[["top", "right"]].set_visible(False)
    return figure, found


def named(panel: Any, title: str, x: str, y: str) -> None:
    """Title and axes of a panel."""
    panel.set_title(title, fontsize=10, loc="left")
    panel.set_xlabel(x, fontsize=9)
    panel.set_ylabel(y, fontsize=9)


def beside_title(panel: Any) -> None:
    """The legend in the line of the title, on the right, where it covers nothing."""
    panel.legend(fontsize=7, frameon=False, loc="lower right", bbox_to_anchor=(1.0, 0.98), ncols=4)


def numbered(panel: Any, cells: np.ndarray, limit: float, form: str = ".0f") -> None:
    """The numbers of a map `(rows, columns)` in its cells, dark on those above `limit`; not of large maps,
    and none where there is no number."""
    if cells.size <= 900:
        for row, column in np.argwhere(~np.isnan(cells)):
            value = cells[row, column]
            ink = "black" if value > limit else "white"
            panel.text(column, row, f"{value:{form}}", ha="center", va="center", fontsize=7, color=ink)


def whiskers(panel: Any, x: Sequence[float], found: Sequence[Interval], **style: Any) -> None:
    """Points joined by a line, with their intervals."""
    middle = [v.estimate for v in found]
    reach = [[v.estimate - v.low for v in found], [v.high - v.estimate for v in found]]
    panel.errorbar(x, middle, yerr=reach, marker="o", ms=4, lw=1.2, capsize=3, **style)


def bars(panel: Any, found: Mapping[str, Interval], title: str, what: str) -> None:
    """A horizontal bar for each name, the first on top, with its interval."""
    names, values = list(found)[::-1], list(found.values())[::-1]
    middle = [v.estimate for v in values]
    reach = [[v.estimate - v.low for v in values], [v.high - v.estimate for v in values]]
    panel.barh(
        names, middle, xerr=reach, height=0.6, color=COLOURS[0], error_kw={"lw": 1.4, "ecolor": "black"}
    )
    named(panel, title, what, "")


def side_by_side(panel: Any, groups: Mapping[str, Mapping[str, Interval]]) -> None:
    """Bars of several groups under each name, with intervals."""
    width = 0.8 / len(groups)
    for k, (label, row) in enumerate(groups.items()):
        place = np.arange(len(row)) + (k - (len(groups) - 1) / 2) * width
        found = list(row.values())
        style = {"color": COLOURS[k], "label": label, "error_kw": {"lw": 1, "ecolor": "#555555"}}
        panel.bar(place, [v.estimate for v in found], width, yerr=[v.half_width for v in found], **style)
        panel.set_xticks(range(len(row)), list(row))


def images(panel: Any, x: Tensor, columns: int, low: float = -1.0, high: float = 1.0) -> None:
    """Images `(N, C, H, W)` in [low, high] as a grid without axes."""
    panel.imshow(np.asarray(grid(to_uint8(x, low, high), columns)))
    panel.axis("off")

"""Classes learnt in sequence: a map of accuracies a method, and the mean accuracy after each task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any

import numpy as np

from ..metrics.interval import Interval
from .plots import named, numbered, panels

COLUMNS = 4
CYCLE = ("#9e2a2b", "#adb5bd", "#7b5ea7", "#e09f3e", "#495057", "#2a6f97", "#6a994e")


def accuracy_figure(
    title: str, matrices: Mapping[str, np.ndarray], means: Mapping[str, Sequence[Interval]]
) -> Any:
    """The means in the first panel, then a map `(tasks, tasks)` of shares for each method; needs `plot`."""
    rows = ceil((1 + len(matrices)) / COLUMNS)
    figure, found = panels(rows, min(COLUMNS, 1 + len(matrices)), 3.2, 2.9)
    for colour, (name, values) in zip(CYCLE * len(means), means.items(), strict=False):
        x, middle = np.arange(1, len(values) + 1), np.array([100 * v.estimate for v in values])
        reach = np.array([100 * v.half_width for v in values])
        found[0].errorbar(
            x, middle, yerr=reach, color=colour, marker="o", ms=3, lw=1.3, capsize=2, label=name
        )
    found[0].set_ylim(0, 102)
    found[0].set_xticks(range(1, 1 + max(map(len, means.values()))))
    found[0].legend(fontsize=7, frameon=False, loc="lower left")
    named(found[0], title, "after task", "mean accuracy, %")
    for panel, (name, cells) in zip(found[1:], matrices.items(), strict=False):
        panel.imshow(100 * cells, vmin=0, vmax=100, cmap="cividis")
        numbered(panel, np.where(np.isnan(cells), np.nan, 100 * cells), 55)
        tasks = range(len(cells))
        panel.set_xticks(tasks, [j + 1 for j in tasks])
        panel.set_yticks(tasks, [j + 1 for j in tasks])
        named(panel, name, "accuracy on task", "after task")
    for panel in found[1 + len(matrices) :]:
        panel.axis("off")
    return figure

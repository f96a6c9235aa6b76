"""Many futures of one state: in the plane of two coordinates or components, and along time."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .plots import COLOURS, GREY, named, panels

SHOWN = 3000
"""States of the data that are drawn at most."""


def futures(
    paths: Tensor,
    true: Tensor | None,
    known: Tensor,
    goal: Tensor | None,
    limits: tuple[Tensor, Tensor],
    directions: Tensor,
) -> Any:
    """A figure of `paths` `(n, H + 1, D)` among `known` states `(N, D)`, with what `true` `(T, D)` came and
    the `goal` `(D,)`; `limits` are the least and most of each coordinate. Up to two coordinates are shown as
    they are, of more the first two `directions` `(D, K)` of the standardised known states.
    """
    size = paths.shape[2]
    view, words = _view(known, directions)
    low, high = (view(a[None])[0] for a in limits) if size <= 2 else (None, None)
    figure, found = panels(1, 1 + (size > 1), width=5.2, height=4.4)
    if size > 1:
        _plane(found[0], view, paths, true, known, goal)
        named(found[0], f"{len(paths)} futures", words[0], words[1])
    _along(found[-1], view, paths, true, goal)
    for level in () if low is None or high is None else (low[0], high[0]):
        found[-1].axhline(float(level), color=GREY, lw=0.8, ls=":")
    named(found[-1], f"{len(paths)} futures" if size == 1 else "along time", "step", words[0])
    return figure


def _view(known: Tensor, directions: Tensor) -> tuple[Any, tuple[str, str]]:
    if known.shape[1] <= 2:
        return (lambda x: x), ("coordinate 1", "coordinate 2")
    mean, deviation = known.mean(0), known.std(0).clamp(min=1e-12)
    return (lambda x: ((x - mean) / deviation) @ directions[:, :2]), ("component 1", "component 2")


def _plane(
    panel: Any, view: Any, paths: Tensor, true: Tensor | None, known: Tensor, goal: Tensor | None
) -> None:
    rows = torch.linspace(0, len(known) - 1, min(SHOWN, len(known))).long()
    panel.plot(*view(known[rows]).T, ".", color=GREY, ms=2, zorder=0, label="data")
    for path in view(paths):
        panel.plot(*path.T, color=COLOURS[0], lw=0.7, alpha=0.4)
    panel.plot(*view(paths[:, -1]).T, ".", color=COLOURS[0], ms=4, label="ends")
    _marks(
        panel,
        view(paths[:1, 0])[0],
        None if true is None else view(true),
        goal if goal is None else view(goal[None])[0],
    )
    panel.legend(fontsize=7, frameon=False)


def _marks(panel: Any, start: Tensor, true: Tensor | None, goal: Tensor | None) -> None:
    if true is not None and len(true) > 1:
        panel.plot(*true.T, color="black", lw=1.4, label="what came")
    panel.plot(*start, "o", color=COLOURS[2], ms=6, label="start")
    if goal is not None:
        panel.plot(*goal, "*", color=COLOURS[1], ms=12, label="goal")


def _along(panel: Any, view: Any, paths: Tensor, true: Tensor | None, goal: Tensor | None) -> None:
    for path in view(paths)[:, :, 0]:
        panel.plot(path, color=COLOURS[0], lw=0.7, alpha=0.4)
    if true is not None and len(true) > 1:
        panel.plot(view(true)[:, 0], color="black", lw=1.4)
    if goal is not None:
        panel.plot(paths.shape[1] - 1, view(goal[None])[0, 0], "*", color=COLOURS[1], ms=12)

"""How a training went, as one picture by Pillow alone: losses, energies, gap, chains, against updates."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from .pictures import INK, NEGATIVE, PAPER, stacked

WIDTH, HEIGHT, LEFT, EDGE, MOST = 640, 130, 64, 12, 600
BLUE, ORANGE, PALE = (42, 111, 151), (224, 159, 62), (215, 219, 223)
GREEN, VIOLET = (106, 153, 78), (123, 94, 167)
COLOURS = (BLUE, NEGATIVE, ORANGE, INK, GREEN, VIOLET)
PANELS: tuple[tuple[str, Mapping[str, str]], ...] = (
    ("loss", {"loss": "", "energy_loss": "energy", "base_loss": "base", "generator_loss": "generator"}),
    ("energy", {"energy_pos": "of data", "energy_neg": "where chains end"}),
    ("energy gap, data less chains", {"energy_gap": ""}),
    ("chains", {"acceptance": "acceptance", "saturated": "saturated", "divergent": "not finite"}),
    ("drift of a chain's step", {"drift": "", "drift_z": "of latents"}),
    ("validation", {"validation": ""}),
)
"""What is drawn, by the names in the log; a panel without a number is left out."""


def curves(lines: Sequence[Mapping[str, Any]], title: str = "") -> Image.Image | None:
    """The picture of the lines of `metrics.jsonl`, oldest first; None where fewer than two hold a number.

    A run that went back to an earlier step goes on from there; a dotted line marks where it did.
    """
    last = last_step(lines)
    marks = [line["step"] / last for line in lines if line.get("event") == "rollback"]
    shown = [
        _panel(name, [(word, points(lines, key)) for key, word in keys.items()], last, marks)
        for name, keys in PANELS
    ]
    return _sheet(shown, last, title)


def overlaid(runs: Mapping[str, Sequence[Mapping[str, Any]]], title: str = "") -> Image.Image | None:
    """The same of several runs by name: a panel a number, with a curve for each run that has it."""
    last = max((last_step(lines) for lines in runs.values()), default=1)
    shown = []
    for name, keys in PANELS:
        for key, word in keys.items():
            series = [(run, points(lines, key)) for run, lines in runs.items()]
            shown.append(_panel(f"{name}, {word}" if word else name, series, last, []))
    return _sheet(shown, last, title)


def _sheet(shown: Sequence[Image.Image | None], last: int, title: str) -> Image.Image | None:
    """Panels under a title, above the axis of updates."""
    panels = [panel for panel in shown if panel is not None]
    if not panels:
        return None
    sheet = Image.new("RGB", (WIDTH, 20), PAPER)
    ImageDraw.Draw(sheet).text((LEFT, 5), title, fill=INK)
    for panel in panels:
        sheet = stacked(sheet, panel)
    foot = Image.new("RGB", (WIDTH, 18), PAPER)
    draw = ImageDraw.Draw(foot)
    for part in (0, 0.5, 1):
        draw.text((_across(part), 2), f"{round(part * last):,}", fill=INK, anchor="ma" if part < 1 else "ra")
    draw.text((_across(0.25), 2), "updates", fill=INK, anchor="ma")
    return stacked(sheet, foot)


def _panel(
    name: str, series: Sequence[tuple[str, np.ndarray]], last: int, marks: Sequence[float]
) -> Image.Image | None:
    """Curves `(n, 2)` with their words, dotted lines at the `marks`, shares of the way across."""
    coloured = zip(series, cycle(COLOURS))  # a run has its colour in every panel
    found = [(word, of, colour) for (word, of), colour in coloured if len(of) > 1 and of[:, 1].any()]
    if not found:
        return None
    low, high = shown_range(np.concatenate([of[:, 1] for _, of, _ in found]))
    picture = Image.new("RGB", (WIDTH, HEIGHT), PAPER)
    draw = ImageDraw.Draw(picture)
    top, bottom = 18, HEIGHT - 8
    for part, value in ((1.0, low), (0.5, (low + high) / 2), (0.0, high)):
        y = top + part * (bottom - top)
        draw.line([(LEFT, y), (WIDTH - EDGE, y)], fill=PALE)
        draw.text((LEFT - 5, y), f"{value:.3g}", fill=INK, anchor="rm")
    for mark in marks:
        for y in range(top, bottom, 6):
            draw.line([(_across(mark), y), (_across(mark), y + 2)], fill=INK)
    place = LEFT + draw.textlength(name) + 16
    draw.text((LEFT, 3), name, fill=INK)
    for word, of, colour in found:
        draw.text((place, 3), word, fill=colour)
        place += draw.textlength(word) + 14
        for piece in unbroken(of):
            height = (np.clip(piece[:, 1], low, high) - low) / (high - low)
            xs = [_across(step / last) for step in piece[:, 0]]
            ys = (bottom - height * (bottom - top)).tolist()
            draw.line(list(zip(xs, ys, strict=True)), fill=colour, width=2 if len(found) == 1 else 1)
    return picture


def points(lines: Sequence[Mapping[str, Any]], key: str) -> np.ndarray:
    """(step, value) of the finite numbers, at most `MOST` of them, `(n, 2)`."""
    told = [(line["step"], line[key]) for line in lines if isinstance(line.get(key), (int, float))]
    points = np.array([pair for pair in told if math.isfinite(pair[1])], dtype=np.float64).reshape(-1, 2)
    return points[:: max(1, len(points) // MOST)]


def unbroken(points: np.ndarray) -> list[np.ndarray]:
    """The parts between which the run went back to an earlier step."""
    return np.split(points, np.flatnonzero(np.diff(points[:, 0]) <= 0) + 1)


def shown_range(values: np.ndarray) -> tuple[float, float]:
    """Where the values lie; of few that stand far out only the edge is drawn."""
    low, high = float(values.min()), float(values.max())
    inner = np.quantile(values, [0.02, 0.98])
    room = 4 * float(inner[1] - inner[0])
    if 0 < room < high - low:
        low, high = max(low, float(inner[0]) - room / 8), min(high, float(inner[1]) + room / 8)
    return (low, high) if high > low else (low - 1, high + 1)


def last_step(lines: Sequence[Mapping[str, Any]]) -> int:
    """The last update that the lines tell of, at least 1."""
    return max((int(line.get("step", 0)) for line in lines), default=0) or 1


def _across(part: float) -> float:
    return LEFT + part * (WIDTH - EDGE - LEFT)

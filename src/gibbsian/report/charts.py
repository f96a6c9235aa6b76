"""Plots as SVG inside a page: curves against updates, and where numbers of several sets lie."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .curves import MOST, PANELS, last_step, points, shown_range, unbroken
from .html import SERIES, Html, element, joined

WIDTH, HEIGHT, LEFT, RIGHT, TOP, FOOT = 420, 190, 50, 10, 10, 34
BINS, FAR = 48, 6.0
"""Most bars of a histogram; how many times wider than the first two sets all may be to share their axis."""
DASHES = ("", "6 3", "2 2", "8 3 2 3")


@dataclass(frozen=True)
class Frame:
    """What a plot shows: the least and greatest number across and upwards."""

    left: float
    right: float
    low: float
    high: float

    def x(self, value: float) -> float:
        """Where a number lies across, in the units of the picture."""
        return LEFT + (value - self.left) / (self.right - self.left) * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        """Where a number lies, counted from the top."""
        part = (value - self.low) / (self.high - self.low)
        return TOP + (1 - part) * (HEIGHT - TOP - FOOT)


def training_curves(runs: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[Html]:
    """A plot for each kind of number in the lines of `metrics.jsonl` of one run; of several, a plot a number
    with a curve a run.

    Where a run went back to an earlier step, a dotted line marks it.
    """
    found = []
    last = max((last_step(lines) for lines in runs.values()), default=1)
    for name, keys in PANELS:
        if len(runs) == 1:
            ((_, lines),) = runs.items()
            found.append(
                _curves(name, {word or name: points(lines, key) for key, word in keys.items()}, last)
            )
            continue
        for key, word in keys.items():
            series = {run: points(lines, key) for run, lines in runs.items()}
            found.append(_curves(f"{name}, {word}" if word else name, series, last))
    return [plot for plot in found if plot]


def line_plot(title: str, values: Mapping[str, np.ndarray], across: str) -> Html:
    """Curves of points `(n, 2)` by name, on one pair of axes; nothing where no curve has two points."""
    last = max((float(v[-1, 0]) for v in values.values() if len(v)), default=1.0)
    return _curves(title, values, last, across)


def _curves(title: str, series: Mapping[str, np.ndarray], last: float, across: str = "updates") -> Html:
    known = {name: of[:: max(1, 2 * len(of) // MOST)] for name, of in series.items() if len(of) > 1}
    known = {name: of for name, of in known.items() if of[:, 1].any()}
    if not known:
        return Html()
    low, high = shown_range(np.concatenate([of[:, 1] for of in known.values()]))
    frame = Frame(0.0, max(float(last), 1e-12), low, high)
    drawn, places = [], {name: k for k, name in enumerate(series) if name in known}
    for name, of in known.items():  # a run has its colour in every plot
        for piece in unbroken(of):
            heights = piece[:, 1].clip(low, high)
            drawn.append(_line(frame, piece[:, 0], heights, places[name]))
        back = of[1:][np.diff(of[:, 0]) <= 0]
        drawn += [
            element("line", class_="mark", x1=_n(frame.x(x)), x2=_n(frame.x(x)), y1=TOP, y2=HEIGHT - FOOT)
            for x in back[:, 0]
        ]
    told = f"{title}: {', '.join(f'{name} ends at {of[-1, 1]:.3g}' for name, of in known.items())}"
    return _plot(title, frame, drawn, places, across, told)


def histograms(title: str, sets: Mapping[str, np.ndarray], across: str) -> list[Html]:
    """Where the finite numbers of each set lie. Sets far from the first two get a second plot, with all."""
    finite = {name: v[np.isfinite(v)] for name, v in sets.items()}
    finite = {name: v for name, v in finite.items() if len(v) > 1}
    if not finite:
        return []
    near = dict(list(finite.items())[:2])
    low, high = _ends(near)
    outer = _ends(finite)
    if outer[1] - outer[0] <= FAR * (high - low):
        return [_histogram(title, finite, outer, across)]
    return [
        _histogram(f"{title}: {' and '.join(near)}", near, (low, high), across),
        _histogram(f"{title}: all", finite, outer, across),
    ]


def _ends(sets: Mapping[str, np.ndarray]) -> tuple[float, float]:
    """Where all but a hundredth of each set lies."""
    ends = np.array([np.quantile(v, [0.005, 0.995]) for v in sets.values()])
    low, high = float(ends[:, 0].min()), float(ends[:, 1].max())
    room = 0.03 * (high - low) or 1.0
    return low - room, high + room


def _histogram(title: str, sets: Mapping[str, np.ndarray], ends: tuple[float, float], across: str) -> Html:
    few = min(map(len, sets.values()))
    edges = np.linspace(*ends, min(BINS, max(8, int(2.5 * few**0.5))) + 1)
    shares = {name: np.histogram(v.clip(*ends), edges)[0] / len(v) for name, v in sets.items()}
    frame = Frame(*ends, 0.0, 1.05 * max(float(s.max()) for s in shares.values()))
    drawn = []
    for k, share in enumerate(shares.values()):
        corners = [(ends[0], 0.0)]
        for left, right, value in zip(edges, edges[1:], share, strict=False):
            corners += [(float(left), float(value)), (float(right), float(value))]
        place = " ".join(f"{_n(frame.x(x))},{_n(frame.y(y))}" for x, y in [*corners, (ends[1], 0.0)])
        style = {"fill": SERIES[k % 6], "stroke": SERIES[k % 6], "stroke_dasharray": DASHES[k % 4]}
        drawn.append(element("polygon", class_="area", points=place, **style))
    told = f"{title}: {', '.join(f'median {np.median(v):.3g} of {name}' for name, v in sets.items())}"
    return _plot(title, frame, drawn, {name: k for k, name in enumerate(sets)}, across, told)


def _line(frame: Frame, xs: np.ndarray, ys: np.ndarray, k: int) -> Html:
    place = " ".join(f"{_n(frame.x(x))},{_n(frame.y(y))}" for x, y in zip(xs, ys, strict=True))
    dashed = {"stroke_dasharray": DASHES[k // 6 % 4]} if k >= 6 else {}
    return element("polyline", class_="line", points=place, stroke=SERIES[k % 6], **dashed)


def _plot(
    title: str, frame: Frame, drawn: list[Html], names: Mapping[str, int], across: str, told: str
) -> Html:
    """A figure: axes, what is drawn, the names of the colours."""
    inside = [element("title", told), *_axes(frame, across), *drawn]
    svg = element("svg", *inside, viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img", aria_label=told)
    keys = [
        element("span", element("i", style=f"background:{SERIES[k % 6]}"), name, class_="key")
        for name, k in names.items()
    ]
    below = joined(keys) if list(names) != [title] else Html()
    return element(
        "figure",
        element("h3", title),
        svg,
        *([element("figcaption", below)] if below else []),
        class_="chart",
    )


def _axes(frame: Frame, across: str) -> list[Html]:
    parts = []
    for value in ticks(frame.low, frame.high, 4):
        y = _n(frame.y(value))
        parts.append(element("line", class_="grid", x1=LEFT, x2=WIDTH - RIGHT, y1=y, y2=y))
        parts.append(element("text", f"{value:.4g}", x=LEFT - 6, y=_n(frame.y(value) + 4), text_anchor="end"))
    for value in ticks(frame.left, frame.right, 5):
        x = _n(frame.x(value))
        parts.append(element("text", _count(value), x=x, y=HEIGHT - FOOT + 15, text_anchor="middle"))
    middle = (LEFT + WIDTH - RIGHT) / 2
    return [*parts, element("text", across, x=middle, y=HEIGHT - 4, text_anchor="middle")]


def ticks(low: float, high: float, most: int) -> list[float]:
    """Round numbers from `low` to `high`, about `most` of them.

    >>> ticks(0, 10, 5)
    [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]
    """
    rough = (high - low) / most
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(size * k for k in (1, 2, 5, 10) if size * k >= rough * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [k * step for k in range(first, last + 1)]


def _count(value: float) -> str:
    return f"{value:,.0f}" if value == round(value) and abs(value) < 1e7 else f"{value:.4g}"


def _n(value: float) -> str:
    """A place in the picture, to a tenth of its unit."""
    return f"{value:.1f}"

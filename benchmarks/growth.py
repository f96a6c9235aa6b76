"""The section `scaling` as Markdown and as a picture: times against sizes, and the slopes of their logs.

Cost that is proportional to size^a is a straight line of slope a where both axes are logarithmic. Slopes
are least squares through the median of each size; their standard errors come from the residuals, so
they tell how straight the points lie rather than how much the clock wavers.
"""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gibbsian.core.errors import UsageError

from .show import markdown
from .timing import spread

Record = dict[str, Any]
NEAR = 0.1
"""A slope this near to 1, or within two standard errors of it, is called proportional."""
MOST_LABELS = 8
"""More sizes than these are marked by powers of ten."""
TITLES = {"chains": "Chains", "steps": "Steps", "pixels": "Image side", "energies": "Energies composed"}
ONE = {"chains": "chain", "steps": "step", "pixels": "pixel", "energies": "energy"}
EXPLAINED = """\
Langevin chains as `run` makes them by itself, uncompiled and in float32. All sizes of a sweep take turns
within one process; seconds are the median of {rounds} rounds, with the least and the greatest in brackets.
The **slope** is that of log time against log size, with its standard error: 1 is cost in proportion, 0 cost
that does not depend on the size. A step on few chains or pixels is all overhead, which is the same for
any size, so the upper half of the sizes (on the logarithmic axis) has a slope of its own: that is the one
that should be 1."""
MEMORY = """\
The peak of resident memory of a new process that imports the library and makes so many steps. Keeping every
position would add {kept:.0f} MiB at the right end, keeping the graph of every step far more."""


@dataclass(frozen=True)
class Slope:
    """log10(seconds) = value log10(size) + offset, `error` the standard error of the value."""

    value: float
    error: float
    offset: float

    def at(self, size: float) -> float:
        """The seconds of the line at a size."""
        return float(10 ** (self.value * math.log10(size) + self.offset))


def fit(sizes: list[int], values: list[float]) -> Slope:
    """The least-squares line through log values at log sizes; raises `UsageError` below three sizes."""
    if len(sizes) < 3:
        raise UsageError(f"a slope and its error need at least three sizes, there are {len(sizes)}")
    x, y = ([math.log10(v) for v in those] for those in (sizes, values))
    line = statistics.linear_regression(x, y)
    mean = statistics.fmean(x)
    missed = sum((b - line.slope * a - line.intercept) ** 2 for a, b in zip(x, y, strict=True))
    error = math.sqrt(missed / (len(x) - 2) / sum((a - mean) ** 2 for a in x))
    return Slope(line.slope, error, line.intercept)


def slopes(record: Record) -> tuple[Slope, Slope, int]:
    """The slope over all sizes, over the upper ones, and the index of the first of these.

    Upper: from the middle of the logarithmic axis on, and the last three at least.
    """
    sizes, middle = record["sizes"], medians(record)
    half = math.sqrt(sizes[0] * sizes[-1])
    first = min(sum(size < half for size in sizes), len(sizes) - 3)
    return fit(sizes, middle), fit(sizes[first:], middle[first:]), first


def medians(record: Record) -> list[float]:
    """Seconds of each size."""
    return [statistics.median(rounds) for rounds in record["seconds"]]


def table(result: Record) -> str:
    """The section in Markdown: a summary of slopes, then each sweep with its times."""
    parts = [EXPLAINED.format(rounds=result["rounds"]), _summary(result["sweeps"])]
    for name, record in result["sweeps"].items():
        parts += [f"### {TITLES[name]}", _sentence(record), _times(record)]
        if record.get("peaks"):
            parts += [MEMORY.format(kept=_kept(record)), _peaks(record["peaks"])]
    return "\n\n".join(parts)


def plot(result: Record, path: Path) -> None:
    """One log-log panel a sweep: medians with least and greatest, the line of the upper sizes, slope 1."""
    from matplotlib.figure import Figure

    sweeps = result["sweeps"]
    columns = min(2, len(sweeps))
    lines = math.ceil(len(sweeps) / columns)
    figure = Figure(figsize=(5.2 * columns, 3.7 * lines), layout="constrained")
    panels = list(figure.subplots(lines, columns, squeeze=False).flat)
    for panel, (name, record) in zip(panels, sweeps.items(), strict=False):
        _panel(panel, name, record)
    for panel in panels[len(sweeps) :]:
        panel.axis("off")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def _summary(sweeps: dict[str, Record]) -> str:
    lines = [["what grows", "from", "to", "slope", "slope of the upper sizes", "there"]]
    for name, record in sweeps.items():
        every, upper, first = slopes(record)
        labels = record["labels"]
        found = f"{_slope(upper)} from {labels[first]}"
        lines.append([TITLES[name].lower(), labels[0], labels[-1], _slope(every), found, _word(upper)])
    return markdown(lines)


def _word(slope: Slope) -> str:
    if abs(slope.value - 1) <= max(NEAR, 2 * slope.error):
        return "proportional"
    return "less than proportional" if slope.value < 1 else "**more than proportional**"


def _slope(slope: Slope) -> str:
    return f"{slope.value:.2f} ± {slope.error:.2f}"


def _sentence(record: Record) -> str:
    what = "the whole chain" if record["per"] == "chain" else "a step"
    return f"{record['about'][0].upper()}{record['about'][1:]}; seconds of {what}."


def _times(record: Record) -> str:
    lines = [[record["axis"], "seconds", f"µs for each {ONE[record['axis']]}"]]
    for label, size, rounds in zip(record["labels"], record["sizes"], record["seconds"], strict=True):
        s = spread(rounds)
        lines.append([label, f"{s.median:.3g} ({s.low:.3g}–{s.high:.3g})", f"{1e6 * s.median / size:.3g}"])
    return markdown(lines)


def _peaks(peaks: dict[str, float]) -> str:
    lines = [["steps", "peak, MiB"]]
    lines += [[f"{int(steps):,}", f"{mib:.1f}"] for steps, mib in peaks.items()]
    return markdown(lines)


def _kept(record: Record) -> float:
    """MiB of the positions of all steps, 64 chains of 64 numbers in float32."""
    return max(map(int, record["peaks"])) * 64 * 64 * 4 / 2**20


def _panel(panel: Any, name: str, record: Record) -> None:
    sizes, spreads = record["sizes"], [spread(rounds) for rounds in record["seconds"]]
    middle = [s.median for s in spreads]
    reach = [[s.median - s.low for s in spreads], [s.high - s.median for s in spreads]]
    _, upper, first = slopes(record)
    ends = [sizes[first], sizes[-1]]
    guide = [sizes[0], sizes[-1]]
    panel.plot(
        guide, [middle[-1] * s / sizes[-1] for s in guide], color="#adb5bd", ls="--", lw=1, label="slope 1"
    )
    panel.plot(
        ends, [upper.at(s) for s in ends], color="#e09f3e", lw=4, alpha=0.6, label=f"slope {_slope(upper)}"
    )
    panel.errorbar(sizes, middle, yerr=reach, fmt="o-", ms=4, lw=1, color="#2a6f97", capsize=2)
    panel.set_xscale("log")
    panel.set_yscale("log")
    if len(sizes) <= MOST_LABELS:
        panel.set_xticks(sizes, record["labels"], fontsize=7)
        panel.minorticks_off()
    panel.set_ylim(min(middle) / 2.5, max(middle) * 2.5)
    panel.set_title(TITLES[name], fontsize=10, loc="left")
    panel.set_xlabel(record["axis"], fontsize=9)
    panel.set_ylabel("seconds a step" if record["per"] == "step" else "seconds", fontsize=9)
    panel.tick_params(labelsize=8)
    panel.spines[["top", "right"]].set_visible(False)
    if record.get("peaks"):
        _memory(panel, record["peaks"])
    panel.legend(fontsize=8, frameon=False, loc="upper left")


def _memory(panel: Any, peaks: dict[str, float]) -> None:
    """Peaks of memory on an axis of their own, from 0."""
    beside = panel.twinx()
    colour = "#9c4f96"
    beside.plot([int(s) for s in peaks], list(peaks.values()), "s:", ms=4, lw=1, color=colour)
    beside.set_ylim(0, 2 * max(peaks.values()))
    beside.set_ylabel("peak memory, MiB", fontsize=9, color=colour)
    beside.tick_params(labelsize=8, colors=colour)
    beside.spines["top"].set_visible(False)

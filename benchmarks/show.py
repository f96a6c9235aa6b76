"""The section `chains` as rows for a terminal, as Markdown, and as a picture."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .cases import CASES, TRIALS, Case
from .implementations import IMPLEMENTATIONS
from .timing import Spread, spread
from .verdict import Outcome, Record, better_peer, outcomes, share, speedup

Result = dict[str, Any]
NOTHING = "–"
PRECISIONS = {"fp32": "float32", "bf16": "bfloat16"}
KINDS = {
    "compiled": "compiled, against the better peer",
    "own": "one's own module, no option, against the better peer",
    "fp32": "float32, against the better peer",
    "bf16": "bfloat16, against the better peer",
    "any": "best of ours, against the better peer",
    "ceiling": "float32, share of the ceiling",
}
EXPLAINED = """\
Every implementation runs the same chains on the same network, from the same weights and the same starting
points: one gradient and one draw of noise a step. What differs beside the engine: the convolution weights of
networks built here lie channels last, those of `own` and of the others in torch's default format; and
spectral norms are computed once a chain here, at each step by the peers. They take turns within one process,
in rotated order, after a first call each that does not count. Seconds are of one run of the whole case, on
the wall clock: the median of {rounds} rounds, with the least and the greatest in brackets.

The **ceiling** is what the case's matrix products and convolutions take by themselves, forward and by
position, on ready buffers of the same shapes, in the better of two memory formats: no activations, no
noise, no Python beyond the loop. The products are written down while the network runs, so no shape is
typed twice."""
AGAINST = """\
How many times as fast as the better of the two peers (always in float32): the ratio of the medians, in
brackets the least and the greatest ratio of one round. Below, the share of the ceiling's speed that is
reached, each in its own precision; above 100 % are chains that make the same products by other routines. A
target above 1 of one's own module counts as met at 85 % of the ceiling too."""
STARTS = """\
The compiled path has to be compiled before it is fast. `cold`: extra seconds of the first call where nothing
was ever compiled; `warm`: of the first call of a new process after that. Measured in processes of their own;
loading the compiler is counted, `import gibbsian` is not. A job shorter than this gains nothing."""


def rows(result: Result) -> list[list[str]]:
    """One row for each case and implementation, under a row of titles."""
    out = [["case", "implementation", "seconds", "x better peer", "of ceiling"]]
    for name, record in result["cases"].items():
        for implementation in record["seconds"]:
            fast, part = speedup(record, implementation), share(record, implementation)
            out.append(
                [
                    name,
                    implementation,
                    _seconds(record["seconds"][implementation]),
                    _times(fast),
                    _percent(part),
                ]
            )
        for precision, found in record["ceilings"].items():
            out.append([name, f"ceiling {precision}", _seconds(found["seconds"]), "", ""])
    return out


def verdicts(result: Result) -> list[list[str]]:
    """One row for each target under a row of titles; no rows without targets."""
    lines = [["case", "what", "target", "reached", "by", "met"]]
    for case, found in targets(result).items():
        for o in found:
            said = _share_text if o.goal.kind == "ceiling" else _times_text
            reached = NOTHING if o.reached is None else said(o.reached)
            reached += f", {_share_text(o.share)} of the ceiling" if o.share is not None else ""
            met = "not measured" if o.reached is None else "yes" if o.met else "no"
            target = said(o.goal.at_least)
            lines.append([case, KINDS[o.goal.kind], target, reached, o.implementation or NOTHING, met])
    return lines if len(lines) > 1 else []


def table(result: Result) -> str:
    """The section in Markdown: seconds, ratios, shares, targets, starts, and who and what they are."""
    parts = [
        EXPLAINED.format(rounds=result["rounds"]),
        _seconds_table(result),
        "### Against the better peer, and of the ceiling",
        AGAINST,
        _ratio_table(result, speedup, _times),
        _ratio_table(result, share, _percent),
        *_targets(result),
        *_starts(result),
        "### Who and what",
        _legend(result),
    ]
    return "\n\n".join(parts)


def targets(result: Result) -> dict[str, list[Outcome]]:
    """What became of the targets of every measured case that has some."""
    found = {name: outcomes(_known(name), record) for name, record in result["cases"].items()}
    return {name: those for name, those in found.items() if those}


def plot(result: Result, path: Path) -> None:
    """One small panel a case: a bar at each implementation's median, whiskers to least and greatest."""
    figure, panels = panels_for(len(result["cases"]), 2.2)
    for panel, (name, record) in zip(panels, result["cases"].items(), strict=True):
        _panel(panel, name, record)
    figure.supxlabel("seconds: median, least and greatest", fontsize=9)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper right", fontsize=8, ncols=2)
    figure.savefig(path, dpi=110)


def panels_for(number: int, height: float) -> tuple[Any, list[Any]]:
    """A figure of `number` panels in two columns, each `height` inches high, and the panels."""
    from matplotlib.figure import Figure

    columns = min(2, number)
    lines = math.ceil(number / columns)
    figure = Figure(figsize=(5.2 * columns, height * lines + 0.5), layout="constrained")
    panels = list(figure.subplots(lines, columns, squeeze=False).flat)
    for panel in panels[number:]:
        panel.axis("off")
    return figure, panels[:number]


def bars(
    panel: Any, title: str, spreads: dict[str, Spread], colours: list[str], text: Callable[[float], str]
) -> None:
    """A bar for each median, the first on top, with whiskers to the least and the greatest and its number."""
    shown, found = list(spreads)[::-1], list(spreads.values())[::-1]
    middle = [s.median for s in found]
    reach = [[s.median - s.low for s in found], [s.high - s.median for s in found]]
    style = {"height": 0.7, "error_kw": {"lw": 1, "ecolor": "#555555"}}
    panel.barh(shown, middle, xerr=reach, color=colours[::-1], **style)
    room = max(s.high for s in found)
    for k, s in enumerate(found):
        panel.text(s.high + 0.02 * room, k, text(s.median), va="center", fontsize=8)
    panel.set_xlim(0, room * 1.2)
    panel.set_title(title, fontsize=10, loc="left")
    panel.tick_params(labelsize=8)
    panel.spines[["top", "right"]].set_visible(False)


COLOURS = {"ours": "#2a6f97", "plain": "#adb5bd", "peer": "#e09f3e"}
CEILINGS = {"fp32": ("#222222", "--"), "bf16": ("#222222", ":")}


def _panel(panel: Any, name: str, record: Record) -> None:
    spreads = {c: spread(found) for c, found in record["seconds"].items()}
    colours = [COLOURS[IMPLEMENTATIONS[c].kind] for c in spreads]
    bars(panel, name, spreads, colours, lambda median: f"{median:.3g} s")
    for precision, found in record["ceilings"].items():
        colour, style = CEILINGS[precision]
        level = spread(found["seconds"]).median
        panel.axvline(level, color=colour, ls=style, lw=1, label=f"ceiling, {PRECISIONS[precision]}")


def _seconds_table(result: Result) -> str:
    names = _measured(result)
    kinds = [p for p in PRECISIONS if any(p in r["ceilings"] for r in result["cases"].values())]
    lines = [["case", *names, *(f"ceiling, {PRECISIONS[p]}" for p in kinds)]]
    for case, record in result["cases"].items():
        cells = [_seconds(record["seconds"].get(n)) for n in names]
        cells += [_seconds(record["ceilings"].get(p, {}).get("seconds")) for p in kinds]
        lines.append([case, *cells])
    return markdown(lines)


def _ratio_table(result: Result, measure: Any, said: Any) -> str:
    names = [n for n in _measured(result) if IMPLEMENTATIONS[n].kind != "peer" or measure is share]
    peer = ["better peer"] if measure is speedup else []
    lines = [["case", *peer, *names]]
    for case, record in result["cases"].items():
        cells = [said(measure(record, n)) if n in record["seconds"] else NOTHING for n in names]
        lines.append([case, *([better_peer(record) or NOTHING] if peer else []), *cells])
    return markdown(lines)


def _targets(result: Result) -> list[str]:
    lines = [[*row[:-1], f"**{row[-1]}**" if row[-1] == "no" else row[-1]] for row in verdicts(result)]
    return ["### Targets", markdown(lines)] if lines else []


def _starts(result: Result) -> list[str]:
    if not result["starts"]:
        return []
    lines = [["case", "cold start, s", "warm start, s", "steady call, s"]]
    for case, s in result["starts"].items():
        lines.append([case, f"{s['cold']:.1f}", f"{s['warm']:.1f}", f"{s['steady']:.3f}"])
    return ["### Starts of the compiled path", STARTS, markdown(lines)]


def _legend(result: Result) -> str:
    who = [f"- **{name}**: {IMPLEMENTATIONS[name].about}." for name in _measured(result)]
    what = [f"- **{name}**: {record['about']}." for name, record in result["cases"].items()]
    notes = [f"- {case}, {note}" for case, r in result["cases"].items() for note in r["notes"]]
    absent = [f"- **{name}** was not measured: {reason}." for name, reason in result["absent"].items()]
    return "\n".join([*who, *absent, "", *what, *(["", *notes] if notes else [])])


def _measured(result: Result) -> list[str]:
    return [n for n in IMPLEMENTATIONS if any(n in r["seconds"] for r in result["cases"].values())]


def _known(name: str) -> Case:
    known = CASES | TRIALS
    return known[name] if name in known else Case(name, "", CASES["mlp-64"].build)


def markdown(lines: list[list[str]]) -> str:
    """Rows of cells as a Markdown table, the first row its titles."""
    head, *body = ["| " + " | ".join(cells) + " |" for cells in lines]
    return "\n".join([head, "| " + " | ".join("---" for _ in lines[0]) + " |", *body])


def _seconds(values: list[float] | None) -> str:
    if not values:
        return NOTHING
    s = spread(values)
    return f"{s.median:.3g} ({s.low:.3g}–{s.high:.3g})"


def _times(s: Spread | None) -> str:
    return NOTHING if s is None else f"{_times_text(s.median)} ({s.low:.2f}–{s.high:.2f})"


def _percent(s: Spread | None) -> str:
    return NOTHING if s is None else f"{_share_text(s.median)} ({100 * s.low:.0f}–{100 * s.high:.0f})"


def _times_text(number: float) -> str:
    return f"{number:.2f}×"


def _share_text(number: float) -> str:
    return f"{100 * number:.0f} %"

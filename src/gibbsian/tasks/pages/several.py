"""Runs beside one another, in numbers: settings that differ, ends of training, measures, differences."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from ...core.errors import UsageError
from ...core.files import own_path
from ...core.show import tables
from ...metrics.differences import apart
from ...metrics.interval import Interval
from ...report.tables import cell, plain, table
from .about import About, about_run, duration, said
from .measured import Measured, differences_of, unlike

ENDS = ("loss", "energy_gap", "acceptance", "saturated", "drift", "validation")
"""Numbers of the log whose last quarter is told, by its median."""
ABSENT = "-"


@dataclass(frozen=True, repr=False)
class Comparison:
    """Runs by name, and what differs among them.

    Attributes:
        runs: what each says of itself.
        settings: by dotted name those that differ, a value a run.
        ends: how training ended, a word a run.
        measures: of evaluations, by run and name of the measure; runs without one have none.
        differences: by measure and run, its mean less that of the first measured run, where they compare.
        notes: what does not compare, and why.
    """

    runs: Mapping[str, About]
    settings: Mapping[str, Sequence[str]]
    ends: Mapping[str, Sequence[str]]
    measures: Mapping[str, Mapping[str, Interval]]
    differences: Mapping[str, Mapping[str, Interval]]
    notes: tuple[str, ...]

    __repr__ = tables

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "runs": {name: about.path for name, about in self.runs.items()},
            "settings": {k: dict(zip(self.runs, v, strict=True)) for k, v in self.settings.items()},
            "ends": {k: dict(zip(self.runs, v, strict=True)) for k, v in self.ends.items()},
            "measures": {run: {k: plain(v) for k, v in of.items()} for run, of in self.measures.items()},
            "differences": {
                key: {run: {**plain(v), "beyond": apart(v)} for run, v in of.items()}
                for key, of in self.differences.items()
            },
            "notes": list(self.notes),
        }

    def text(self) -> str:
        """Tables of ends, settings and measures, differences in words, notes."""
        head = ["", *self.runs]
        parts = [table(head, [[k, *v] for k, v in self.ends.items()])]
        if self.settings:
            parts.append(
                table(["settings that differ", *self.runs], [[k, *v] for k, v in self.settings.items()])
            )
        if self.measures:
            parts.append(table(["measure", *self.runs], self.measure_rows()))
        if words := self.in_words():
            parts.append("\n".join(words))
        return "\n\n".join([*parts, *(["\n".join(self.notes)] if self.notes else [])])

    def measure_rows(self) -> list[list[str]]:
        """The name of each measure, and its cell for every run."""
        keys = dict.fromkeys(key for of in self.measures.values() for key in of)
        return [[key, *(cell(self.measures.get(run, {}).get(key)) for run in self.runs)] for key in keys]

    def in_words(self) -> list[str]:
        """The differences from the first measured run that exceed their intervals, one a line; the measures
        without one, a line a run.
        """
        first, told = next(iter(self.measures), ""), []
        for run in self.measures:
            known = {key: of[run] for key, of in self.differences.items() if run in of}
            alike = [f"{key} ({_size(found)})" for key, found in known.items() if not apart(found)]
            told += [f"{key}: {in_words(run, first, v)}" for key, v in known.items() if apart(v)]
            told += (
                [f"{run} and {first} do not differ beyond intervals in {', '.join(alike)}"] if alike else []
            )
        return told

    def figures(self) -> dict[str, Any]:
        """None: its picture needs no matplotlib."""
        return {}


def in_words(one: str, other: str, found: Interval) -> str:
    """The mean of `one` less that of `other`, of which the interval leaves 0 out, in words.

    >>> in_words("b", "a", Interval(-0.8, -1.1, -0.5))
    'b is lower than a by 0.8 ± 0.3'
    """
    return f"{one} is {'higher' if found.estimate > 0 else 'lower'} than {other} by {_size(found)}"


def _size(found: Interval) -> str:
    if not math.isfinite(found.half_width):
        return "not finite"
    return f"{abs(found.estimate):.3g} ± {found.half_width:.2g}"


def named_runs(paths: Sequence[str | Path]) -> dict[str, About]:
    """The runs or model folders at `paths`, by the last words of these, or all where two would be alike.

    Raises `UsageError` for fewer than two, or one twice, `CheckpointError` for what is no run or model.
    """
    if len(paths) < 2:
        raise UsageError(
            f"{len(paths)} run to compare: give two or more; one alone is for gibbsian evaluate --report"
        )
    places = [own_path(path).resolve() for path in paths]
    if twice := [str(path) for path, place in zip(paths, places, strict=True) if places.count(place) > 1]:
        raise UsageError(f"{twice[0]} is given twice: compare it with others")
    last = [place.name for place in places]
    names = [name if last.count(name) == 1 else str(path) for name, path in zip(last, paths, strict=True)]
    return {name: about_run(path) for name, path in zip(names, paths, strict=True)}


def compared(
    runs: Mapping[str, About], found: Mapping[str, Measured], notes: Sequence[str] = ()
) -> Comparison:
    """What differs among runs, with those of their evaluations that were `found`."""
    told, differences = list(notes), dict[str, dict[str, Interval]]()
    if other := _other_data(runs):
        told.append(f"the runs learnt different data ({other}): energies and measures do not compare")
    elif why := unlike(found):
        told.append(why)
    elif len(found) > 1:
        differences = differences_of(found)
        told.append(
            "intervals are of 95 %, over draws of samples of one training each: they do not cover the choice "
            "of its seed (gibbsian sweep does), and of twenty comparisons one exceeds them by chance"
        )
    settings = _differing(runs)
    return Comparison(
        runs, settings, _ends(runs), {k: v.rows for k, v in found.items()}, differences, tuple(told)
    )


def _other_data(runs: Mapping[str, About]) -> str:
    """The data of the runs in words, where they are not the same."""
    known = {name: about.data for name, about in runs.items() if about.data}
    prints = {str((a.record.get("data") or {}).get("fingerprint")) for a in runs.values() if not a.exported}
    if len(set(known.values())) > 1:
        return ", ".join(dict.fromkeys(known.values()))
    return f"{next(iter(known.values()), 'arrays')} in other states" if len(prints) > 1 else ""


def _differing(runs: Mapping[str, About]) -> dict[str, list[str]]:
    """Settings that are not the same in all runs, the paper, its preset and the data among them."""
    heads = {name: {k: about.config[k] for k in ("system", "preset") if about.config.get(k)} | (
        {"data": about.data} if about.data else {}) for name, about in runs.items()}  # fmt: skip
    every = {name: {**heads[name], **about.settings} for name, about in runs.items()}
    keys = dict.fromkeys(key for of in every.values() for key in of)
    told = {key: [said(of[key]) if key in of else ABSENT for of in every.values()] for key in keys}
    return {key: values for key, values in told.items() if len(_known(key, values, runs)) > 1}


def _known(key: str, values: Sequence[str], runs: Mapping[str, About]) -> set[str]:
    """The values of a setting, without those of exported models, which keep none of training."""
    of_training = key.startswith(("train.", "monitor.")) or key == "preset"
    each = zip(values, runs.values(), strict=True)
    return {value for value, about in each if not (of_training and about.exported)}


def _ends(runs: Mapping[str, About]) -> dict[str, list[str]]:
    """How the training of each run ended; rows in which nobody has anything are left out."""
    rows = {
        "state": [str(about.record.get("state", "exported")) for about in runs.values()],
        "updates": [f"{a.updates:,}" if a.updates is not None else ABSENT for a in runs.values()],
        "time": [duration(a.seconds[0]) if a.seconds else ABSENT for a in runs.values()],
        **{f"{key}, late": [_late(about, key) for about in runs.values()] for key in ENDS},
        "validation, best": [_best(about) for about in runs.values()],
    }
    return {key: values for key, values in rows.items() if set(values) != {ABSENT}}


def _numbers(about: About, key: str) -> list[float]:
    found = [line.get(key) for line in about.lines]
    return [float(v) for v in found if isinstance(v, (int, float)) and math.isfinite(v)]


def _late(about: About, key: str) -> str:
    found = _numbers(about, key)
    return f"{median(found[-max(1, len(found) // 4) :]):.4g}" if any(found) else ABSENT


def _best(about: About) -> str:
    found = _numbers(about, "validation")
    return f"{min(found):.4g}" if found else ABSENT

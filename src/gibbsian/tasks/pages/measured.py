"""Evaluations that were stored: what they measured, whether they were made alike, how their means differ."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...core.files import own_path
from ...metrics.differences import Mean, contrast
from ...metrics.interval import Interval
from .about import About

SAME = ("data", "n", "draws", "against", "held_out", "features", "weights")
"""What two evaluations must share for their measures to compare."""


@dataclass(frozen=True)
class Measured:
    """The first row of an evaluation's report, and how it was made."""

    rows: Mapping[str, Interval]
    how: Mapping[str, Any]

    @classmethod
    def read(cls, path: Path) -> Measured | None:
        """From a report.json; None for another file of that name."""
        try:
            return cls.of(json.loads(path.read_text()))
        except (OSError, ValueError):
            return None

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Measured | None:
        """From the plain values of a `Report`."""
        try:
            rows = {
                str(name): Interval(float(v["value"]), *map(float, v["interval"]))
                for name, v in values["measures"]["model"].items()
            }
            draws = int(values["draws"])
            return cls(rows, {**{k: values.get(k) for k in SAME}, "draws": draws}) if draws > 1 else None
        except (AttributeError, KeyError, TypeError, ValueError):
            return None


def stored_measures(about: About) -> Measured | None:
    """The newest report.json in the folder of a run, or one folder below; None without one."""
    folder = own_path(about.path)
    found = [*folder.glob("report.json"), *folder.glob("*/report.json")]
    read = (Measured.read(path) for path in sorted(found, key=lambda p: p.stat().st_mtime, reverse=True))
    return next((one for one in read if one is not None), None)


def unlike(found: Mapping[str, Measured]) -> str:
    """Why evaluations do not compare, "" where they do."""
    for key in SAME:
        values = {name: one.how.get(key) for name, one in found.items()}
        if len({str(v) for v in values.values()}) > 1:
            told = ", ".join(f"{name} {value}" for name, value in values.items())
            return f"the stored reports do not compare, for their {key} differ ({told}): add --evaluate"
    return ""


def differences_of(found: Mapping[str, Measured]) -> dict[str, dict[str, Interval]]:
    """By measure and run, its mean less that of the first of two or more evaluations that were made alike."""
    (_, first), *rest = found.items()
    n = int(first.how["draws"])
    means = {key: Mean.from_interval(value, n) for key, value in first.rows.items()}
    return {
        key: {
            name: contrast([(1, Mean.from_interval(one.rows[key], n)), (-1, mean)])
            for name, one in rest
            if key in one.rows
        }
        for key, mean in means.items()
    }

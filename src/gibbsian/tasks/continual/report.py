"""What was found: accuracy after all tasks, what was lost, accuracy matrices, published figures beside."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...core.show import tables
from ...metrics.interval import Interval
from ...report.sequence import accuracy_figure
from ...report.tables import over, plain, table
from ..parts import title_of
from .methods import METHODS, PUBLISHED

NAS = "so named in the slides, after Schwarz et al. 2018; as published only"
BASIS = {
    "generative": "published: Du and Mordatch 2019, mean and deviation of 10 seeds, %",
    "discriminative": "published: Li, Du, van de Ven and Mordatch 2020, %",
}


@dataclass(frozen=True)
class Run:
    """One seed: row i of `accuracy` has the shares right on tasks 0 to i after task i; `seconds` of CPU."""

    accuracy: list[list[float]]
    seconds: float

    @property
    def final(self) -> float:
        """Mean over tasks of the accuracy after the last."""
        return sum(self.accuracy[-1]) / len(self.accuracy)

    @property
    def forgetting(self) -> float:
        """Mean over all tasks but the last of the best accuracy that was ever had less that at the end."""
        tasks = len(self.accuracy)
        lost = [max(row[j] for row in self.accuracy[j:]) - self.accuracy[-1][j] for j in range(tasks - 1)]
        return sum(lost) / len(lost)


@dataclass(frozen=True)
class Continual:
    """All seeds of all methods on tasks of `classes`; `text`, `to_dict` and `figures` show them."""

    data: str
    protocol: str
    classes: list[list[str]]
    n: int
    judged: str
    runs: dict[str, list[Run]] = field(repr=False)
    notes: tuple[str, ...] = ()

    __repr__ = tables

    @property
    def published(self) -> dict[str, str]:
        """Published figures of this protocol on these data, all classes in pairs; else none."""
        pairs = len(self.classes) == 5 and all(len(part) == 2 for part in self.classes)
        return PUBLISHED.get((self.protocol, self.data), {}) if pairs else {}

    def finals(self, name: str) -> Interval:
        """Mean over seeds of the accuracy at the end, with its interval where there are two or more."""
        return _over([run.final for run in self.runs[name]])

    def matrix(self, name: str) -> np.ndarray:
        """Mean over seeds of a_ij `(tasks, tasks)`, NaN above the diagonal."""
        found = np.full((len(self.classes), len(self.classes)), np.nan)
        for i in range(len(self.classes)):
            found[i, : i + 1] = np.mean([run.accuracy[i] for run in self.runs[name]], axis=0)
        return found

    def to_dict(self) -> dict[str, Any]:
        """Plain values; shares, not per cent."""
        return {
            "data": self.data, "protocol": self.protocol, "tasks": self.classes, "n": self.n,
            "judged_by": self.judged, "notes": list(self.notes), "published_percent": self.published,
            "methods": {name: self._plain(name) for name in self.runs},
        }  # fmt: skip

    def _plain(self, name: str) -> dict[str, Any]:
        runs, about = self.runs[name], METHODS[self.protocol][name].about
        return {
            "about": about, "seeds": len(runs), "accuracy": plain(self.finals(name)),
            "forgetting": plain(_over([run.forgetting for run in runs])),
            "finals": [run.final for run in runs],
            "matrix": [row[: i + 1].tolist() for i, row in enumerate(self.matrix(name))],
            "seconds": sum(run.seconds for run in runs),
        }  # fmt: skip

    def text(self) -> str:
        """The table of methods, the matrix of each, and notes."""
        seeds = max(len(runs) for runs in self.runs.values())
        named = "; ".join(", ".join(part) for part in self.classes)
        head = (
            f"{self.data}, protocol {self.protocol}: {len(self.classes)} tasks ({named}), {seeds} "
            f"seed{'s' * (seeds > 1)}, {self.n} {self.judged}\naccuracy after all tasks in %, mean over "
            "tasks and seeds, 95 % intervals"
        )
        parts = [head, self.table(), *(self._matrix(name) for name in self.runs), *self.notes]
        return "\n\n".join(parts)

    def table(self, markdown: bool = False) -> str:
        """A row a method: accuracy, forgetting, seconds of one core a seed, and what was published."""
        known = self.published
        names = ["method", "accuracy", "forgotten", "s a seed", *(["published"] if known else [])]
        rows = [
            [
                f"{name} ({METHODS[self.protocol][name].about})", _percent(self.finals(name)),
                _percent(_over([run.forgetting for run in runs])),
                f"{sum(run.seconds for run in runs) / len(runs):.0f}",
                *([known.get(name, "-")] if known else []),
            ]
            for name, runs in self.runs.items()
        ]  # fmt: skip
        if "nas" in known:
            rows.append([f"nas ({NAS})", "-", "-", "-", known["nas"]])
        below = f"\n{BASIS[self.protocol]}" if known else ""
        return table(names, rows, markdown) + below

    def _matrix(self, name: str) -> str:
        head = [f"{name}: after", *(f"task {j + 1}" for j in range(len(self.classes)))]
        rows = [
            [f"task {i + 1}", *("" if math.isnan(a) else f"{100 * a:.1f}" for a in row)]
            for i, row in enumerate(self.matrix(name))
        ]
        return table(head, rows)

    def figures(self) -> dict[str, Any]:
        """Matrices of all methods, and accuracy by task; needs the extra `plot`."""
        matrices = {name: self.matrix(name) for name in self.runs}
        means = {
            name: [_over([sum(run.accuracy[i]) / (i + 1) for run in runs]) for i in range(len(self.classes))]
            for name, runs in self.runs.items()
        }
        return {"accuracy": accuracy_figure(f"{title_of(self.data)}, {self.protocol}", matrices, means)}


def _over(values: Sequence[float]) -> Interval:
    """Mean and interval over seeds; of one seed a value without one."""
    return over(values, 0) if len(values) > 1 else Interval(values[0], math.nan, math.nan)


def _percent(value: Interval) -> str:
    if math.isnan(value.low):
        return f"{100 * value.estimate:.2f}"
    return f"{100 * value.estimate:.2f} ± {100 * value.half_width:.2f}"

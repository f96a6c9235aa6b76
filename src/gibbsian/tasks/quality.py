"""What an evaluation found: a record, tables of measures with intervals, lines on what they mean."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ..metrics.interval import Interval
from ..report.tables import cell, plain, plain_rows, rows_table, table
from .chains import CHAINS
from .neighbours import Neighbours

SHOWN = 40
"""Classes in a table at most."""
ALWAYS = ("acceptance", "drift_noise", "saturated", "energy_ess", "energy_rhat")
GROUPS = {
    "distance to held-out data": (
        *("feature_distance", "normalised", "fid", "kid", "pixel_distance"),
        *("kl_forward", "kl_reverse", "sliced_w2", "mmd2", "c2st"),
    ),
    "by neighbours": ("precision", "recall", "density", "coverage", "mode_recall", "mode_quality"),
    "new, and diverse": ("nn_ratio", "near_copies", "diversity"),
    "by a classifier": ("confidence", "class_entropy", "classes", "asked_class", "inception_score"),
}
"""Tables of the report, and their columns. Of images `mmd2` and `sliced_w2` are in the record alone."""
RECORDED = ("mmd2", "sliced_w2")
TREND = "feature_distance"


@dataclass(frozen=True)
class Report:
    """Measures by row: the model's samples first, those of its other samplers next (such as the base that an
    energy refines), baselines after; chain diagnostics of the model.

    Intervals are of 95 %, by Student's t: over draws of samples, or over random halves of the samples of a
    single draw, and of `CHAINS` chains for the diagnostics (the model's weights are one training run's).
    """

    data: str
    n: int
    draws: int
    seed: int
    record: dict[str, str | int]
    rows: dict[str, dict[str, Interval]]
    chains: dict[str, Interval]
    own: dict[str, Interval] = field(default_factory=dict)
    """What the model measures of itself on held-out data, such as KALE, and its kernel Stein discrepancy."""
    classes: dict[str, dict[str, Interval]] = field(default_factory=dict)
    """By the name of each class: shares of samples that are judged as it, beside held-out data."""
    notes: tuple[str, ...] = ()
    neighbours: Neighbours | None = None
    """The samples that are nearest to training rows, with these."""

    def __repr__(self) -> str:
        return f"Report on {self.data}: {self.drawn} of {self.n}\n{self.text()}"

    @property
    def drawn(self) -> str:
        """How many draws there are, in words."""
        return f"{self.draws} draw{'s' * (self.draws > 1)}"

    @property
    def intervals(self) -> str:
        """What the intervals of samples are over."""
        return "over draws" if self.draws > 1 else "over random halves of the one draw"

    @property
    def model(self) -> dict[str, Interval]:
        """The first row."""
        return self.rows["model"]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as `evaluate --json` prints them; every measure with n, seed and interval, and null
        for diagnostics that these chains have not (no acceptance without a Metropolis test)."""
        rows = {
            row: {k: _plain(v, self.n, self.draws, self.seed) for k, v in measures.items()}
            for row, measures in self.rows.items()
        }
        head = {"data": self.data, "n": self.n, "draws": self.draws, "seed": self.seed, **self.record}
        sets = max(self.draws, 2)
        chains = {k: _plain(v, CHAINS, sets, self.seed) for k, v in self.chains.items()}
        own = {"own": {k: _plain(v, self.n, self.draws, self.seed) for k, v in self.own.items()}}
        return {
            **head,
            "intervals": self.intervals,
            "measures": rows,
            "chains": {**dict.fromkeys(ALWAYS), **chains},
            **(own if self.own else {}),
            **({"by_class": plain_rows(self.classes)} if self.classes else {}),
            **({"neighbours": self.neighbours.to_dict()} if self.neighbours else {}),
            "notes": list(self.notes),
        }

    def table(self, markdown: bool = False) -> str:
        """The rows as text tables, or one Markdown table: mean and half-width of the interval."""
        groups = list(self.groups())
        if markdown:
            return self._table("", [key for _, keys in groups for key in keys], markdown)
        return "\n\n".join(self._table(title, keys) for title, keys in groups)

    def text(self) -> str:
        """The tables, the one by class, and lines on features, numbers of rows and chains below."""
        told = ", ".join(f"{k} {cell(v)}" for k, v in self.chains.items())
        own = ", ".join(f"{k} {cell(v)}" for k, v in self.own.items())
        held = f"\nof the model itself: {own}" if own else ""
        space = f"features {self.record['features']}, " if "features" in self.record else ""
        seen = f"{space}{self.record.get('held_out')} held-out rows ({self.record.get('against')})"
        parts = ["\n".join([f"{self.table()}\n\n{seen}", *self.trend()])]
        if 0 < len(self.classes) <= SHOWN:
            parts.append(rows_table(self.classes, "share judged as"))
        parts.append(f"chains from noise ({CHAINS} a draw): {told}{held}")
        if self.neighbours and (near := self.neighbours.text()):
            parts.append(near)
        return "\n\n".join([*parts, *(["\n".join(self.notes)] if self.notes else [])])

    def groups(self) -> Iterator[tuple[str, list[str]]]:
        """Titles of the tables, and their columns."""
        hidden = RECORDED if TREND in self.model else ()
        for title, keys in GROUPS.items():
            if found := [key for key in keys if key in self.model and key not in hidden]:
                yield title, found

    def _table(self, title: str, keys: list[str], markdown: bool = False) -> str:
        body = [
            [name, *[cell(of.get(k)) for k in keys]] for name, of in self.rows.items() if of.keys() & keys
        ]
        return table([title, *keys], body, markdown)

    def trend(self) -> Iterator[str]:
        """A line on how the Frechet distance falls with the number of rows."""
        names = [name for name in ("model", "training data") if f"{TREND}_half" in self.rows.get(name, {})]
        if not names:
            return
        sizes = ", ".join(str(self.n // parts) for parts in (4, 2, 1))
        told = []
        for name in names:
            row = self.rows[name]
            falls = ", ".join(f"{row[f'{TREND}{end}'].estimate:.3g}" for end in ("_quarter", "_half", ""))
            limit = row.get(f"{TREND}_limit")
            told.append(f"{name} {falls}" + ("" if limit is None else f", of infinitely many {cell(limit)}"))
        few = "" if f"{TREND}_limit" in self.model else "; n is too small to say that of infinitely many"
        yield f"{TREND} of {sizes} samples and as large parts of the held-out rows: {'; '.join(told)}{few}"


def _plain(value: Interval, n: int, draws: int, seed: int) -> dict[str, Any]:
    return {**plain(value), "n": n, "draws": draws, "seed": seed}

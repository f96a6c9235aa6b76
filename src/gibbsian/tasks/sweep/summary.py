"""What a sweep found: a mean over seeds for each choice of settings, and the effect of each setting."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from ...core.show import tables
from ...metrics.differences import Mean, apart, contrast
from ...metrics.interval import Interval
from ...report.tables import cell, over, plain, table
from ..pages.about import said

Point = tuple[tuple[str, Any], ...]
"""One value of each swept setting, in the order of the settings."""


@dataclass(frozen=True)
class Trained:
    """One run: its settings and seed, "done", "diverged" or "failed", what it measured, or why not."""

    path: str
    point: Point
    seed: int
    state: str
    value: float | None = None
    why: str = ""


@dataclass(frozen=True)
class Effect:
    """The mean of one value of a setting less that of another, over all else; None where too few runs."""

    setting: str
    first: Any
    second: Any
    found: Interval | None

    def words(self) -> str:
        """Whether it exceeds what seeds do; lower is better."""
        one, other = said(self.first), said(self.second)
        if self.found is None:
            return (
                f"{self.setting}: {one} and {other} have no two finished seeds each, so nothing can be said"
            )
        size = f"{abs(self.found.estimate):.3g} ± {self.found.half_width:.2g}"
        if not apart(self.found):
            return f"{self.setting}: no difference between {one} and {other} beyond seeds ({size})"
        best, worse = (one, other) if self.found.estimate < 0 else (other, one)
        return f"{self.setting}: {best} is better than {worse} by {size}"


@dataclass(frozen=True, repr=False)
class Sweep:
    """Runs over settings and seeds, and their measure, of which lower is better.

    Attributes:
        system, data: what was trained on what.
        measure: its name; it is of rows that training did not see, and never of the test part.
        seeds: of the runs; settings: swept, with their values.
        runs: all that are made so far.
    """

    system: str
    data: str
    measure: str
    seeds: tuple[int, ...]
    settings: Mapping[str, Sequence[Any]]
    runs: tuple[Trained, ...]

    __repr__ = tables

    def cells(self) -> dict[Point, list[Trained]]:
        """The runs of each choice of settings."""
        found: dict[Point, list[Trained]] = {}
        for run in self.runs:
            found.setdefault(run.point, []).append(run)
        return found

    def values(self) -> dict[Point, list[float]]:
        """The finite measures of each choice of settings."""
        return {
            point: [run.value for run in runs if run.value is not None and math.isfinite(run.value)]
            for point, runs in self.cells().items()
        }

    def seed_spread(self) -> float | None:
        """The deviation of the measure over seeds, pooled over choices of settings (the root of the mean of
        their variances, by degrees of freedom); None where no choice has two seeds.
        """
        known = [(Mean.of(v), len(v)) for v in self.values().values() if len(v) > 1]
        degrees = sum(n - 1 for _, n in known)
        return math.sqrt(sum((n - 1) * n * m.error**2 for m, n in known) / degrees) if known else None

    def effects(self) -> list[Effect]:
        """Every pair of values of every setting, averaged over the choices of the others that both have with
        two seeds or more (see `metrics.differences.contrast`: seeds are the repetitions).
        """
        known = {point: Mean.of(v) for point, v in self.values().items() if len(v) > 1}
        told = []
        for name, options in self.settings.items():
            for a, b in combinations(options, 2):
                pairs = [(p, _with(p, name, b)) for p in known if dict(p)[name] == a]
                pairs = [(p, q) for p, q in pairs if q in known]
                share = 1 / max(len(pairs), 1)
                terms = [(w * share, known[p]) for pair in pairs for w, p in zip((1, -1), pair, strict=True)]
                told.append(Effect(name, a, b, contrast(terms) if terms else None))
        return told

    def rows(self) -> list[list[str]]:
        """A row a choice of settings: its values, runs, mean with interval, least and greatest, and what went
        wrong.
        """
        rows = []
        for point, runs in self.cells().items():
            found = self.values()[point]
            mean = cell(over(found)) if len(found) > 1 else f"{found[0]:.3g}" if found else "-"
            ends = [f"{min(found):.3g}", f"{max(found):.3g}"] if found else ["-", "-"]
            wrong = ", ".join(f"{sum(r.state == s for r in runs)} {s}" for s in ("diverged", "failed"))
            wrong = ", ".join(word for word in wrong.split(", ") if not word.startswith("0"))
            values = [said(value) for _, value in point]
            rows.append([*values, f"{len(found)} of {len(self.seeds)}", mean, *ends, wrong])
        return rows

    def head(self) -> list[str]:
        """The titles of `rows`."""
        return [*self.settings, "seeds", f"{self.measure}, mean", "least", "greatest", ""]

    def statements(self) -> list[str]:
        """What seeds alone do, the effect of each setting, and what went wrong."""
        spread = self.seed_spread()
        told = []
        if spread is not None:
            told.append(
                f"seeds alone spread {self.measure} by {spread:.3g} (deviation, pooled over settings)"
            )
        told += [effect.words() for effect in self.effects()]
        told += [f"{run.path}: {run.why}" for run in self.runs if run.why]
        if len(self.seeds) < 2:
            told.append(
                "one seed: nothing can be said of what seeds do, so of no difference whether it is one"
            )
        elif (many := len(self.effects())) > 5:
            told.append(f"of these {many} comparisons one in twenty exceeds its interval of 95 % by chance")
        return told

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "system": self.system,
            "data": self.data,
            "measure": self.measure,
            "seeds": list(self.seeds),
            "settings": {name: list(values) for name, values in self.settings.items()},
            "runs": [{**vars(run), "point": dict(run.point)} for run in self.runs],
            "seed_spread": self.seed_spread(),
            "effects": [
                {"setting": e.setting, "first": e.first, "second": e.second}
                | ({} if e.found is None else {**plain(e.found), "beyond_seeds": apart(e.found)})
                for e in self.effects()
            ],
            "statements": self.statements(),
        }

    def text(self) -> str:
        """The table, and statements below."""
        return "\n\n".join([table(self.head(), self.rows()), "\n".join(self.statements())])

    def figures(self) -> dict[str, Any]:
        """None: its page needs no matplotlib."""
        return {}


def in_words(point: Point, seed: int) -> str:
    """The settings and the seed of a run."""
    return ", ".join([*(f"{name} {said(value)}" for name, value in point), f"seed {seed}"])


def _with(point: Point, name: str, value: Any) -> Point:
    return tuple((k, value if k == name else v) for k, v in point)

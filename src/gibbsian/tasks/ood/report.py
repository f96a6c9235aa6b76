"""What was found: AUROC, AUPR and FPR95 of every score on every set, the score to quote, baselines, notes."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from PIL import Image
from torch import Tensor

from ...metrics.detection import auroc_gain, mean_auroc
from ...metrics.interval import Interval, mean_interval
from ...report.outside import example_rows, score_histogram
from ...report.tables import plain, table
from ..parts import title_of, titles
from .cells import MEASURES, Cell, Choice, Scored, cell
from .sets import ImageSet

NOT_HERE = "not here"


@dataclass(frozen=True, eq=False)
class Report:
    """Scores of `data` inside and of `sets` outside; `text`, `to_dict`, `figures` and `sheet` show them."""

    data: str
    seed: int
    shape: tuple[int, ...]
    inside: Tensor
    sets: list[ImageSet]
    scored: dict[str, Scored]
    missing: dict[str, str] = field(default_factory=dict)
    choice: Choice | None = None
    baselines: dict[str, dict[str, Any]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def present(self) -> list[str]:
        """Names of the sets that are here."""
        return [s.name for s in self.sets if not s.absent]

    @property
    def others(self) -> list[str]:
        """Those of them over which means are taken: not the one on which the score was chosen."""
        return [name for name in self.present if self.choice is None or name != self.choice.on]

    @cached_property
    def cells(self) -> dict[str, dict[str, Cell]]:
        """Every score on every set that is here."""
        return {
            score: {name: cell(values, name, self.seed, score) for name in self.present}
            for score, values in self.scored.items()
        }

    @cached_property
    def means(self) -> dict[str, Interval]:
        """Mean AUROC of every score over `others`; empty without any."""
        return {k: mean_auroc(v.alarms(self.others)) for k, v in self.scored.items()} if self.others else {}

    @cached_property
    def gains(self) -> dict[str, Interval]:
        """By how much the quoted score's mean exceeds that of every baseline, on the same rows."""
        if self.choice is None or not self.others:
            return {}
        best = self.scored[self.choice.score].alarms(self.others)
        return {
            name: auroc_gain(best, values.alarms(self.others))
            for name, values in self.scored.items()
            if name.partition("+")[0] in self.baselines
        }

    @cached_property
    def bits(self) -> dict[str, dict[str, Interval]]:
        """Bits per dimension of the baselines, inside and on every set."""
        unit = -1 / (math.prod(self.shape) * math.log(2))
        return {
            name: {
                self.data: mean_interval(self.scored[name].inside * unit),
                **{k: mean_interval(v * unit) for k, v in self.scored[name].outside.items()},
            }
            for name in self.baselines
            if name in self.scored
        }

    def to_dict(self) -> dict[str, Any]:
        """Plain values: every number with its interval, n, and the seed."""
        sets = [{"name": s.name, "n": len(s), "what": s.what, "state": s.absent or "here"} for s in self.sets]
        cells = {
            score: {name: {m: plain(getattr(cell, m)) for m in MEASURES} for name, cell in row.items()}
            for score, row in self.cells.items()
        }
        return {
            "data": self.data,
            "n": len(self.inside),
            "seed": self.seed,
            "sets": sets,
            "scores": cells,
            "left_out": self.missing,
            "notes": list(self.notes),
            "chosen": None if self.choice is None else self._chosen(self.choice),
            "mean_auroc": {"over": self.others, **{k: plain(v) for k, v in self.means.items()}},
            "baselines": self.baselines,
            "bits_per_dimension": {
                k: {name: plain(v) for name, v in row.items()} for k, row in self.bits.items()
            },
        }

    def __repr__(self) -> str:
        return f"Report on {self.data}\n{self.text()}"

    def text(self) -> str:
        """All tables, the score to quote with its mean and those of the baselines, and notes."""
        parts = [
            f"inside: {self.data}, {len(self.inside)} test rows; scores are higher inside; 95 % intervals, "
            f"seed {self.seed}",
            table(["set", "n", "what"], [self._line(s) for s in self.sets]),
            *(f"{title}\n{self._measure(name)}" for name, title in MEASURES.items()),
            *([f"bits per dimension\n{self._bits()}"] if self.bits else []),
            *([self._quote(self.choice)] if self.choice else []),
            *([self._notes()] if self._notes() else []),
        ]
        return "\n\n".join(parts)

    def figures(self) -> dict[str, Any]:
        """Histograms of every score, by name; needs the extra `plot`."""
        return {
            name.replace("+", "-"): score_histogram(
                name,
                scored.inside,
                dict(zip(titles(list(scored.outside)), scored.outside.values(), strict=True)),
            )
            for name, scored in self.scored.items()
        }

    def sheet(self) -> Image.Image | None:
        """A row of examples of every set; None for rows of numbers."""
        if self.inside.is_floating_point():
            return None
        sets = dict(zip(titles([s.name for s in self.sets]), [s.x for s in self.sets], strict=True))
        return example_rows({f"{title_of(self.data)} (inside)": self.inside, **sets})

    # -- pieces -------------------------------------------------------------------------------------

    def _chosen(self, choice: Choice) -> dict[str, Any]:
        return {
            "score": choice.score,
            "on": choice.on,
            "rows": {"inside": choice.inside, "outside": choice.outside},
            "auroc": {k: plain(v) for k, v in choice.auroc.items()},
            "mean_auroc_above_baselines": {k: plain(v) for k, v in self.gains.items()},
        }

    def _line(self, one: ImageSet) -> list[str]:
        return [one.name, *([NOT_HERE, "see the notes"] if one.absent else [str(len(one)), one.what])]

    def _measure(self, measure: str) -> str:
        """A row a set, a column a score; of AUROC also the mean."""
        rows = self._rows(self.cells, lambda cell: short(getattr(cell, measure)))
        if measure == "auroc" and self.means:
            rows.append(["mean of others", *(short(v) for v in self.means.values())])
        return table(["set", *self.scored], rows)

    def _rows(self, found: Mapping[str, Mapping[str, Any]], shown: Callable[[Any], str]) -> list[list[str]]:
        return [
            [self._marked(s.name), *(NOT_HERE if s.absent else shown(row[s.name]) for row in found.values())]
            for s in self.sets
        ]

    def _bits(self) -> str:
        """Of the baselines on every set, and how long each was trained."""
        first = [self.data, *(short(row[self.data]) for row in self.bits.values())]
        trained = "; ".join(
            f"{name} {r['made_updates']} updates in {r['seconds']:.0f} s"
            for name, r in self.baselines.items()
        )
        return table(["set", *self.bits], [first, *self._rows(self.bits, short)]) + f"\ntrained: {trained}"

    def _marked(self, name: str) -> str:
        return f"{name} *" if self.choice and name == self.choice.on else name

    def _quote(self, choice: Choice) -> str:
        tried = ", ".join(f"{k} {short(v)}" for k, v in choice.auroc.items())
        told = [
            f"score to quote: {choice.score}, the best of {tried} on {choice.outside} training rows of "
            f"{choice.on} (*), against {choice.inside} other test rows inside"
        ]
        if self.means:
            own = self.means[choice.score]
            told.append(f"its mean AUROC over {', '.join(self.others)}: {short(own)}")
        for name, gain in self.gains.items():
            told.append(f"  {name} {short(self.means[name])}, the difference {short(gain, '+.3f')}")
        return "\n".join(told)

    def _notes(self) -> str:
        absent = [s.absent for s in self.sets if s.absent]
        return "\n".join([*self.notes, *absent, *(f"{k} left out: {v}" for k, v in self.missing.items())])


def short(value: Interval, form: str = ".3f") -> str:
    """Estimate and half-width without zeros before the point, such as .931±.012."""
    return re.sub(r"(?<!\d)0\.", ".", f"{value.estimate:{form}}±{value.half_width:.3f}")

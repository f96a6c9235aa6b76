"""What is known of scored rows: a table short enough to read, all rows as CSV, the ends as pictures."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from ..core.show import spread
from ..metrics.interval import Interval, share_interval
from ..report.arrays import separated
from ..report.outside import example_rows, score_histogram
from ..report.tables import table
from .parts import title_of

LISTED = 5
"""Rows at either end of the short table."""


def beyond(x: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """How far each row of `x` `(N, ...)` leaves `low` to `high` at most, as a share of that range, `(N,)`."""
    left = torch.maximum(low - x, x - high) / (high - low).clamp(min=1e-12)
    return left.flatten(1).amax(1).clamp(min=0).double()


@dataclass(frozen=True)
class Threshold:
    """The energy above which a row is flagged: exceeded by `share` of the `n` held-out rows of `data`."""

    value: Interval
    share: Interval
    n: int
    rate: float
    data: str

    @staticmethod
    def at(rate: float, energy: Tensor, data: str) -> Threshold:
        """The threshold that at most a share `rate` of held-out rows `energy` `(n,)` exceeds."""
        order, n = energy.sort().values, len(energy)
        above = math.floor(rate * n + 1e-9)
        share = share_interval(above, n)
        ends = [order[min(n - 1, max(0, math.ceil(n * (1 - p)) - 1))] for p in (share.high, share.low)]
        return Threshold(Interval(float(order[n - 1 - above]), *map(float, ends)), share, n, rate, data)

    def text(self) -> str:
        """Two sentences: where it is, and what rate that is."""
        value, share = self.value, self.share
        few = f"; below 1 in {self.n} no rate can be set" if self.rate * self.n < 1 else ""
        return (
            f"threshold {value.estimate:.5g} (95 % interval {value.low:.5g} to {value.high:.5g}) for a rate "
            f"of {self.rate:g}: {round(share.estimate * self.n)} of {self.n} held-out rows of {self.data} "
            f"lie above it, which says {100 * share.low:.1f} to {100 * share.high:.1f} % of such rows{few}"
        )


@dataclass(frozen=True, eq=False)
class Scores:
    """Scores of `n` rows, in the order of the data.

    Attributes:
        names: files below the folder, or row numbers.
        energy: `(n,)` float64; low is typical.
        rank: `(n,)`, the share of `trained` training rows with lower energy; None where none are known.
        flagged: `(n,)` bool, energy above `threshold`, not finite or `beyond`; None without a threshold.
        beyond: `(n,)`, how far the row leaves the range of the training rows, as a share of it.
        held: energies of the held-out rows behind the threshold.
        claims_density: whether the energy is -log p(x) up to a constant, or only ranks.
        label: what a conditional model was told: "none", "true" or a class.
        notes: what was decided in reading the rows.
    """

    data: str
    names: tuple[str, ...]
    energy: Tensor
    rank: Tensor | None = None
    flagged: Tensor | None = None
    threshold: Threshold | None = None
    trained: int = 0
    held: Tensor | None = None
    claims_density: bool = False
    label: str = ""
    notes: tuple[str, ...] = ()
    images: dict[str, Tensor] = field(default_factory=dict, repr=False)
    beyond: Tensor | None = None

    def __len__(self) -> int:
        return len(self.names)

    def __repr__(self) -> str:
        return f"Scores of {self.text()}"

    @property
    def order(self) -> Tensor:
        """Row numbers `(n,)`, the most typical first."""
        return self.energy.argsort(stable=True)

    @property
    def _left(self) -> int:
        """Rows beyond the range of training."""
        return 0 if self.beyond is None else int((self.beyond > 0).sum())

    def rows(self) -> list[dict[str, Any]]:
        """One dictionary a row; `neg_log_prob` is there where the model claims a density."""
        columns: dict[str, list[Any]] = {"name": list(self.names), "energy": self.energy.tolist()}
        if self.claims_density:
            columns["neg_log_prob"] = self.energy.tolist()
        if self.rank is not None:
            columns["rank"] = self.rank.tolist()
        if self.flagged is not None:
            columns["flagged"] = ["yes" if flag else "no" for flag in self.flagged.tolist()]
        if self._left and self.beyond is not None:
            columns["beyond"] = self.beyond.tolist()
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]

    def csv(self) -> str:
        """All rows as comma-separated values under a line of names."""
        rows = self.rows()
        return separated([rows[0], *(row.values() for row in rows)])

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        at, known = self.threshold, None
        if at is not None:
            known = {"value": at.value.estimate, "interval": [at.value.low, at.value.high], "rate": at.rate,
                     "held_out": at.n, "held_out_data": at.data, "share": at.share.estimate,
                     "share_interval": [at.share.low, at.share.high]}  # fmt: skip
        return {
            "data": self.data,
            "n": len(self),
            "claims_density": self.claims_density,
            "label": self.label or None,
            "threshold": known,
            "flagged": None if self.flagged is None else int(self.flagged.sum()),
            "training_rows": self.trained,
            "notes": list(self.notes),
            "rows": self.rows(),
        }

    def text(self) -> str:
        """How many were flagged, the threshold, the ends of the list, and notes."""
        what = "-log p up to a constant" if self.claims_density else "no density: it only ranks"
        told = {"": "", "none": ", no label told", "true": ", each under its own label"}
        labelled = told.get(self.label, f", under class {self.label}")
        many = f"{len(self)} row{'s' if len(self) > 1 else ''}"
        head = f"{many} of {self.data}: energy {spread(self.energy)} ({what}{labelled})"
        lines = [head]
        if self.flagged is not None and self.threshold is not None:
            count = int(self.flagged.sum())
            lines += [f"{count} flagged, {100 * count / len(self):.1f} %", self.threshold.text()]
        if self._left and self.beyond is not None:
            lines.append(
                f"{self._left} beyond the training rows, by up to {float(self.beyond.max()):.3g} of their "
                "range, where the energy was never trained: what is a tenth or more beyond is flagged"
            )
        if self.rank is not None:
            lines.append(f"rank: share of {self.trained} training rows with lower energy")
        return "\n".join([*lines, *self.notes, "", self._table()])

    def figures(self) -> dict[str, Any]:
        """A histogram beside held-out rows, where there are any; it needs the extra `plot`."""
        if self.held is None or not bool(self.energy.isfinite().all()):
            return {}
        return {"energy": score_histogram("minus energy", -self.held, {title_of(self.data): -self.energy})}

    def sheet(self) -> Image.Image | None:
        """Images of the lowest energies, the middle and the highest, a row each; None for other data."""
        return example_rows(self.images) if self.images else None

    def _table(self) -> str:
        rows, order = self.rows(), self.order.tolist()
        few = len(order) <= 2 * LISTED
        shown = order if few else [*order[:LISTED], *order[-LISTED:]]
        body = [[_cell(value) for value in rows[i].values()] for i in shown]
        if not few:
            body.insert(LISTED, ["..."] + [""] * (len(rows[0]) - 1))
        return table(list(rows[0]), body)


def _cell(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)

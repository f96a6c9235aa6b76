"""What a restoration found: measures by row, intervals, choices, pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from PIL import Image

from ...metrics.interval import Interval
from ...report.plots import bars, panels
from ...report.tables import cell, plain_rows, rows_table
from .how import How
from .tune import Tuned

Rows = Mapping[str, Mapping[str, Interval]]


@dataclass(frozen=True)
class Restored:
    """`n` images restored.

    Attributes:
        data: where the images come from; `damage`: what was done to them.
        how: as the chains were run, `way` and `steps` as they were taken.
        label: "none", "true" or the class that chains were told.
        seconds: of all chains, on `device`.
        rows: measures of ours and of what stands beside, empty where the clean images are unknown.
        versus: ours less every other row, paired image by image.
        energies: neg_log_prob of the completions of every image, `(M)` each.
        strengths: of the filters, by name, as chosen on validation images.
        judge: the classifier behind `label` and `original`.
        tuned: what was chosen by validation images.
        pictures, films: by file name.
    """

    data: str
    n: int
    seed: int
    damage: str
    how: How
    label: str
    seconds: float
    device: str
    rows: Rows
    versus: Rows
    energies: Sequence[Sequence[float]]
    strengths: Mapping[str, float] = field(default_factory=dict)
    judge: str = ""
    tuned: Tuned | None = None
    pictures: Mapping[str, Image.Image] = field(default_factory=dict, repr=False)
    films: Mapping[str, Sequence[Image.Image]] = field(default_factory=dict, repr=False)

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "data": self.data,
            "n": self.n,
            "seed": self.seed,
            "damage": self.damage,
            "how": asdict(self.how),
            "label": self.label,
            "seconds": round(self.seconds, 2),
            "device": self.device,
            "judge": self.judge,
            "strengths": dict(self.strengths),
            "tuned": None if self.tuned is None else self._tuning(self.tuned),
            "rows": plain_rows(self.rows),
            "ours_less": plain_rows(self.versus),
            "energies": [list(e) for e in self.energies],
        }

    def _tuning(self, tuned: Tuned) -> dict[str, Any]:
        tried = [{"steps": t.how.steps, "step_factor": t.how.step_factor, "tether": t.how.tether,
                  "score": t.score} for t in tuned.tried]  # fmt: skip
        return {"n": tuned.n, "criterion": tuned.criterion, "tried": tried}

    def text(self) -> str:
        """What was done, the table, and the paired differences."""
        how = self.how
        head = (
            f"{self.damage} of {self.n} images ({self.data}), seed {self.seed}: way {how.way}, "
            f"{how.steps or 'no'} steps x {how.step_factor:g}, tether x {how.tether:.3g}, "
            f"{how.completions} completions, label {self.label}, {self.seconds:.1f} s"
        )
        parts = [head] + ([self.tuned.text()] if self.tuned else [])
        if not self.rows:
            return "\n".join([*parts, self._energy_lines()])
        chosen = ", ".join(f"{name} {value:g}" for name, value in self.strengths.items())
        parts += ["", rows_table(self.rows), ""]
        parts += [f"filters as chosen on validation images: {chosen}"] if chosen else []
        return "\n".join([*parts, *self._lines()])

    def _lines(self) -> list[str]:
        told = []
        for name, row in self.versus.items():
            shown = ", ".join(f"{key} {cell(v)}" for key, v in row.items() if key != "ssim")
            told.append(f"ours less {name}: {shown}")
        return told

    def _energy_lines(self) -> str:
        lines = [", ".join(f"{e:.4g}" for e in found) for found in self.energies]
        return "\n".join(f"image {k}: energies {line}" for k, line in enumerate(lines))

    def figures(self) -> dict[str, Any]:
        """A bar for every row: PSNR, and agreement with the true class where there is one."""
        if not self.rows:
            return {}
        titles = {"psnr": "PSNR, dB", "label": "judged as the true class", "original": "judged as before"}
        known = [key for key in titles if all(key in row for row in self.rows.values())]
        figure, places = panels(1, len(known))
        for key, place in zip(known, places, strict=True):
            bars(place, {name: row[key] for name, row in self.rows.items()}, titles[key], titles[key])
        return {"rows": figure}


def energy_lists(energy: torch.Tensor) -> list[list[float]]:
    """Energies `(M, N)` image by image."""
    return [[float(e) for e in row] for row in energy.T]

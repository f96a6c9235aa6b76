"""What came of restoring images: measures, choices, pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from PIL import Image

from ...report.plots import bars, panels
from ...report.tables import cell, plain_rows, rows_table
from .complete import Tuned
from .measure import Rows
from .task import RestoreConfig


@dataclass(frozen=True)
class Restored:
    """`n` images restored.

    Attributes:
        config: as the chains were run, with the method and steps that were taken.
        rows: measures of ours and of what stands beside, empty where the clean images are unknown.
        versus: ours less every other row, paired image by image.
        energies: neg_log_prob of the completions of every image, `(M)` each.
        strengths: of the filters, by name, as chosen on validation images.
        judge: the classifier behind `label` and `original`.
    """

    data: str
    n: int
    seed: int
    corruption: str
    config: RestoreConfig
    label: str
    seconds: float
    device: str
    rows: Rows
    versus: Rows
    energies: Sequence[Sequence[float]]
    strengths: Mapping[str, float] = field(default_factory=dict)
    judge: str = ""
    names: Sequence[str] = ()
    notes: tuple[str, ...] = ()
    tuned: Tuned | None = None
    pictures: Mapping[str, Image.Image] = field(default_factory=dict, repr=False)
    films: Mapping[str, Sequence[Image.Image]] = field(default_factory=dict, repr=False)

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        same = ("data", "n", "seed", "corruption", "label", "device", "judge")
        return {
            **{name: getattr(self, name) for name in same},
            "config": asdict(self.config),
            "seconds": round(self.seconds, 2),
            "strengths": dict(self.strengths),
            "tuned": self.tuned and self.tuned.to_dict(),
            "rows": plain_rows(self.rows),
            "ours_less": plain_rows(self.versus),
            "names": list(self.names),
            "energies": [list(e) for e in self.energies],
            "notes": list(self.notes),
        }

    def text(self) -> str:
        """What was done, the table, and the paired differences."""
        config = self.config
        head = (
            f"{self.corruption} of {self.n} images ({self.data}), seed {self.seed}: method {config.method}, "
            f"{config.steps or 'no'} steps x {config.step_factor:g}, data weight {config.data_weight:.3g}, "
            f"{config.completions} completions, label {self.label}, {self.seconds:.1f} s"
        )
        parts = [head] + ([self.tuned.text()] if self.tuned else [])
        if not self.rows:
            found = [", ".join(f"{e:.4g}" for e in one) for one in self.energies]
            lines = [f"{name}: energies {e}" for name, e in zip(self.names, found, strict=True)]
            return "\n".join([*parts, *self.notes, *lines])
        chosen = ", ".join(f"{name} {value:g}" for name, value in self.strengths.items())
        parts += ["", rows_table(self.rows), ""]
        parts += [f"filters as chosen on validation images: {chosen}"] if chosen else []
        for name, row in self.versus.items():
            shown = ", ".join(f"{key} {cell(v)}" for key, v in row.items() if key != "ssim")
            parts.append(f"ours less {name}: {shown}")
        return "\n".join([*parts, *self.notes])

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

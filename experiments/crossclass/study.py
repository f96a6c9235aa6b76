"""All three questions on the test images of a data set: tables, pictures, a map of the pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image
from torch import Tensor

from gibbsian.core.errors import UsageError
from gibbsian.metrics.interval import Interval
from gibbsian.models.model import EnergyModel
from gibbsian.report.pictures import grid, to_uint8
from gibbsian.report.tables import cell, plain, table
from gibbsian.tasks.convert.class_record import CrossClass, image_columns
from gibbsian.tasks.convert.classes import crossed, prepared
from gibbsian.tasks.progress import Advance, silent

from .class_changes import PUBLISHED, ClassChanges, Worst, class_changes_under_own_label
from .modes import Modes, spread

SHOWN = 10
"""Chains of a class in the picture of modes."""


@dataclass(frozen=True)
class CrossClassStudy:
    """Chains across classes, chains under the own class, chains of one class."""

    across: CrossClass
    class_changes: ClassChanges
    modes: Modes

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {
            **self.across.to_dict(),
            "class_changes": {
                "n": self.class_changes.n,
                "changed": _plain(self.class_changes.changed),
                "changed_before_the_chain": plain(self.class_changes.before),
                "published": PUBLISHED,
            },
            "modes": {"per_class": self.modes.per_class, **_plain(self.modes.measures)},
        }

    def text(self) -> str:
        """The tables of all three."""
        return "\n\n".join([self.across.text(), self._class_changes(), self._modes()])

    def _class_changes(self) -> str:
        rows = [
            [f"chain from the {name}", cell(v), f"about {PUBLISHED[name]:.0%}"]
            for name, v in self.class_changes.changed.items()
        ]
        rows.append(["corrupted, no chain", cell(self.class_changes.before), "-"])
        return table(
            [f"judged class changed ({self.class_changes.n} images)", "share", "IGEBM, CIFAR-10"], rows
        )

    def _modes(self) -> str:
        rows = [[key, cell(v)] for key, v in self.modes.measures.items()]
        return table([f"differences within a class ({self.modes.per_class} chains)", "mean"], rows)

    @property
    def pictures(self) -> dict[str, Image.Image]:
        """Sources by targets; chains of every class; images that changed their class most surely."""
        many = self.modes.x[:, :SHOWN]
        found = {**self.across.pictures, "modes": grid(to_uint8(many.flatten(0, 1), 0.0, 1.0), many.shape[1])}
        for name, worst in self.class_changes.worst.items():
            if len(worst.clean):
                found[f"changed-{name.replace(' ', '-')}"] = image_columns(_of(worst))
        return found

    def figures(self) -> dict[str, Any]:
        """The map of the pairs."""
        return self.across.figures()


def study_crossclass(
    model: EnergyModel,
    data: str,
    *,
    per_class: int = 10,
    to: Sequence[int] | None = None,
    steps: int | None = None,
    chains: int = 20,
    seed: int = 0,
    data_dir: str | Path | None = None,
    progress: Advance = silent,
) -> CrossClassStudy:
    """As `gibbsian.tasks.crossclass`, with `chains` of each class from noise for its modes.

    Raises `UsageError` as that does, and for fewer than 2 chains.
    """
    if chains < 2:
        raise UsageError(f"chains is {chains}: take 2 chains a class")
    setting, begun = prepared(model, data, per_class, steps, seed, data_dir, progress)
    across = crossed(setting, begun, to)
    return CrossClassStudy(
        across, class_changes_under_own_label(setting, begun), spread(setting, begun, chains)
    )


def _plain(values: Mapping[str, Interval]) -> dict[str, Any]:
    return {key: plain(v) for key, v in values.items()}


def _of(worst: Worst) -> dict[str, Tensor]:
    return {"clean": worst.clean, "begun": worst.begun, "ended": worst.ended}

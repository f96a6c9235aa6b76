"""Are samples copies? The samples that are nearest to the training set, each beside its nearest rows."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image, ImageDraw
from torch import Tensor

from ..core.files import write_whole
from ..core.spec import Table
from ..data.dataset import Dataset
from ..metrics.novelty import Novelty
from ..report.pictures import GAP, INK, LABEL, PAPER, save_image, sheet
from ..report.tables import table

SAMPLES, NEAREST, COLUMNS = 12, 4, 8
"""Samples in a panel, training rows beside each, and columns of numbers in a table at most."""
PICTURE, RECORD = "neighbours.png", "neighbours.json"
MARGIN = 56


@dataclass(frozen=True, eq=False)
class Neighbours:
    """The samples nearest to training rows, and their nearest rows, by Euclidean distance over all of these.

    Attributes:
        samples: `(S, *event)`, the nearest first; images in [-1, 1], else numbers as the data have them.
        rows: training rows `(S, K, *event)`, the nearest first.
        sample_numbers, row_numbers: which they are, `(S,)` in the draw and `(S, K)` in the training part.
        ratio: `(S, K)`, distance over the median distance of held-out rows to their nearest training row.
        quantiles: of the ratio of all samples to their nearest row: the least, 5, 25, 50 %.
        names: what the training rows are called, such as their files.
        columns: titles of the numbers, if they have any.
    """

    samples: Tensor
    rows: Tensor
    sample_numbers: Tensor
    row_numbers: Tensor
    ratio: Tensor
    quantiles: tuple[float, ...]
    names: tuple[str, ...]
    columns: tuple[str, ...] = ()

    def picture(self) -> Image.Image | None:
        """Images: a sample a line, its ratio before it and its nearest images after it; None for others."""
        if self.samples.dim() != 4:
            return None
        left = sheet(self.samples, -1.0, 1.0, 1)
        right = sheet(self.rows.flatten(0, 1), -1.0, 1.0, self.rows.shape[1])
        gap = 4 * GAP
        found = Image.new("RGB", (MARGIN + left.width + gap + right.width, LABEL + left.height), PAPER)
        found.paste(left, (MARGIN, LABEL))
        found.paste(right, (MARGIN + left.width + gap, LABEL))
        draw, step = ImageDraw.Draw(found), (left.height + GAP) / len(self.samples)
        for place, title in ((2, "ratio"), (MARGIN, "sample"), (MARGIN + left.width + gap, "nearest")):
            draw.text((place, 2), title, fill=INK)
        for k, ratio in enumerate(self.ratio[:, 0].tolist()):
            draw.text((2, LABEL + (k + 0.5) * step - 6), f"{ratio:.2f}", fill=INK)
        return found

    def text(self) -> str:
        """Rows of few numbers: a table of the three nearest samples and their nearest rows; else nothing."""
        if self.samples.dim() != 2 or self.samples.shape[1] > COLUMNS:
            return ""
        titles = self.columns or tuple(map(str, range(self.samples.shape[1])))
        body = []
        for k in range(min(3, len(self.samples))):
            body.append([f"sample {self.sample_numbers[k]}", "", *_cells(self.samples[k])])
            name = f"training row {self.names[int(self.row_numbers[k, 0])]}"
            body.append([name, f"{self.ratio[k, 0]:.3g}", *_cells(self.rows[k, 0])])
        return table(["nearest to training rows", "ratio", *titles], body)

    def to_dict(self) -> dict[str, Any]:
        """Plain values: ratios of the samples shown, the names of their rows, quantiles of all samples."""
        shown = [
            {"sample": int(number), "ratio": ratios.tolist(), "rows": [self.names[i] for i in rows.tolist()]}
            for number, ratios, rows in zip(self.sample_numbers, self.ratio, self.row_numbers, strict=True)
        ]
        quantiles = dict(zip(("least", "5 %", "25 %", "50 %"), self.quantiles, strict=True))
        return {"nearest": shown, "ratio of all samples": quantiles}

    def save(self, folder: Path) -> None:
        """`neighbours.json` and, of images, `neighbours.png`; raises `UsageError` or `OSError`."""
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / RECORD, json.dumps(self.to_dict(), indent=1) + "\n")
        if picture := self.picture():
            save_image(picture, folder / PICTURE)


def nearest_rows(
    x: Tensor, distance: Tensor, samples: Tensor, train: Dataset, novelty: Novelty, units: Table | None = None
) -> Neighbours | None:
    """The samples `x` (n, D), as `novelty` sees them, whose `distance` (n,) to a training row is the least.

    `samples` are as they are to be shown, `units` those of a table. None where held-out rows are training
    rows, so that there is no ratio.
    """
    usual = float(novelty.known.median())
    if not usual:
        return None
    order = distance.argsort(stable=True)[:SAMPLES]
    far, rows = novelty.nearest.first(x[order], min(NEAREST, len(train)))
    shown = samples[order].float()
    found = train.batch(rows.flatten(), -1.0, 1.0).x.reshape(*rows.shape, *train.event_shape)
    if units is not None and shown.dim() == 2:
        shown, found = units.in_units(shown), units.in_units(found)
    at = torch.tensor([0.0, 0.05, 0.25, 0.5], dtype=torch.float64)
    quantiles = tuple((distance.double() / usual).quantile(at).tolist())
    columns = units.names if units is not None else ()
    return Neighbours(shown, found, order, rows, far / usual, quantiles, train.names, columns)


def _cells(row: Tensor) -> list[str]:
    return [f"{v:.4g}" for v in row.tolist()]

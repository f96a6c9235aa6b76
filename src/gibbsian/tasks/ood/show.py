"""Pictures of a comparison: examples of every set, and where every set lies on every score."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from ...report.pictures import INK, PAPER, grid
from ...report.plots import named, panels
from .cells import Scored
from .sets import ImageSet

EXAMPLES = 10
LABEL, GAP = 150, 4
BINS = 60
COLOURS = ("#e09f3e", "#9e2a2b", "#6a994e", "#7b5ea7", "#495057", "#00a6a6", "#c9679b", "#8d6e63")


def sheet(data: str, inside: Tensor, sets: Sequence[ImageSet]) -> Image.Image:
    """A row of ten images of the `data` inside, then of every set, each with its name to the left."""
    shown = [ImageSet(f"{data} (inside)", inside, ""), *sets]
    strips = [_strip(one, inside) for one in shown]
    width, height = strips[0].size
    picture = Image.new("RGB", (LABEL + width, len(strips) * (height + GAP) - GAP), PAPER)
    draw = ImageDraw.Draw(picture)
    for k, (one, strip) in enumerate(zip(shown, strips, strict=True)):
        top = k * (height + GAP)
        picture.paste(strip, (LABEL, top))
        draw.text((4, top + height / 2 - 6), one.name, fill=INK)
        if one.absent:
            draw.text((LABEL + 4, top + height / 2 - 6), "not here", fill=INK)
    return picture


def _strip(one: ImageSet, inside: Tensor) -> Image.Image:
    """Ten images in a row, blank where there are fewer."""
    x = one.x[:EXAMPLES]
    blank = torch.full((EXAMPLES - len(x), *inside.shape[1:]), 255, dtype=torch.uint8)
    return grid(torch.cat([x, blank]).numpy(), columns=EXAMPLES)


def histogram(name: str, scored: Scored) -> Any:
    """A figure of the score `name`: the share of each set's rows in every bin.

    The range is that of the inside and two of its widths either side; what lies beyond is in the last bins.
    """
    figure, (panel,) = panels(1, 1, 7.2, 3.6)
    low, high = _range(scored)
    edges = np.linspace(low, high, BINS + 1)
    panel.stairs(_shares(scored.inside, edges), edges, fill=True, color="#2a6f97", alpha=0.35, label="inside")
    for k, (other, values) in enumerate(scored.outside.items()):
        style = "-" if k < len(COLOURS) else "--"
        panel.stairs(
            _shares(values, edges), edges, color=COLOURS[k % len(COLOURS)], lw=1.3, ls=style, label=other
        )
    title, axis = f"{name}: higher means inside", "score; beyond the range in the last bins"
    named(panel, title, axis, "share of the set")
    panel.legend(fontsize=8, frameon=False)
    return figure


def _range(scored: Scored) -> tuple[float, float]:
    """Where the inside lies, and two of its widths either side, or less if nothing is there."""
    low, high = (float(scored.inside.quantile(q)) for q in (0.005, 0.995))
    width = (high - low) or 1.0
    every = torch.cat([scored.inside, *scored.outside.values()])
    return max(low - 2 * width, float(every.min())), min(high + 2 * width, float(every.max())) + 1e-9 * width


def _shares(values: Tensor, edges: np.ndarray) -> np.ndarray:
    counts, _ = np.histogram(np.clip(values.numpy(), edges[0], edges[-1]), edges)
    return counts / len(values)

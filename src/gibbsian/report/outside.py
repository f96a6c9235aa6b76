"""Sets of images beside one another: examples of each, and where each lies on a score."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from .pictures import INK, PAPER, grid
from .plots import named, panels

EXAMPLES = 10
LABEL, GAP = 150, 4
BINS = 60
COLOURS = ("#e09f3e", "#9e2a2b", "#6a994e", "#7b5ea7", "#495057", "#00a6a6", "#c9679b", "#8d6e63")


def example_rows(sets: Mapping[str, Tensor]) -> Image.Image:
    """A row of ten uint8 images `(n, H, W)` or `(n, H, W, 3)` of every set, with its name to the left; blank
    where there are fewer, and a word where there are none. The first set is not empty.
    """
    strips = [_strip(x) for x in sets.values()]
    width, height = strips[0].size
    picture = Image.new("RGB", (LABEL + width, len(strips) * (height + GAP) - GAP), PAPER)
    draw = ImageDraw.Draw(picture)
    for k, ((name, x), strip) in enumerate(zip(sets.items(), strips, strict=True)):
        top = k * (height + GAP)
        picture.paste(strip, (LABEL, top))
        draw.text((4, top + height / 2 - 6), name, fill=INK)
        if not len(x):
            draw.text((LABEL + 4, top + height / 2 - 6), "not here", fill=INK)
    return picture


def _strip(x: Tensor) -> Image.Image:
    blank = torch.full((max(0, EXAMPLES - len(x)), *x.shape[1:]), 255, dtype=torch.uint8)
    return grid(torch.cat([x[:EXAMPLES], blank]).numpy(), columns=EXAMPLES)


def score_histogram(name: str, inside: Tensor, outside: Mapping[str, Tensor]) -> Any:
    """A figure of the score `name`: the share of each set's rows `(n,)` in every bin.

    The range is that of the inside and two of its widths either side; what lies beyond is in the last bins.
    """
    figure, (panel,) = panels(1, 1, 7.2, 3.6)
    low, high = _range(inside, outside)
    edges = np.linspace(low, high, BINS + 1)
    panel.stairs(_shares(inside, edges), edges, fill=True, color="#2a6f97", alpha=0.35, label="inside")
    for k, (other, values) in enumerate(outside.items()):
        style = "-" if k < len(COLOURS) else "--"
        panel.stairs(
            _shares(values, edges), edges, color=COLOURS[k % len(COLOURS)], lw=1.3, ls=style, label=other
        )
    title, axis = f"{name}: higher means inside", "score; beyond the range in the last bins"
    named(panel, title, axis, "share of the set")
    panel.legend(fontsize=8, frameon=False)
    return figure


def _range(inside: Tensor, outside: Mapping[str, Tensor]) -> tuple[float, float]:
    """Where the inside lies, and two of its widths either side, or less if nothing is there."""
    low, high = (float(inside.quantile(q)) for q in (0.005, 0.995))
    width = (high - low) or 1.0
    every = torch.cat([inside, *outside.values()])
    return max(low - 2 * width, float(every.min())), min(high + 2 * width, float(every.max())) + 1e-9 * width


def _shares(values: Tensor, edges: np.ndarray) -> np.ndarray:
    counts, _ = np.histogram(np.clip(values.numpy(), edges[0], edges[-1]), edges)
    return counts / len(values)

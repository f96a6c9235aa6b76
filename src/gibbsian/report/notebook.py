"""How samples show themselves in a notebook: a grid of images, curves of signals, points in the plane."""

from __future__ import annotations

import io

from PIL import Image, ImageDraw
from torch import Tensor

from .pictures import INK, PAPER, sheet

MOST = 64
"""Images in a grid, at most; of points 32 times as many."""
SIDE, BORDER, DOT = 320, 12, 1.5


def picture(x: Tensor, low: float, high: float, among: Tensor | None = None) -> Image.Image | None:
    """A grid of the first images `(N, C, H, W)` in [low, high] with C 1 or 3, curves of the first signals
    `(N, C, L)`, or a plot of points `(N, 2)` on a square of the size of `among`, by default their own; None
    for what has no picture.
    """
    if not len(x):
        return None
    if x.dim() == 3 or (x.dim() == 4 and x.shape[1] in (1, 3)):
        return sheet(x[:MOST], low, high)
    plane = x.dim() == 2 and x.shape[1] == 2
    return _scatter(x[: 32 * MOST], x if among is None else among) if plane else None


def png(x: Tensor, low: float, high: float) -> bytes | None:
    """The picture of `x` as a PNG, what `_repr_png_` of a notebook returns."""
    drawn = picture(x, low, high)
    if drawn is None:
        return None
    packed = io.BytesIO()
    drawn.save(packed, "PNG")
    return packed.getvalue()


def _scatter(x: Tensor, among: Tensor) -> Image.Image | None:
    points, every = (t.detach().float().cpu().reshape(-1, 2) for t in (x, among))
    points, every = (t[t.isfinite().all(1)] for t in (points, every))
    if not len(points):
        return None
    middle = (every.amax(0) + every.amin(0)) / 2
    half = max(float((every - middle).abs().max()), 1e-12)
    sheet = Image.new("RGB", (SIDE, SIDE), PAPER)
    draw = ImageDraw.Draw(sheet)
    for right, up in ((points - middle) / half).tolist():
        px, py = (BORDER + (1 + v) / 2 * (SIDE - 2 * BORDER) for v in (right, -up))
        draw.ellipse((px - DOT, py - DOT, px + DOT, py + DOT), fill=INK)
    return sheet

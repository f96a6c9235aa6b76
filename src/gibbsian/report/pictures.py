"""Pictures by Pillow alone: grids of samples, curves of signals, 2-D energy landscapes, chains that move."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from ..core.errors import UsageError
from ..core.files import own_path

SMOOTH, SHARP = Image.Resampling.BICUBIC, Image.Resampling.NEAREST
PAPER, INK = (255, 255, 255), (40, 40, 40)
GAP, LABEL = 2, 16
"""Pixels between pictures side by side, and the height of a title."""
PANEL = 80
"""Height of a panel of curves."""
FAINT = (215, 215, 215)
CURVES = ((42, 111, 151), (208, 74, 46), (106, 153, 78), (123, 94, 167), (224, 159, 62), (73, 80, 87))
POSITIVE, NEGATIVE = (20, 20, 20), (226, 61, 40)
# Anchors of a perceptually even dark-to-light ramp; low energy (likely) is bright.
RAMP = np.array([(253, 240, 200), (246, 178, 107), (214, 96, 77), (130, 50, 105), (48, 26, 84), (16, 10, 40)])


def to_uint8(x: Tensor, low: float, high: float) -> np.ndarray:
    """Images `(N, C, H, W)` in [low, high], clamped, as uint8 `(N, H, W)` grey or `(N, H, W, C)`."""
    scaled = ((x.detach().float().cpu() - low) / (high - low)).clamp(0, 1)
    pixels = (scaled * 255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
    return pixels[..., 0] if pixels.shape[-1] == 1 else pixels


def pictured(x: Tensor, low: float, high: float) -> Tensor:
    """Images in [low, high] as a picture file would hold them: rounded to 8 bits, in [-1, 1], on the CPU."""
    unit = ((x.detach().float().cpu() - low) / (high - low)).clamp(0, 1)
    return (unit * 255).round() / 127.5 - 1


def grid(
    images: np.ndarray, columns: int | None = None, scale: int | None = None, gap: int = GAP
) -> Image.Image:
    """A grid of uint8 images `(N, H, W)` or `(N, H, W, 3)`, each enlarged to about 64 pixels a side.

    Pixels stay sharp, except that images under 16 pixels get a black frame and are smoothed: as blocks
    they cannot be read.
    """
    n, tiny = len(images), max(images.shape[1:3]) < 16
    columns = columns or int(np.ceil(np.sqrt(n)))
    tiles = _enlarged(_framed(images) if tiny else images, scale, SMOOTH if tiny else SHARP)
    return _sheet(tiles, columns, gap)


def _sheet(tiles: Sequence[Image.Image], columns: int, gap: int) -> Image.Image:
    step_x, step_y = tiles[0].width + gap, tiles[0].height + gap
    sheet = Image.new("RGB", (columns * step_x - gap, -(-len(tiles) // columns) * step_y - gap), PAPER)
    for i, tile in enumerate(tiles):
        sheet.paste(tile, (i % columns * step_x, i // columns * step_y))
    return sheet


def sheet(x: Tensor, low: float, high: float, columns: int | None = None) -> Image.Image:
    """Images `(N, C, H, W)` in [low, high] as a `grid`, or signals `(N, C, L)` as `lines`."""
    if x.dim() == 4:
        return grid(to_uint8(x, low, high), columns)
    return lines(x.detach().float().cpu().numpy(), low, high, columns)


def lines(x: np.ndarray, low: float, high: float, columns: int | None = None) -> Image.Image:
    """Signals `(N, C, L)` as curves, a panel each from `low` at the bottom to `high`, a colour for a channel,
    with a line at 0; what is not finite lies at the bottom.
    """
    n, channels, length = x.shape
    columns = columns or int(np.ceil(np.sqrt(n)))
    width, height = 2 * min(max(length, 120), 320), 2 * PANEL
    unit = np.where(np.isfinite(x), (x - low) / (high - low), 0.0).clip(0, 1)
    place = np.stack(np.broadcast_arrays(np.linspace(0, width, length), height * (1 - unit)), -1)
    tiles = []
    for panel in place:
        picture = Image.new("RGB", (width, height), PAPER)
        draw = ImageDraw.Draw(picture)
        draw.rectangle((0, 0, width - 1, height - 1), outline=FAINT)
        zero = height * (1 + low / (high - low))
        draw.line((0, zero, width, zero), fill=FAINT, width=2)
        for k in range(channels):
            draw.line([tuple(point) for point in panel[k]], fill=CURVES[k % len(CURVES)], width=3)
        tiles.append(picture.resize((width // 2, PANEL), SMOOTH))
    return _sheet(tiles, columns, GAP)


def _framed(images: np.ndarray) -> np.ndarray:
    return np.pad(images, [(0, 0), (1, 1), (1, 1), (0, 0)][: images.ndim])


def _enlarged(images: np.ndarray, scale: int | None, how: Image.Resampling) -> list[Image.Image]:
    height, width = images.shape[1:3]
    scale = scale or max(1, round(64 / max(height, width)))
    size = (width * scale, height * scale)
    return [Image.fromarray(x).convert("RGB").resize(size, how) for x in images]


def ramp(values: np.ndarray) -> np.ndarray:
    """Numbers in [0, 1] as colours: 0 (low energy, likely) is bright, 1 is dark. Shape `(*, 3)` uint8."""
    shown = np.where(np.isfinite(values), values, np.where(values == -np.inf, 0.0, 1.0))
    place = np.clip(shown, 0, 1) * (len(RAMP) - 1)
    left = np.minimum(place.astype(int), len(RAMP) - 2)
    part = (place - left)[..., None]
    return np.round(RAMP[left] * (1 - part) + RAMP[left + 1] * part).astype(np.uint8)


def landscape(
    energy: np.ndarray,
    extent: float,
    positives: np.ndarray,
    negatives: np.ndarray,
    title: str = "",
    side: int = 400,
) -> Image.Image:
    """An energy `(n, n)` on [-extent, extent]^2, first axis y upwards, with data dark and chain ends red."""
    finite = energy[np.isfinite(energy)]
    low, high = np.quantile(finite, [0.0, 0.9]) if finite.size else (0.0, 1.0)
    shade = ramp((energy - low) / max(high - low, 1e-12))
    picture = Image.fromarray(shade[::-1]).resize((side, side), Image.Resampling.BILINEAR)
    draw = ImageDraw.Draw(picture)
    for points, colour in ((positives, POSITIVE), (negatives, NEGATIVE)):
        for px, py in (points / extent * 0.5 + 0.5) * side:
            draw.ellipse((px - 1.5, side - py - 1.5, px + 1.5, side - py + 1.5), fill=colour)
    return _titled(picture, title)


def curve(values: Sequence[float], width: int, height: int = 80, total: int | None = None) -> Image.Image:
    """A line of `values` on white, `total` wide; used under moving chains."""
    picture = Image.new("RGB", (width, height), PAPER)
    finite = [v for v in values if np.isfinite(v)]
    if len(finite) < 2:
        return picture
    low, high = min(finite), max(finite)
    span, last = max(high - low, 1e-12), max((total or len(values)) - 1, 1)
    points = [
        (4 + i / last * (width - 8), height - 16 - (v - low) / span * (height - 32))
        for i, v in enumerate(values)
        if np.isfinite(v)
    ]
    draw = ImageDraw.Draw(picture)
    draw.line(points, fill=NEGATIVE, width=2)
    draw.text((4, 0), f"mean energy {values[-1]:+.3g}", fill=INK)
    return picture


def stacked(top: Image.Image, bottom: Image.Image) -> Image.Image:
    """One picture above another, left-aligned on white."""
    sheet = Image.new("RGB", (max(top.width, bottom.width), top.height + bottom.height), PAPER)
    sheet.paste(top, (0, 0))
    sheet.paste(bottom, (0, top.height))
    return sheet


def beside(pictures: Sequence[Image.Image], titles: Sequence[str]) -> Image.Image:
    """Pictures of one size side by side on white, a title above each."""
    width, height = pictures[0].size
    total = len(pictures) * (width + GAP) - GAP
    head, body = (Image.new("RGB", (total, h), PAPER) for h in (LABEL, height))
    draw = ImageDraw.Draw(head)
    for k, (picture, title) in enumerate(zip(pictures, titles, strict=True)):
        left = k * (width + GAP)
        body.paste(picture, (left, 0))
        draw.text((left + max(0.0, (width - draw.textlength(title)) / 2), 2), title, fill=INK)
    return stacked(head, body)


def film_frames(pictures: Sequence[Image.Image], values: Sequence[float]) -> list[Image.Image]:
    """Pictures of a chain on its way, each above the curve of the mean energies `values` so far."""
    return [
        stacked(top, curve(values[: k + 1], top.width, total=len(pictures))) for k, top in enumerate(pictures)
    ]


def require_format(path: Path) -> None:
    """Raises `UsageError` for a name that says no format in which a picture can be written."""
    Image.init()
    if Image.EXTENSION.get(path.suffix.lower()) not in Image.SAVE:
        raise UsageError(f"'{path.name}' names no picture format that can be written: use a .png path")


def save_image(picture: Image.Image, path: Path | str) -> None:
    """Write a picture aside and rename it; raises `UsageError` where that fails."""
    _replace(own_path(path), picture.save, "picture", "use a .png path in a folder you can write")


def save_gif(
    frames: Sequence[Image.Image], path: Path | str, *, milliseconds: int = 80, hold: int = 12
) -> None:
    """Write an endless animation; the last frame is held for `hold` frames."""
    if not frames:
        raise UsageError(f"no frames for {path}: keep some positions with thin > 0")
    all_frames = [*frames, *[frames[-1]] * hold]
    first, *rest = (f.convert("P", palette=Image.Palette.ADAPTIVE, colors=128) for f in all_frames)
    write = partial(first.save, save_all=True, append_images=rest, duration=milliseconds, loop=0)
    _replace(own_path(path), write, "animation", "use a .gif path in a folder you can write")


def _replace(path: Path, write: Callable[[Path], None], what: str, hint: str) -> None:
    aside = path.with_name(f".{path.stem}.tmp{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(aside)
        aside.replace(path)
    except (OSError, ValueError) as error:
        with suppress(OSError):
            aside.unlink()
        raise UsageError(f"cannot write {what} {path}: {error}; {hint}") from error


def _titled(picture: Image.Image, title: str) -> Image.Image:
    if not title:
        return picture
    sheet = Image.new("RGB", (picture.width, picture.height + LABEL), PAPER)
    ImageDraw.Draw(sheet).text((4, 2), title, fill=INK)
    sheet.paste(picture, (0, LABEL))
    return sheet

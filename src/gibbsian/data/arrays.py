"""How arrays are read: images told from signals and numbers, channels found; each decision is a line.

    images    bytes, or floats that lie in [0, 1] or [-1, 1] but for some SLACK, or whole numbers up to 255
              that pass 127, of shape (N, H, W), (N, C, H, W) or (N, H, W, C) with C 1 or 3; kept as bytes
              (N, H, W[, 3])
    signals   other numbers of shape (N, C, L), and those above if they are no bytes and L is LONG times C or
              more; float32 in their own units. The shorter axis holds the channels if it is that much shorter
    numbers   anything else, float32 (N, *event) in their own units; (N,) is (N, 1)

The channels are the axis of 1 or 3 entries. Where both could be they come last in bytes and first in floats.
A fourth of bytes is alpha. Other numbers have them last where the last axis is half the others or less.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..core.errors import DataError, UsageError, unknown
from .images import SLACK, laid_all, levels_of
from .options import Channels

HALF = 127
"""Whole numbers that never pass this are hardly bytes of images."""
LONG = 4
"""How many times as long as it has channels a signal is at least, to be told from a grey image."""
LARGEST = 1e18
"""Numbers beyond this have squares that overflow in single precision."""


class Stored(NamedTuple):
    """Rows as a `Dataset` keeps them, and what was decided on the way."""

    rows: Tensor
    notes: tuple[str, ...] = ()


def as_tensor(x: np.ndarray | Tensor) -> Tensor:
    """A tensor of any array of numbers; kinds that torch hardly knows become int64 or float64."""
    if isinstance(x, Tensor):
        if x.is_complex() or x.is_quantized or x.is_nested or x.layout != torch.strided or x.is_meta:
            kind = "nested" if x.is_nested else f"{x.layout} of {x.dtype} on {x.device}"
            raise DataError(f"the tensor is {kind}, not real numbers in order: give a dense one")
        x = x.detach().cpu()
        wide = {torch.uint16: torch.int64, torch.uint32: torch.int64, torch.uint64: torch.float64}
        return x.to(wide.get(x.dtype, x.dtype))
    if x.dtype.kind not in "biuf":
        raise DataError(f"the array holds {x.dtype}, not numbers")
    if np.ma.is_masked(x):
        raise DataError(
            f"the array has {np.ma.count_masked(x)} masked values: fill them, or leave out their rows"
        )
    size, sort = x.dtype.itemsize, x.dtype.kind
    if sort == "f" or (sort == "u" and size == 8):
        x = x.astype(f"f{min(size, 8)}", copy=False)  # in the machine's byte order
    elif sort in "iu" and x.dtype != np.uint8:
        x = x.astype(np.int64)
    return torch.from_numpy(np.require(x, requirements=["C", "W"]))


def stored(
    x: Tensor,
    name: str,
    *,
    images: bool | None = None,
    channels: Channels | None = None,
    levels: tuple[float, float] | None = None,
    background: str | None = None,
) -> Stored:
    """`x` as bytes of images or as float32 numbers, by the rules at the top of this file.

    `images` False keeps numbers whatever they look like, True takes values up to 255, 4095, 65535 and such
    for images as well, and refuses what cannot be; `levels` are the values of black and white, others being
    clipped; `channels` says where they are; `background` shows through a fourth, white by default. Raises
    `DataError` for no rows, values that are not finite or bytes of another shape.
    """
    images = True if levels else images
    if channels not in (None, "first", "last"):
        raise unknown("channels", str(channels), ("first", "last"))
    if x.dim() == 0 or 0 in x.shape:
        raise DataError(f"{name} has shape {tuple(x.shape)}: expected (N, ...), at least one row of numbers")
    if not torch.isfinite(x).all():
        raise DataError(f"{name} holds values that are not finite: remove or replace them")
    if x.is_floating_point() and (most := float(x.abs().max())) > LARGEST:
        said = f"{name} holds values up to {most:.3g}, and squares beyond {LARGEST**2:g} overflow"
        raise DataError(f"{said}: scale them, or change units")
    if x.dim() == 1:
        return Stored(
            x.to(torch.float32)[:, None], (f"{len(x)} numbers are read as points of one coordinate",)
        )
    if x.dim() == 3 and not images and (images is False or channels or _is_long(x)):
        return _signals(x, channels)
    axis = _channel_axis(x, channels, images) if x.dim() in (3, 4) else None
    coloured = axis is not None and (axis == 0 or x.shape[axis] in (1, 3)) and images is not False
    scale = (levels or _image_range(x, name, images)) if coloured else None
    if scale is not None and axis is not None:
        return _images(x, axis, scale, channels)
    alpha = next((i for i in (3, 1) if x.dim() == 4 and x.dtype == torch.uint8 and x.shape[i] == 4), None)
    if alpha and images is not False:
        behind = background or "white"
        rows = torch.from_numpy(laid_all(x.movedim(alpha, 3).numpy(), behind))
        return Stored(rows, (f"the fourth channel is read as alpha, laid over {behind}",))
    if images:
        raise DataError(f"{name} cannot be read as images: {_expected(x)}")
    if x.dtype == torch.uint8 and x.dim() > 2 and images is None:
        said = f"{name} holds bytes of shape {tuple(x.shape)}: images have 1 or 3 channels, or 4 with alpha"
        raise DataError(f"{said}; images=False (@images=no behind a file's name) reads numbers")
    return _signals(x) if x.dim() == 3 else _numbers(x, axis, images)


def _channel_axis(x: Tensor, channels: Channels | None, images: bool | None) -> int | None:
    """0 for grey images without the axis, 1 or 3 for that of the channels, None where there is none."""
    if x.dim() == 3:
        return 0
    if channels is not None:
        axis = 1 if channels == "first" else 3
        if x.shape[axis] not in (1, 3, 4) and images is not False:
            raise UsageError(f"channels are {channels}, but shape {tuple(x.shape)} has no 1 or 3 there")
        return axis
    both = (3, 1) if x.dtype == torch.uint8 else (1, 3)
    few = 3 if 2 * x.shape[3] <= min(x.shape[1:3]) else None
    return next((axis for axis in both if x.shape[axis] in (1, 3)), few)


def _is_long(x: Tensor) -> bool:
    """Whether rows `(C, L)` or `(L, C)` are too long for images; bytes are if they are 1 high."""
    short, long = sorted(x.shape[1:])
    return long >= LONG * short and (short == 1 or x.dtype != torch.uint8)


def _signals(x: Tensor, channels: Channels | None = None) -> Stored:
    """float32 `(N, C, L)` in their own units."""
    last = channels == "last" or (channels is None and x.shape[1] >= LONG * x.shape[2])
    values = x.to(torch.float32)
    values = values.transpose(1, 2).contiguous() if last else values
    n, c, length = values.shape
    span = f"{float(values.min()):g} to {float(values.max()):g}"
    read = f"read as {n} signals of {length} samples and {c} channel{'s' * (c > 1)}, {span}"
    if channels is None:
        here, there = ("last", "first") if last else ("first", "last")
        read += f", channels {here}; else say channels={there} (@channels={there} behind a file's name)"
        read += ", or images=True for grey images" if _is_long(x) else f"; not as images: {_expected(x)}"
    return Stored(values, (read,))


def _image_range(x: Tensor, name: str, images: bool | None) -> tuple[float, float] | None:
    """The range that stands for black to white, or None where the values are those of no image; with `images`
    they are of one."""
    if x.dtype == torch.bool:
        return 0.0, 1.0
    low, high = float(x.min()), float(x.max())
    if x.dtype == torch.uint8:
        if high == 1:
            raise DataError(
                f"{name} holds bytes that are all 0 or 1: images are 0 to 255; store them as bool"
            )
        return 0.0, 255.0
    if images or (x.is_floating_point() and -1 - SLACK <= low and high <= 1 + SLACK):
        try:
            return levels_of(low, high)
        except ValueError as error:
            raise DataError(f"{name} cannot be read as images: {error}") from error
    whole = not x.is_floating_point() or bool((x == x.round()).all())
    return (0.0, 255.0) if whole and 0 <= low and HALF < high <= 255 else None


def _images(x: Tensor, axis: int, scale: tuple[float, float], channels: Channels | None) -> Stored:
    """Bytes `(N, H, W)` or `(N, H, W, 3)`; a line unless they came so."""
    low, high = scale
    if x.dtype == torch.uint8 and scale == (0, 255):
        pixels = x
    else:
        unit = x.to(torch.float32).sub_(low) if low else x.to(torch.float32)
        pixels = (unit * (255 / (high - low))).clamp(0, 255).round().to(torch.uint8)
    if axis == 1:
        pixels = pixels.permute(0, 2, 3, 1).contiguous()
    if pixels.dim() == 4 and pixels.shape[3] == 1:
        pixels = pixels.squeeze(3)
    n, height, width = pixels.shape[:3]
    one = "; one in colour is x[None]" if axis == 0 and width in (3, 4) else ""
    if x.dtype == torch.uint8 and axis != 1:
        told = (f"read as {n} grey images of {height} x {width}{one}",) if one else ()
        return Stored(pixels, told)
    colour = "grey" if pixels.dim() == 3 else "colour"
    kept = "" if high > 1 or x.dtype == torch.bool else ", kept in 256 levels"
    cut = ", those beyond clipped" if float(x.min()) < low or float(x.max()) > high else ""
    read = f"values are {low:g} to {high:g}{cut}{kept}{_where(x, axis, channels)}; images=False reads numbers"
    return Stored(pixels, (f"read as {n} {colour} images of {height} x {width}: {read}{one}",))


def _where(x: Tensor, axis: int, channels: Channels | None) -> str:
    if axis == 0 or channels is not None:
        return ""
    place, other = ("first", 3) if axis == 1 else ("last", 1)
    why = f"axis {axis} has {x.shape[axis]} entries"
    if x.shape[other] in (1, 3):
        return f", channels {place}, although axis {other} has {x.shape[other]} entries as well"
    return f", channels {place}, as {why}"


def _numbers(x: Tensor, axis: int | None, images: bool | None) -> Stored:
    """float32 in their own units, channels first; a line where one could have thought of images."""
    values = x.to(torch.float32)
    if values.dim() != 4:
        wide = x.double()
        coarse = (wide - values).abs().amax(0) > 1e-4 * (wide.amax(0) - wide.amin(0))
        return Stored(wide if x.dim() == 2 and bool(coarse.any()) else values)  # seconds since 1970, say
    told = ""
    if axis == 3:
        values = values.permute(0, 3, 1, 2).contiguous()
        told = f", channels last, as axis 3 has {x.shape[3]} entries"
    if images is False:
        return Stored(values)
    span = f"{float(values.min()):g} to {float(values.max()):g}"
    return Stored(
        values,
        (f"read as numbers of shape {tuple(values.shape[1:])}, {span}{told}, not as images: {_expected(x)}",),
    )


def _expected(x: Tensor) -> str:
    if x.dim() not in (3, 4):
        return f"images are (N, H, W), (N, C, H, W) or (N, H, W, C), and these have shape {tuple(x.shape)}"
    more = "; images=True (@images=yes behind a file's name) reads 0 to 255, 4095, 65535 and such as images"
    return f"images are bytes, or floats in [0, 1] or [-1, 1], with 1 or 3 channels{more}"

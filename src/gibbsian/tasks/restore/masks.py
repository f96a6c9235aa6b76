"""Which pixels of images are unknown: a mask described by a word with numbers, or painted in a file.

bottom               the lower half is unknown
rows                 every second row is; rows:A,B for those from A to B - 1
rectangle:X,Y,W,H    W x H pixels are, X from the left and Y from the top
random:SHARE         each pixel with this probability, at least one of each kind in an image
FILE.png             white is; one mask for all images
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ...core.errors import UsageError, unknown
from ...data.images import SUFFIXES, read_image


def known_pixels(
    text: str, n: int, event_shape: tuple[int, ...], rng: torch.Generator, *, fit: bool = False
) -> Tensor:
    """The mask that `text` describes, `(n, 1, H, W)` bool, True at known pixels (`rng` on the CPU).

    A file must have the size of the images (C, H, W) = `event_shape`, unless `fit` lets it be resampled.
    Raises `UsageError` for anything else than the module lists, and where no pixel is known or none unknown.
    """
    height, width = event_shape[-2:]
    word, _, rest = text.partition(":")
    if Path(text).suffix.lower() in SUFFIXES:
        missing = _painted(Path(text), height, width, fit)
    elif word in MASKS:
        missing = MASKS[word](text, rest, n, height, width, rng)
    else:
        raise unknown("mask", word, (*MASKS, "FILE.png"))
    if bool(missing.all()) or not bool(missing.any()):
        what = "every" if bool(missing.all()) else "no"
        raise UsageError(f"mask '{text}' makes {what} pixel unknown: leave some of both kinds")
    return ~missing.expand(n, 1, height, width)


def _bottom(text: str, rest: str, n: int, height: int, width: int, rng: torch.Generator) -> Tensor:
    if rest:
        raise UsageError(f"mask '{text}': bottom is the lower half; name other rows as rows:A,B")
    return _region(height, width, slice(height // 2, None), slice(None))


def _rows(text: str, rest: str, n: int, height: int, width: int, rng: torch.Generator) -> Tensor:
    if not rest:
        return _region(height, width, slice(1, None, 2), slice(None))
    first, last = (int(v) for v in numbers("--mask", text, rest, (2,)))
    if not 0 <= first < last <= height:
        raise UsageError(f"mask '{text}': rows go from 0 to {height}, the first before the last")
    return _region(height, width, slice(first, last), slice(None))


def _rectangle(text: str, rest: str, n: int, height: int, width: int, rng: torch.Generator) -> Tensor:
    x, y, w, h = (int(v) for v in numbers("--mask", text, rest, (4,)))
    if min(x, y) < 0 or min(w, h) < 1 or x + w > width or y + h > height:
        raise UsageError(f"mask '{text}' (x,y,width,height) leaves the image of {width} x {height} pixels")
    return _region(height, width, slice(y, y + h), slice(x, x + w))


def _random(text: str, rest: str, n: int, height: int, width: int, rng: torch.Generator) -> Tensor:
    (share,) = numbers("--mask", text, rest, (1,))
    if not 0 < share < 1:
        raise UsageError(f"mask '{text}': the share of unknown pixels lies between 0 and 1, such as 0.5")
    u = torch.rand(n, 1, height, width, generator=rng)
    least, most = u.amin((2, 3), keepdim=True), u.amax((2, 3), keepdim=True)
    return ((u < share) | (u == least)) & (u != most)


MASKS: dict[str, Callable[[str, str, int, int, int, torch.Generator], Tensor]] = {
    "bottom": _bottom,
    "rows": _rows,
    "rectangle": _rectangle,
    "random": _random,
}


def _region(height: int, width: int, rows: slice, columns: slice) -> Tensor:
    missing = torch.zeros(1, 1, height, width, dtype=torch.bool)
    missing[:, :, rows, columns] = True
    return missing


def _painted(path: Path, height: int, width: int, fit: bool) -> Tensor:
    if not path.is_file():
        raise UsageError(f"there is no mask file {path}: paint unknown pixels white on black")
    grey = read_image(path, None, True)
    if grey.shape != (height, width):
        if not fit:
            raise UsageError(
                f"mask {path} is {grey.shape[1]} x {grey.shape[0]} pixels where the model's images are "
                f"{width} x {height}: paint one of that size, or add --fit to resample it"
            )
        grey = np.asarray(Image.fromarray(grey).resize((width, height), Image.Resampling.BOX))
    return torch.from_numpy(grey >= 128)[None, None]


def numbers(option: str, text: str, rest: str, counts: tuple[int, ...]) -> list[float]:
    """The numbers between commas in `rest`, the part of `text` after its colon; raises `UsageError` unless
    they are as many as one of `counts`.
    """
    try:
        found = [float(word) for word in rest.split(",")]
    except ValueError:
        found = []
    if len(found) not in counts:
        wanted = " or ".join(map(str, counts))
        raise UsageError(f"{option} is '{text}': after the colon stand {wanted} numbers with commas")
    return found

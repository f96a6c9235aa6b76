"""Which pixels of images are unknown: by a word with numbers, or painted in a file.

bottom               the lower half
rows                 every second row; rows:A,B: those from A to B - 1
rectangle:X,Y,W,H    W x H pixels, X from the left and Y from the top
random:SHARE         each pixel with this probability, at least one of each kind in an image
FILE.png             white; one mask for all images, or of a folder of masks that of the same name
alpha                the transparent pixels of images of one's own
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from ...core.errors import UsageError, unknown
from ...data.given import ALPHA, painted
from ...data.recipe import SUFFIXES


def known_pixels(
    text: str,
    n: int,
    event_shape: tuple[int, ...],
    rng: torch.Generator,
    *,
    fit: bool = False,
    photos: tuple[Path, ...] = (),
) -> Tensor:
    """The mask that `text` describes, `(n, 1, H, W)` bool, True at known pixels (`rng` on the CPU).

    A file must have the size of the images (C, H, W) = `event_shape` or of the `photos`, unless `fit` lets it
    be resampled.
    Raises `UsageError` for anything else than the module lists, and where no pixel is known or none unknown.
    """
    size = event_shape[-2:]
    word, _, rest = text.partition(":")
    if text == ALPHA or Path(text).suffix.lower() in SUFFIXES or Path(text).expanduser().is_dir():
        missing = torch.from_numpy(painted(text, photos, event_shape, fit=fit))[:, None]
    elif word == "random":
        missing = _scattered(text, rest, torch.rand(n, 1, *size, generator=rng))
    elif word in ("bottom", "rows", "rectangle"):
        missing = torch.zeros(1, 1, *size, dtype=torch.bool)
        missing[(..., *_region(text, word, rest, *size))] = True
    else:
        raise unknown("mask", word, ("bottom", "rows", "rectangle", "random", ALPHA, "FILE.png"))
    if missing.all() or not missing.any():
        what = "every" if missing.all() else "no"
        raise UsageError(f"mask '{text}' makes {what} pixel unknown: leave some of both kinds")
    return ~missing[torch.arange(n) % len(missing)]  # validation images take the masks of the photos in turn


def _region(text: str, word: str, rest: str, height: int, width: int) -> tuple[slice, slice]:
    """Rows and columns that are hidden."""
    if word == "bottom":
        if rest:
            raise UsageError(f"mask '{text}': bottom is the lower half; name other rows as rows:A,B")
        return slice(height // 2, None), slice(None)
    if word == "rows" and not rest:
        return slice(1, None, 2), slice(None)
    if word == "rows":
        first, last = (int(v) for v in read_numbers("--mask", text, rest, (2,)))
        if not 0 <= first < last <= height:
            raise UsageError(f"mask '{text}': rows go from 0 to {height}, the first before the last")
        return slice(first, last), slice(None)
    x, y, w, h = (int(v) for v in read_numbers("--mask", text, rest, (4,)))
    if min(x, y) < 0 or min(w, h) < 1 or x + w > width or y + h > height:
        raise UsageError(f"mask '{text}' (x,y,width,height) leaves the image of {width} x {height} pixels")
    return slice(y, y + h), slice(x, x + w)


def _scattered(text: str, rest: str, u: Tensor) -> Tensor:
    """Pixels whose uniform number `u` `(n, 1, H, W)` is below the share, but for the largest of an image."""
    (share,) = read_numbers("--mask", text, rest, (1,))
    if not 0 < share < 1:
        raise UsageError(f"mask '{text}': the share of unknown pixels lies between 0 and 1, such as 0.5")
    least, most = u.amin((2, 3), keepdim=True), u.amax((2, 3), keepdim=True)
    return ((u < share) | (u == least)) & (u != most)


def read_numbers(option: str, text: str, rest: str, counts: tuple[int, ...]) -> list[float]:
    """The numbers between commas in `rest`, which `text` has after its colon; as many as one of `counts`."""
    try:
        found = [float(word) for word in rest.split(",")]
    except ValueError:
        found = []
    if len(found) not in counts:
        wanted = " or ".join(map(str, counts))
        raise UsageError(f"{option} is '{text}': after the colon stand {wanted} numbers with commas")
    return found

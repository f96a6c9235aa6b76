"""What was done to images in [low, high], the range of the model, and what is still known of them.

    HiddenPixels    some pixels are gone, the others are right
    GaussianNoise   x~ = x + sigma xi in every pixel            sigma in units of pixels on [0, 1]
    SaltPepper      a share of pixels became dark or bright     one uniform number a pixel for all channels
Hidden pixels, by a word with numbers or painted in a file:
    bottom               the lower half
    rows                 every second row; rows:A,B: those from A to B - 1
    rectangle:X,Y,W,H    W x H pixels, X from the left and Y from the top
    random:SHARE         each pixel with this probability, at least one of each kind in an image
    FILE.png             white; one mask for all images
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Protocol

import torch
from torch import Tensor

from ...core.errors import UsageError, require_positive, unknown
from ...data.images import read_mask
from ...data.recipe import SUFFIXES
from ...metrics.images import median_filter

OutlierMask = Literal["none", "extremes", "outliers"]
OUTLIER, LEVEL = 0.25, 0.5 / 255
"""On [0, 1]: how far suspicious pixels are from the median around them, and half a grey level of a file."""


@dataclass(frozen=True, eq=False)
class Corrupted:
    """Images `x` `(N, C, H, W)` with what is known of them.

    `known` `(N, 1, H, W)` bool is True where `x` is right; None where no pixel is sure. `sigma` is the
    deviation of the noise in `x`, in its units; None without such noise. `informative`: `x` says something
    even where it is not known to be right.
    """

    x: Tensor
    known: Tensor | None = None
    sigma: float | None = None
    informative: bool = True

    def __len__(self) -> int:
        return len(self.x)

    def _mapped(self, change: Callable[[Tensor], Tensor]) -> Corrupted:
        return replace(self, x=change(self.x), known=None if self.known is None else change(self.known))

    def rows(self, index: Tensor | slice) -> Corrupted:
        """The images at `index`."""
        return self._mapped(lambda values: values[index])

    def repeated(self, times: int) -> Corrupted:
        """All images, then all of them again, `times` in all."""
        return self._mapped(lambda values: values.repeat(times, 1, 1, 1))

    def to(self, device: torch.device) -> Corrupted:
        """The same on a device."""
        return self._mapped(lambda values: values.to(device))


class Corruption(Protocol):
    """One way to corrupt images."""

    @property
    def name(self) -> str:
        """As it was asked for."""

    def apply(self, x: Tensor, low: float, high: float, rng: torch.Generator) -> Corrupted:
        """Corrupt clean images `(N, C, H, W)` in [low, high] (`rng` on the CPU)."""

    def observed(self, x: Tensor, low: float, high: float, rng: torch.Generator) -> Corrupted:
        """Images that came corrupted."""


@dataclass(frozen=True)
class HiddenPixels:
    """Pixels that are gone: `mask` describes which. With `fit` a mask file of another size is resampled."""

    mask: str
    fit: bool = False

    @property
    def name(self) -> str:
        """The mask."""
        return self.mask

    def apply(self, x: Tensor, low: float, high: float, rng: torch.Generator) -> Corrupted:
        """Unknown pixels become the middle grey, so that nothing of them is left to look at."""
        known = known_pixels(self.mask, len(x), tuple(x.shape[1:]), rng, fit=self.fit)
        return Corrupted(torch.where(known, x, (low + high) / 2), known, informative=False)

    observed = apply


@dataclass(frozen=True)
class GaussianNoise:
    """Normal noise of deviation `sigma` (pixels on [0, 1]); what leaves the range is kept."""

    sigma: float

    def __post_init__(self) -> None:
        require_positive(sigma=self.sigma)

    @property
    def name(self) -> str:
        """gaussian:SIGMA"""
        return f"gaussian:{self.sigma:g}"

    def apply(self, x: Tensor, low: float, high: float, rng: torch.Generator) -> Corrupted:
        """Add the noise."""
        xi = torch.randn(x.shape, generator=rng, dtype=x.dtype)
        return self.observed(x + self.sigma * (high - low) * xi, low, high, rng)

    def observed(self, x: Tensor, low: float, high: float, rng: torch.Generator) -> Corrupted:
        """Images with the noise in them."""
        return Corrupted(x, sigma=self.sigma * (high - low))


@dataclass(frozen=True)
class SaltPepper:
    """Half of a `share` of the pixels becomes `dark`, half `bright`, on [0, 1].

    Du and Mordatch (2019) took .1 and .9. `outlier_mask` says which pixels count as unknown afterwards:
    "none"; "extremes", all that have one of the two values; "outliers", those of them that are far from the
    median of their 3 x 3 neighbourhood (switching median: Sun and Neuvo 1994).
    """

    share: float
    dark: float = 0.0
    bright: float = 1.0
    outlier_mask: OutlierMask = "outliers"

    def __post_init__(self) -> None:
        if not 0 < self.share < 1 or not 0 <= self.dark < self.bright <= 1:
            raise UsageError(
                f"salt_pepper:{self.share:g},{self.dark:g},{self.bright:g}: give a share between 0 and 1, "
                "and a dark value below a bright one in [0, 1], such as salt_pepper:0.1,0.1,0.9"
            )

    @property
    def name(self) -> str:
        """salt_pepper:SHARE, with the two values where they are not 0 and 1."""
        values = "" if (self.dark, self.bright) == (0, 1) else f",{self.dark:g},{self.bright:g}"
        return f"salt_pepper:{self.share:g}{values}"

    def apply(self, x: Tensor, low: float, high: float, rng: torch.Generator) -> Corrupted:
        """Put the noise in."""
        u = torch.rand(len(x), 1, *x.shape[2:], generator=rng, dtype=x.dtype)
        dark, bright = self._values(low, high)
        salted = torch.where(u < self.share, bright, x)
        return self.observed(torch.where(u < self.share / 2, dark, salted), low, high, rng)

    def observed(self, x: Tensor, low: float, high: float, rng: torch.Generator) -> Corrupted:
        """Images with the noise in them, its likely pixels masked."""
        return Corrupted(x, None if self.outlier_mask == "none" else ~self.suspected(x, low, high))

    def suspected(self, x: Tensor, low: float, high: float) -> Tensor:
        """Which pixels may be noise, `(N, 1, H, W)` bool."""
        dark, bright = ((x - v).abs() <= LEVEL * (high - low) for v in self._values(low, high))
        extreme = (dark | bright).all(1, keepdim=True)
        if self.outlier_mask == "extremes":
            return extreme
        off = (x - median_filter(x)).abs().amax(1, keepdim=True)
        return extreme & (off > OUTLIER * (high - low))

    def _values(self, low: float, high: float) -> tuple[float, float]:
        return low + (high - low) * self.dark, low + (high - low) * self.bright


def noise_of(text: str, outlier_mask: OutlierMask = "outliers") -> GaussianNoise | SaltPepper:
    """`gaussian:SIGMA`, `salt_pepper:SHARE` or `salt_pepper:SHARE,DARK,BRIGHT`; raises `UsageError`."""
    word, _, rest = text.partition(":")
    if word == "gaussian":
        return GaussianNoise(*_numbers("--noise", text, rest, (1,)))
    if word == "salt_pepper":
        share, *values = _numbers("--noise", text, rest, (1, 3))
        dark, bright = values or (0.0, 1.0)
        return SaltPepper(share, dark, bright, outlier_mask)
    raise unknown("noise", word, ("gaussian:SIGMA", "salt_pepper:SHARE"))


def known_pixels(
    text: str, n: int, event_shape: tuple[int, ...], rng: torch.Generator, *, fit: bool = False
) -> Tensor:
    """The mask that `text` describes, `(n, 1, H, W)` bool, True at known pixels (`rng` on the CPU).

    A file must have the size of the images (C, H, W) = `event_shape`, unless `fit` lets it be resampled.
    Raises `UsageError` for anything else than the module lists, and where no pixel is known or none unknown.
    """
    size = event_shape[-2:]
    word, _, rest = text.partition(":")
    if Path(text).suffix.lower() in SUFFIXES:
        missing = torch.from_numpy(read_mask(Path(text), *size, fit=fit))[None, None]
    elif word == "random":
        missing = _scattered(text, rest, torch.rand(n, 1, *size, generator=rng))
    elif word in ("bottom", "rows", "rectangle"):
        missing = torch.zeros(1, 1, *size, dtype=torch.bool)
        missing[(..., *_region(text, word, rest, *size))] = True
    else:
        raise unknown("mask", word, ("bottom", "rows", "rectangle", "random", "FILE.png"))
    if missing.all() or not missing.any():
        what = "every" if missing.all() else "no"
        raise UsageError(f"mask '{text}' makes {what} pixel unknown: leave some of both kinds")
    return ~missing.expand(n, 1, *size)


def _region(text: str, word: str, rest: str, height: int, width: int) -> tuple[slice, slice]:
    """Rows and columns that are hidden."""
    if word == "bottom":
        if rest:
            raise UsageError(f"mask '{text}': bottom is the lower half; name other rows as rows:A,B")
        return slice(height // 2, None), slice(None)
    if word == "rows" and not rest:
        return slice(1, None, 2), slice(None)
    if word == "rows":
        first, last = (int(v) for v in _numbers("--mask", text, rest, (2,)))
        if not 0 <= first < last <= height:
            raise UsageError(f"mask '{text}': rows go from 0 to {height}, the first before the last")
        return slice(first, last), slice(None)
    x, y, w, h = (int(v) for v in _numbers("--mask", text, rest, (4,)))
    if min(x, y) < 0 or min(w, h) < 1 or x + w > width or y + h > height:
        raise UsageError(f"mask '{text}' (x,y,width,height) leaves the image of {width} x {height} pixels")
    return slice(y, y + h), slice(x, x + w)


def _scattered(text: str, rest: str, u: Tensor) -> Tensor:
    """Pixels whose uniform number `u` `(n, 1, H, W)` is below the share, but for the largest of an image."""
    (share,) = _numbers("--mask", text, rest, (1,))
    if not 0 < share < 1:
        raise UsageError(f"mask '{text}': the share of unknown pixels lies between 0 and 1, such as 0.5")
    least, most = u.amin((2, 3), keepdim=True), u.amax((2, 3), keepdim=True)
    return ((u < share) | (u == least)) & (u != most)


def _numbers(option: str, text: str, rest: str, counts: tuple[int, ...]) -> list[float]:
    """The numbers between commas in `rest`, which `text` has after its colon; as many as one of `counts`."""
    try:
        found = [float(word) for word in rest.split(",")]
    except ValueError:
        found = []
    if len(found) not in counts:
        wanted = " or ".join(map(str, counts))
        raise UsageError(f"{option} is '{text}': after the colon stand {wanted} numbers with commas")
    return found

"""What was done to images in [low, high], the range of the model, and what is still known of them.

HiddenPixels    some pixels are gone, the others are right
GaussianNoise   x~ = x + sigma xi in every pixel            sigma in units of pixels on [0, 1]
SaltPepper      a share of pixels became dark or bright     one uniform number a pixel for all channels
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Protocol

import torch
from torch import Tensor

from ...core.errors import UsageError, require_positive, unknown
from ...metrics.images import median_filter
from .masks import known_pixels, read_numbers

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
    """Pixels that are gone: `mask` describes which. With `fit` a mask file of another size is resampled; one
    of the size of the `photos` that are to be restored is cut and resampled as they are."""

    mask: str
    fit: bool = False
    photos: tuple[Path, ...] = ()

    @property
    def name(self) -> str:
        """The mask."""
        return self.mask

    def apply(self, x: Tensor, low: float, high: float, rng: torch.Generator) -> Corrupted:
        """Unknown pixels become the middle grey, so that nothing of them is left to look at."""
        known = known_pixels(self.mask, len(x), tuple(x.shape[1:]), rng, fit=self.fit, photos=self.photos)
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
        return GaussianNoise(*read_numbers("--noise", text, rest, (1,)))
    if word == "salt_pepper":
        share, *values = read_numbers("--noise", text, rest, (1, 3))
        dark, bright = values or (0.0, 1.0)
        return SaltPepper(share, dark, bright, outlier_mask)
    raise unknown("noise", word, ("gaussian:SIGMA", "salt_pepper:SHARE"))


def in_words(corruption: Corruption | str) -> Corruption:
    """The corruption that a word stands for: a noise, or else a mask; others as they are."""
    if not isinstance(corruption, str):
        return corruption
    noise = corruption.startswith(("gaussian", "salt_pepper"))
    return noise_of(corruption) if noise else HiddenPixels(corruption)

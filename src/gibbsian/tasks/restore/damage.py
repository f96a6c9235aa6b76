"""What was done to images, and what is still known of them.

    Hidden       some pixels are gone, the others are right    (see `masks`)
    Gaussian     x~ = x + sigma xi in every pixel              sigma in units of pixels on [0, 1]
    SaltPepper   a share of pixels became dark or bright       one uniform number a pixel for all channels

Images are in [low, high], the range of the model.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, Protocol

import torch
from torch import Tensor

from ...core.errors import UsageError, require_positive, unknown
from ...metrics.images import median_filter
from .masks import known_pixels, numbers

Marks = Literal["none", "extremes", "outliers"]
OUTLIER = 0.25
"""A pixel is suspicious if it is this far, on [0, 1], from the median of its neighbourhood."""
LEVEL = 0.5 / 255
"""Half a grey level: how well a pixel file keeps a value."""


@dataclass(frozen=True, eq=False)
class Damaged:
    """Images `x` `(N, C, H, W)` with what is known of them.

    `known` `(N, 1, H, W)` bool is True where `x` is right; None where no pixel is sure. `sigma` is the
    deviation of the noise in `x`, in its units; None without such noise. `telling`: `x` says something even
    where it is not known to be right.
    """

    x: Tensor
    known: Tensor | None = None
    sigma: float | None = None
    telling: bool = True

    def __len__(self) -> int:
        return len(self.x)

    def rows(self, index: Tensor | slice) -> Damaged:
        """The images at `index`."""
        known = None if self.known is None else self.known[index]
        return replace(self, x=self.x[index], known=known)

    def repeated(self, times: int) -> Damaged:
        """All images, then all of them again, `times` in all."""
        known = None if self.known is None else self.known.repeat(times, 1, 1, 1)
        return replace(self, x=self.x.repeat(times, 1, 1, 1), known=known)

    def to(self, device: torch.device) -> Damaged:
        """The same on a device."""
        return replace(self, x=self.x.to(device), known=None if self.known is None else self.known.to(device))


class Damage(Protocol):
    """One way to damage images."""

    @property
    def name(self) -> str:
        """As it was asked for."""

    def done(self, x: Tensor, low: float, high: float, rng: torch.Generator) -> Damaged:
        """Damage clean images `(N, C, H, W)` in [low, high] (`rng` on the CPU)."""

    def found(self, x: Tensor, low: float, high: float, rng: torch.Generator) -> Damaged:
        """Images that came damaged."""


@dataclass(frozen=True)
class Hidden:
    """Pixels that are gone: `mask` describes which. With `fit` a mask file of another size is resampled."""

    mask: str
    fit: bool = False

    @property
    def name(self) -> str:
        """The mask."""
        return self.mask

    def done(self, x: Tensor, low: float, high: float, rng: torch.Generator) -> Damaged:
        """Unknown pixels become the middle grey, so that nothing of them is left to look at."""
        known = known_pixels(self.mask, len(x), tuple(x.shape[1:]), rng, fit=self.fit)
        return Damaged(torch.where(known, x, (low + high) / 2), known, telling=False)

    found = done


@dataclass(frozen=True)
class Gaussian:
    """Normal noise of deviation `sigma` (pixels on [0, 1]); what leaves the range is kept."""

    sigma: float

    def __post_init__(self) -> None:
        require_positive(sigma=self.sigma)

    @property
    def name(self) -> str:
        """gaussian:SIGMA"""
        return f"gaussian:{self.sigma:g}"

    def done(self, x: Tensor, low: float, high: float, rng: torch.Generator) -> Damaged:
        """Add the noise."""
        sigma = self.sigma * (high - low)
        xi = torch.randn(x.shape, generator=rng, dtype=x.dtype)
        return Damaged(x + sigma * xi, sigma=sigma)

    def found(self, x: Tensor, low: float, high: float, rng: torch.Generator) -> Damaged:
        """Images with the noise in them."""
        return Damaged(x, sigma=self.sigma * (high - low))


@dataclass(frozen=True)
class SaltPepper:
    """Half of a `share` of the pixels becomes `dark`, half `bright`, on [0, 1].

    Du and Mordatch (2019) took .1 and .9. `marks` says which pixels count as unknown afterwards: "none";
    "extremes", all that have one of the two values; "outliers", those of them that are far from the median
    of their 3 x 3 neighbourhood (switching median: Sun and Neuvo 1994).
    """

    share: float
    dark: float = 0.0
    bright: float = 1.0
    marks: Marks = "outliers"

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

    def done(self, x: Tensor, low: float, high: float, rng: torch.Generator) -> Damaged:
        """Put the noise in."""
        u = torch.rand(len(x), 1, *x.shape[2:], generator=rng, dtype=x.dtype)
        dark, bright = self._values(low, high)
        salted = torch.where(u < self.share, bright, x)
        return self.found(torch.where(u < self.share / 2, dark, salted), low, high, rng)

    def found(self, x: Tensor, low: float, high: float, rng: torch.Generator) -> Damaged:
        """Images with the noise in them, its likely pixels marked."""
        return Damaged(x, None if self.marks == "none" else ~self.marked(x, low, high))

    def marked(self, x: Tensor, low: float, high: float) -> Tensor:
        """Which pixels may be noise, `(N, 1, H, W)` bool."""
        near = [(x - v).abs() <= LEVEL * (high - low) for v in self._values(low, high)]
        extreme = (near[0] | near[1]).all(1, keepdim=True)
        if self.marks == "extremes":
            return extreme
        off = (x - median_filter(x)).abs().amax(1, keepdim=True)
        return extreme & (off > OUTLIER * (high - low))

    def _values(self, low: float, high: float) -> tuple[float, float]:
        return low + (high - low) * self.dark, low + (high - low) * self.bright


def noise_of(text: str, marks: Marks = "outliers") -> Gaussian | SaltPepper:
    """`gaussian:SIGMA`, `salt_pepper:SHARE` or `salt_pepper:SHARE,DARK,BRIGHT`; raises `UsageError`."""
    word, _, rest = text.partition(":")
    if word == "gaussian":
        return Gaussian(*numbers("--noise", text, rest, (1,)))
    if word == "salt_pepper":
        share, *values = numbers("--noise", text, rest, (1, 3))
        dark, bright = values or (0.0, 1.0)
        return SaltPepper(share, dark, bright, marks)
    raise unknown("noise", word, ("gaussian:SIGMA", "salt_pepper:SHARE"))

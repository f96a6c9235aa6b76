"""Where the chains of a restoration begin: the damaged image, its unknown pixels filled in some way."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from ...core.errors import UsageError
from ...metrics.images import median_filter
from ...systems.base import System, sample
from ..chains import classes_in_turn
from .baselines import Gallery
from .damage import Damaged
from .how import How, Start


@dataclass(frozen=True, eq=False)
class Beginnings:
    """Beginnings for any number of images; `gallery` holds training images, `rng` is on the device."""

    system: System
    how: How
    gallery: Gallery | None
    rng: torch.Generator

    def draw(self, damaged: Damaged, y: Tensor | None = None) -> Tensor:
        """`(M N, C, H, W)`: a beginning for all images, then another, for each of M completions.

        Raises `UsageError` for a start that needs training images where there are none.
        """
        start, x = self.how.start or usual_start(damaged), damaged.x
        fills = [self._fill(start, damaged, y, k).to(x) for k in range(self.how.completions)]
        if damaged.known is None:
            return torch.cat(fills)
        return torch.cat([torch.where(damaged.known, x, fill) for fill in fills])

    def _fill(self, start: Start, damaged: Damaged, y: Tensor | None, k: int) -> Tensor:
        x, pixels = damaged.x, self.system.config.pixels
        if start == "given":
            return x
        if start == "median":
            return median_filter(x)
        if start == "noise":
            u = torch.rand(x.shape, generator=self.rng, device=x.device, dtype=x.dtype)
            return pixels.low + (pixels.high - pixels.low) * u
        if start == "samples":
            return self._parts[k].nearest(damaged, y)
        if self.gallery is None:
            raise UsageError(
                f"start {start} needs training images: use noise, or name a data set with --data"
            )
        return self.gallery.mean_fill(damaged) if start == "mean" else self.gallery.nearest(damaged)

    @cached_property
    def _parts(self) -> list[Gallery]:
        """Samples of the model, dealt out to the completions."""
        n, times, classes = self.how.pool, self.how.completions, int(self.system.config.net.classes or 1)
        if n < times * classes:
            raise UsageError(
                f"a pool of {n} samples is too small for {times} completions of {classes} classes: take more"
            )
        y = classes_in_turn(self.system, n, self.rng)
        x = sample(self.system, n, rng=self.rng, y=y).x.cpu()
        dealt = [torch.arange(n) // classes % times == k for k in range(times)]
        return [Gallery(x[d].__getitem__, int(d.sum()), None if y is None else y.cpu()[d]) for d in dealt]


def usual_start(damaged: Damaged) -> Start:
    """Noise where pixels are hidden, the median where they are only suspected, else what is given."""
    if not damaged.telling:
        return "noise"
    return "given" if damaged.known is None else "median"

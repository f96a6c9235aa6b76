"""Where the chains of a restoration begin: the damaged image, its unknown pixels filled in some way."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from ...core.errors import UsageError
from ...metrics.images import median_filter
from ...models.model import EnergyModel
from ...models.sampling import draw_samples
from ..chains import classes_in_turn
from .baselines import Gallery
from .damage import Damaged
from .how import How, Start


@dataclass(frozen=True, eq=False)
class Beginnings:
    """Beginnings for any number of images; `gallery` holds training images, `rng` is on the device."""

    model: EnergyModel
    how: How
    gallery: Gallery | None
    rng: torch.Generator

    def draw(self, damaged: Damaged, y: Tensor | None = None) -> Tensor:
        """`(M N, C, H, W)`: a beginning for all images, then another, for each of M completions.

        Raises `UsageError` for a start that needs training images where there are none.
        """
        start, x = self.how.start or usual_start(damaged), damaged.x
        fills = [fill.to(x) for fill in self._fills(start, damaged, y)]
        if damaged.known is None:
            return torch.cat(fills)
        return torch.cat([torch.where(damaged.known, x, fill) for fill in fills])

    def _fills(self, start: Start, damaged: Damaged, y: Tensor | None) -> Iterable[Tensor]:
        """One for each completion, `(N, C, H, W)`: of nearest images the k-th for the k-th."""
        times = self.how.completions
        if start == "given":
            return [damaged.x] * times
        if start == "median":
            return [median_filter(damaged.x)] * times
        if start == "noise":
            return [self._noise(damaged.x) for _ in range(times)]
        if start == "samples":
            return [part.nearest(damaged, y)[0] for part in self._parts]
        if self.gallery is None:
            raise UsageError(
                f"start {start} needs training images: use noise, or name a data set with --data"
            )
        if start == "mean":
            return [self.gallery.mean_fill(damaged)] * times
        return self.gallery.nearest(damaged, y, times)

    def _noise(self, x: Tensor) -> Tensor:
        pixels = self.model.spec
        u = torch.rand(x.shape, generator=self.rng, device=x.device, dtype=x.dtype)
        return pixels.low + (pixels.high - pixels.low) * u

    @cached_property
    def _parts(self) -> list[Gallery]:
        """Samples of the model, dealt out to the completions."""
        n, times, classes = self.how.pool, self.how.completions, int(self.model.spec.num_classes or 1)
        if n < times * classes:
            raise UsageError(
                f"a pool of {n} samples is too small for {times} completions of {classes} classes: take more"
            )
        y = classes_in_turn(self.model, n, self.rng)
        x = draw_samples(self.model, self.model.sampler(), n, rng=self.rng, y=y).x.cpu()
        dealt = [torch.arange(n) // classes % times == k for k in range(times)]
        return [Gallery(x[d].__getitem__, int(d.sum()), None if y is None else y.cpu()[d]) for d in dealt]


def usual_start(damaged: Damaged) -> Start:
    """Noise where pixels are hidden, the median where they are only suspected, else what is given."""
    if not damaged.telling:
        return "noise"
    return "given" if damaged.known is None else "median"

"""What a restoration has to beat: training images, and filters as strong as is best on validation images.

nearest            the training image that is closest on the known pixels, put in at the unknown ones
mean of nearest    the mean of as many nearest ones as there are completions
nearest of class   the same among those of the class that chains were told
mean fill          the mean training image there
TV, median         filters of `metrics.images`
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from ...core.errors import UsageError
from ...data.dataset import Dataset
from ...metrics.images import psnr
from .damage import Damaged

CHUNK = 4096
WEIGHTS = (0.01, 0.02, 0.04, 0.07, 0.1, 0.14, 0.2, 0.28, 0.4, 0.56, 0.8, 1.1)
"""Strengths of total variation that are tried, for pixels on [0, 1]."""
WINDOWS = (3.0, 5.0, 7.0)
"""Widths of the median filter."""


@dataclass(frozen=True, eq=False)
class Gallery:
    """`size` images to look among, of classes `y` `(size,)`.

    `read(index)` gives rows `(B, C, H, W)` on the CPU, in the range of the images to be restored.
    """

    read: Callable[[Tensor], Tensor]
    size: int
    y: Tensor | None = None

    @staticmethod
    def of(data: Dataset, low: float, high: float) -> Gallery:
        """The rows of a data set, in [low, high]."""
        return Gallery(lambda index: data.batch(index, low, high).x, len(data), data.y)

    @cached_property
    def mean(self) -> Tensor:
        """The mean image, `(C, H, W)`."""
        total = sum(self.read(part).double().sum(0) for part in torch.arange(self.size).split(CHUNK))
        return (torch.as_tensor(total) / self.size).float()

    def mean_fill(self, damaged: Damaged) -> Tensor:
        """The mean image where pixels are unknown, `(N, C, H, W)`."""
        return filled(damaged, self.mean.expand(damaged.x.shape))

    def nearest(self, damaged: Damaged, y: Tensor | None = None, count: int = 1) -> Tensor:
        """Its `count` nearest images where pixels of an image are unknown, `(count, N, C, H, W)`, the nearest
        first; of the classes `y` `(N,)` if given.
        """
        rows = self.nearest_rows(damaged, y, count)
        return torch.stack([filled(damaged, self.read(one)) for one in rows])

    def nearest_rows(self, damaged: Damaged, y: Tensor | None = None, count: int = 1) -> Tensor:
        """Rows `(count, N)` of the images at the least squared distances over the known pixels:
        sum m x^2 - 2 (m x).b + m.b^2, the first of equals; among those of class `y` `(N,)` if given.

        Raises `UsageError` for more than there are.
        """
        if count > self.size:
            raise UsageError(f"{count} nearest images of {self.size}: there are too few, take less")
        x = damaged.x.cpu().float()
        known = torch.ones_like(x) if damaged.known is None else damaged.known.cpu().expand(x.shape).float()
        seen, mask = (known * x).flatten(1), known.flatten(1)
        best, where = x.new_empty(len(x), 0), torch.empty(len(x), 0, dtype=torch.long)
        for part in torch.arange(self.size).split(CHUNK):
            b = self.read(part).flatten(1)
            apart = mask @ b.square().T - 2 * seen @ b.T
            if y is not None and self.y is not None:
                apart = apart.masked_fill(self.y[part][None] != y.cpu()[:, None], torch.inf)
            merged = torch.cat([best, apart], 1).sort(dim=1, stable=True)
            rows = torch.cat([where, part.expand(len(x), -1)], 1)
            best, where = merged.values[:, :count], rows.gather(1, merged.indices[:, :count])
        return where.T


def filled(damaged: Damaged, fill: Tensor) -> Tensor:
    """The damaged images with `fill` at unknown pixels."""
    x = damaged.x.cpu()
    return fill if damaged.known is None else torch.where(damaged.known.cpu(), x, fill)


def strongest(
    treat: Callable[[Tensor, float], Tensor], settings: Sequence[float], noisy: Tensor, clean: Tensor
) -> float:
    """Of `settings` the one whose `treat(noisy, setting)` has the best mean PSNR; images in [0, 1]."""
    return max(settings, key=lambda s: float(psnr(treat(noisy, s).clamp(0, 1), clean).clamp(max=100).mean()))

"""Training images to look among, and where chains begin: a corrupted image, its unknown pixels filled in."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from ...core.errors import UsageError
from ...data.dataset import Dataset
from ...metrics.images import median_filter
from ...models.model import EnergyModel
from ...models.samples import draw_samples
from ..chains import every_label
from .corruption import Corrupted
from .task import RestoreConfig, Start

CHUNK = 4096


@dataclass(frozen=True, eq=False)
class TrainingImages:
    """`size` images to look among, of classes `y` `(size,)`.

    `read(index)` gives rows `(B, C, H, W)` on the CPU, in the range of the images to be restored.
    """

    read: Callable[[Tensor], Tensor]
    size: int
    y: Tensor | None = None

    @staticmethod
    def of(data: Dataset, low: float, high: float) -> TrainingImages:
        """The rows of a data set, in [low, high]."""
        return TrainingImages(lambda index: data.batch(index, low, high).x, len(data), data.y)

    @cached_property
    def mean(self) -> Tensor:
        """The mean image, `(C, H, W)`."""
        total = sum(self.read(part).double().sum(0) for part in torch.arange(self.size).split(CHUNK))
        return (torch.as_tensor(total) / self.size).float()

    def mean_fill(self, corrupted: Corrupted) -> Tensor:
        """The mean image where pixels are unknown, `(N, C, H, W)`."""
        return filled(corrupted, self.mean.expand(corrupted.x.shape))

    def nearest(self, corrupted: Corrupted, y: Tensor | None = None, count: int = 1) -> Tensor:
        """Its `count` nearest images where pixels of an image are unknown, `(count, N, C, H, W)`, the nearest
        first; of the classes `y` `(N,)` if given.
        """
        rows = self.nearest_rows(corrupted, y, count)
        return torch.stack([filled(corrupted, self.read(one)) for one in rows])

    def nearest_rows(self, corrupted: Corrupted, y: Tensor | None = None, count: int = 1) -> Tensor:
        """Rows `(count, N)` of the images at the least squared distances over the known pixels:
        sum m x^2 - 2 (m x).b + m.b^2, the first of equals; among those of class `y` `(N,)` if given.

        Raises `UsageError` for more than there are.
        """
        if count > self.size:
            raise UsageError(f"{count} nearest images of {self.size}: there are too few, take less")
        x, known = corrupted.x.cpu().float(), corrupted.known
        known = torch.ones_like(x) if known is None else known.cpu().expand(x.shape).float()
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


def filled(corrupted: Corrupted, fill: Tensor) -> Tensor:
    """The corrupted images with `fill` at unknown pixels."""
    x = corrupted.x.cpu()
    return fill if corrupted.known is None else torch.where(corrupted.known.cpu(), x, fill)


@dataclass(frozen=True, eq=False)
class Initialiser:
    """Where the chains of any number of images begin; `train` are training images, `rng` on the device."""

    model: EnergyModel
    config: RestoreConfig
    train: TrainingImages | None
    rng: torch.Generator

    def draw(self, corrupted: Corrupted, y: Tensor | None = None) -> Tensor:
        """`(M N, C, H, W)`: a beginning for all images, then another, for each of M completions.

        Raises `UsageError` for a start that needs training images where there are none.
        """
        start, x = self.config.start or usual_start(corrupted), corrupted.x
        fills = [fill.to(x) for fill in self._fills(start, corrupted, y)]
        if corrupted.known is None:
            return torch.cat(fills)
        return torch.cat([torch.where(corrupted.known, x, fill) for fill in fills])

    def _fills(self, start: Start, corrupted: Corrupted, y: Tensor | None) -> Iterable[Tensor]:
        """One for each completion, `(N, C, H, W)`: of nearest images the k-th for the k-th."""
        times = self.config.completions
        if start == "given":
            return [in_range(self.model, corrupted.x)] * times
        if start == "median":
            return [median_filter(corrupted.x)] * times
        if start == "noise":
            return [self._noise(corrupted.x) for _ in range(times)]
        if start == "samples":
            return [part.nearest(corrupted, y)[0] for part in self._samples]
        if self.train is None:
            raise UsageError(
                f"start {start} needs training images: use noise, or name a data set with --data"
            )
        if start == "mean":
            return [self.train.mean_fill(corrupted)] * times
        return self.train.nearest(corrupted, y, times)

    def _noise(self, x: Tensor) -> Tensor:
        low, high = self.model.spec.low, self.model.spec.high
        return low + (high - low) * torch.rand(x.shape, generator=self.rng, device=x.device, dtype=x.dtype)

    @cached_property
    def _samples(self) -> list[TrainingImages]:
        """Samples of the model, dealt out to the completions."""
        n, times = self.config.candidates, self.config.completions
        classes = self.model.spec.num_classes or 1
        if n < times * classes:
            raise UsageError(
                f"{n} candidates are too few for {times} completions of {classes} classes: take more"
            )
        y = every_label(self.model, n, self.rng)
        x = draw_samples(self.model, self.model.sampler(), n, rng=self.rng, y=y).x.cpu()
        dealt = [torch.arange(n) // classes % times == k for k in range(times)]
        labels = None if y is None else y.cpu()
        return [
            TrainingImages(x[d].__getitem__, int(d.sum()), None if labels is None else labels[d])
            for d in dealt
        ]


def in_range(model: EnergyModel, x: Tensor) -> Tensor:
    """`x` clamped to the range in which the energy of `model` was trained, unless that was on noisy data."""
    return x if model.sampler().beyond_range else x.clamp(model.spec.low, model.spec.high)


def usual_start(corrupted: Corrupted) -> Start:
    """Noise where pixels are hidden, the median where they are only suspected, else what is given."""
    if not corrupted.informative:
        return "noise"
    return "given" if corrupted.known is None else "median"

"""Features of images that need no labels: two spaces so unlike that where they agree it is not their doing.

gibbsian-random-v1  what fixed random filters see. At full, half and quarter size: the channels, and the
                    absolute responses of 16 random 3 x 3 filters a size (drawn from seed 0, of mean 0 in
                    every channel and norm 1), each averaged over the quarters of the image; standardised, and
                    turned to their 32 main directions (fewer for few images), by training images. They see
                    colour, brightness, place, contrast and sharpness, and nothing of what is shown.
gibbsian-pixels-v1  the 32 main directions of the pixels of training images, and the distance from these
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional as F

from ..core.random import generator
from ..data.dataset import Dataset, as_floats

NAME, PIXELS = "gibbsian-random-v1", "gibbsian-pixels-v1"
WIDTH, SIZES, QUARTERS, DIRECTIONS, FITTED, CHUNK = 16, 3, 2, 32, 2000, 512


class FittedFeatures:
    """Features fitted to the first 2,000 images of a set."""

    name: str
    mean: Tensor
    directions: Tensor
    deviation = torch.ones(1, dtype=torch.float64)

    @cached_property
    def sha256(self) -> str:
        """64 hexadecimal digits of what was fitted."""
        fitted = torch.cat([self.mean, self.deviation, self.directions.flatten()])
        return hashlib.sha256(fitted.numpy().tobytes()).hexdigest()


class RandomFeatures(FittedFeatures):
    """Responses of fixed random filters; `features` maps images to `(N, 32)` or fewer."""

    name = NAME

    def __init__(self, train: Dataset) -> None:
        self.event_shape = train.event_shape
        rng = generator(0)
        filters = [torch.randn(WIDTH, self.event_shape[0], 3, 3, generator=rng) for _ in range(SIZES)]
        centred = (f - f.mean((2, 3), keepdim=True) for f in filters)
        self.filters = [F.normalize(f.flatten(1)).view_as(f) for f in centred]
        seen = self._seen(as_floats(train.take(min(FITTED, len(train))).x, -1.0, 1.0)).double()
        self.mean, self.deviation = seen.mean(0), seen.std(0, correction=0).clamp(min=1e-6)
        standard = (seen - self.mean) / self.deviation
        most = max(2, min(DIRECTIONS, len(seen) // 4))
        self.directions = torch.linalg.svd(standard, full_matrices=False).Vh[:most].T

    def features(self, x: Tensor, *, low: float = -1.0, high: float = 1.0) -> Tensor:
        """The features of floats `(N, C, H, W)` in [low, high], or of uint8 images, `(N, K)` float64."""
        x = _scaled(x, low, high)
        return ((self._seen(x).double() - self.mean) / self.deviation) @ self.directions

    def _seen(self, x: Tensor) -> Tensor:
        return torch.cat([_averages(part, self.filters) for part in x.float().cpu().split(CHUNK)])


class PixelFeatures(FittedFeatures):
    """Main directions of pixels, and the distance from them; `features` maps images to `(N, 33)` or fewer."""

    name = PIXELS

    def __init__(self, train: Dataset) -> None:
        x = as_floats(train.take(min(FITTED, len(train))).x, -1.0, 1.0).flatten(1).double()
        self.mean, most = x.mean(0), max(2, min(DIRECTIONS, len(x) // 4))
        vectors = torch.linalg.eigh((x - self.mean) @ (x - self.mean).T).eigenvectors[:, -most:]
        self.directions = torch.linalg.qr((x - self.mean).T @ vectors).Q

    def features(self, x: Tensor, *, low: float = -1.0, high: float = 1.0) -> Tensor:
        """The features of floats `(N, C, H, W)` in [low, high], or of uint8 images, `(N, K)` float64."""
        centred = _scaled(x, low, high).cpu().flatten(1).double() - self.mean
        inside = centred @ self.directions
        return torch.cat([inside, (centred - inside @ self.directions.T).norm(dim=1, keepdim=True)], 1)


def _scaled(x: Tensor, low: float, high: float) -> Tensor:
    return as_floats(x, -1.0, 1.0) if x.dtype == torch.uint8 else (x - low) * (2 / (high - low)) - 1


def _averages(x: Tensor, filters: Sequence[Tensor]) -> Tensor:
    found = []
    for weight in filters:
        found += [x, F.conv2d(x, weight, padding=1).abs()]
        found[-2:] = [F.adaptive_avg_pool2d(part, QUARTERS).flatten(1) for part in found[-2:]]
        x = F.avg_pool2d(x, 2) if min(x.shape[2:]) >= 4 else x
    return torch.cat(found, 1)

"""Data as losses see them: dequantised and smoothed by noise."""

from __future__ import annotations

import torch
from torch import Tensor

from ..core.records import Batch
from ..data.settings import PixelConfig


def noised_data(batch: Batch, pixels: PixelConfig, rng: torch.Generator) -> Tensor:
    """The data of a batch as losses see them, `(B, *event)`.

    `pixels` has their range and says whether they are dequantised (uniform noise of one grey level) and
    smoothed (normal noise); `rng` draws both.
    """
    x = batch.x
    if pixels.dequantize:
        span, base = pixels.high - pixels.low, pixels.low
        jitter = torch.rand(x.shape, generator=rng, device=x.device, dtype=x.dtype)
        x = base + (x - base) * (255 / 256) + jitter * (span / 256)
    return with_noise(pixels.noise, x, rng) if pixels.noise else x


def with_noise(sigma: float, x: Tensor, rng: torch.Generator) -> Tensor:
    """`x` plus Gaussian noise of deviation `sigma`."""
    return x + sigma * torch.randn(x.shape, generator=rng, device=x.device, dtype=x.dtype)

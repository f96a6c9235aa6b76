"""Images spoiled in ways that a feature network is to see, and how far each then is from itself.

noise     Gaussian, or a share of pixels drawn anew, of every strength up to uniform noise
blur      Gaussian
content   a box of another image or of one grey, another image laid over, and what is no image: noise of
          every contrast, smooth noise, pixels in another order
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..data.augment import blur

BLUR, KINDS = (0.4, 3.0), 3


def spoiled(x: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """`x` (B, C, H, W) in [-1, 1], six of ten images spoiled, and the severities (B, 3) of the three kinds.

    A severity is the distance to the image as it was over that between two images of `x`, at most 1; what is
    no image has 1.
    """
    apart = (x - x.roll(1, 0)).flatten(1).norm(dim=1).mean().clamp(min=1e-6)
    ways = ((0, _noised), (0, _salted), (1, _blurred), (2, _boxed), (2, _mixed), (2, _random))
    way = torch.randint(-4, len(ways), (len(x),), generator=rng)  # 4 of 10 stay clean
    out, severity = x.clone(), x.new_zeros(len(x), KINDS)
    for k, (kind, change) in enumerate(ways):
        rows = (way == k).nonzero()[:, 0]
        if len(rows):
            out[rows] = changed = change(x[rows], rng).clamp(-1, 1)
            moved = (changed - x[rows]).flatten(1).norm(dim=1) / apart
            severity[rows, kind] = moved.clamp(max=1) if change is not _random else 1.0
    return out, severity


def _uniform(x: Tensor, rng: torch.Generator, low: float = 0.0, high: float = 1.0) -> Tensor:
    return low + (high - low) * torch.rand(len(x), 1, 1, 1, generator=rng)


def _pixels(x: Tensor, rng: torch.Generator) -> Tensor:
    return 2 * torch.rand(x.shape, generator=rng) - 1


def _noised(x: Tensor, rng: torch.Generator) -> Tensor:
    return x + _uniform(x, rng, math.log(0.05), math.log(2)).exp() * torch.randn(x.shape, generator=rng)


def _salted(x: Tensor, rng: torch.Generator) -> Tensor:
    drawn = torch.rand(len(x), 1, *x.shape[2:], generator=rng) < _uniform(x, rng)
    return torch.where(drawn, _pixels(x, rng), x)


def _blurred(x: Tensor, rng: torch.Generator) -> Tensor:
    for _ in range(1 + int(torch.randint(3, (), generator=rng))):  # one pass is as wide as 5 pixels at most
        x = blur(x, rng, sigma=BLUR)
    return x


def _boxed(x: Tensor, rng: torch.Generator) -> Tensor:
    inside = torch.ones(1, dtype=torch.bool)
    for axis in (2, 3):
        place = torch.linspace(0, 1, x.shape[axis]).view([-1 if a == axis else 1 for a in range(4)])
        begin = _uniform(x, rng, -0.3, 0.9)
        inside = inside & (place >= begin) & (place < begin + _uniform(x, rng, 0.2, 0.8))
    fill = torch.where(_uniform(x, rng) < 0.5, x.roll(1, 0), _uniform(x, rng, -1, 1))
    return torch.where(inside, fill, x)


def _mixed(x: Tensor, rng: torch.Generator) -> Tensor:
    return torch.lerp(x, x.roll(1, 0), _uniform(x, rng, 0, 0.5))


def _random(x: Tensor, rng: torch.Generator) -> Tensor:
    noise = _pixels(x, rng)
    order = torch.randperm(x[0, 0].numel(), generator=rng)
    kinds = (
        noise,
        _uniform(x, rng, -1, 1) + _uniform(x, rng, 0, 3) * noise,
        x.flatten(2)[:, :, order].view_as(x),
        _uniform(x, rng, 2, 6) * blur(noise, rng, sigma=(0.5, 2.0)),
    )
    which = torch.randint(len(kinds), (len(x),), generator=rng)
    return torch.stack(kinds)[which, torch.arange(len(x))]

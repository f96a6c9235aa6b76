"""Random augmentations of a batch of images, each image with numbers of its own.

    x = augment(x, AugmentConfig(crop=1.0, flip=0.5), rng, low=0.0, high=1.0)

Between two chains an augmentation is a proposal that Langevin steps could not make: a crop or a flip
carries an image to another part of the data (Y. Du, S. Li, J. Tenenbaum, I. Mordatch, ICML 2021, arXiv
2012.01316; the set of T. Chen et al., ICML 2020, arXiv 2002.05709, without hue). It needs plausible
images to be plausible again: flips make no digits.
"""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from ..core.errors import UsageError
from ..core.position import expand
from .settings import AugmentConfig

RATIO = 4 / 3
RADIUS = 2
LUMA = (0.299, 0.587, 0.114)


@torch.no_grad()
def augment(
    x: Tensor, config: AugmentConfig, rng: torch.Generator, *, low: float = 0.0, high: float = 1.0
) -> Tensor:
    """Images `(B, C, H, W)` in [low, high], each changed with the probabilities of `config`.

    `rng` is on the device of `x`. Images that no change was drawn for come back as they are, bit for bit, and
    so do positions that are not images; the range is kept.
    """
    if x.dim() != 4:
        return x
    if config.shift:
        x = shift(x, rng, pixels=config.shift)
    changes = (
        (config.crop, partial(crop, scale=config.crop_scale)),
        (config.flip, flip),
        (config.jitter, partial(jitter, strength=config.strength, low=low, high=high)),
        (config.blur, partial(blur, sigma=config.blur_sigma)),
    )
    for probability, change in changes:
        if probability > 0:
            chosen = torch.rand(len(x), generator=rng, device=x.device) < probability
            x = torch.where(expand(chosen, x), change(x, rng), x)
    return x


def shift(x: Tensor, rng: torch.Generator, *, pixels: int = 4) -> Tensor:
    """Each image moved by whole pixels, uniform in -pixels to pixels both ways, its borders reflected.

    This is padding by `pixels` and cropping to the old size (S. Zagoruyko, N. Komodakis, BMVC 2016). Raises
    `UsageError` for images that are not larger than `pixels`.
    """
    height, width = x.shape[2:]
    if min(height, width) <= pixels:
        raise UsageError(f"augment.shift is {pixels} for images of {height}x{width} pixels: take less")
    down, across = torch.randint(2 * pixels + 1, (2, len(x)), generator=rng, device=x.device)
    rows = down[:, None] + torch.arange(height, device=x.device)
    columns = across[:, None] + torch.arange(width, device=x.device)
    image = torch.arange(len(x), device=x.device)[:, None, None]
    padded = F.pad(x, (pixels,) * 4, mode="reflect").permute(0, 2, 3, 1)
    return padded[image, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def crop(x: Tensor, rng: torch.Generator, *, scale: tuple[float, float] = (0.08, 1.0)) -> Tensor:
    """A random box of each image, resized bilinearly to the whole; scale (1, 1) changes nothing.

    Its share of the area is uniform in `scale`; the ratio of its sides (as shares) log-uniform in [3/4, 4/3],
    as far as the box then fits; its place uniform.
    """
    area, ratio, across, down = _uniform(4, x, rng)
    area = scale[0] + (scale[1] - scale[0]) * area
    width = (area * RATIO ** (2 * ratio - 1)).sqrt().clamp(max=1.0).maximum(area)
    height = area / width
    zero = torch.zeros_like(area)
    rows = (width, zero, (1 - width) * (2 * across - 1), zero, height, (1 - height) * (2 * down - 1))
    grid = F.affine_grid(torch.stack(rows, 1).view(-1, 2, 3), list(x.shape), align_corners=False)
    out = F.grid_sample(x, grid, mode="bilinear", padding_mode="border", align_corners=False)
    return _within(out, x)


def flip(x: Tensor, rng: torch.Generator) -> Tensor:
    """Each image mirrored left to right; `rng` is not used."""
    return x.flip(-1)


def jitter(
    x: Tensor, rng: torch.Generator, *, strength: float = 0.8, low: float = 0.0, high: float = 1.0
) -> Tensor:
    """Brightness, then contrast, then saturation times a factor uniform in 1 +- strength.

    Brightness scales the distance from `low`, contrast that from the image's mean grey, saturation that from
    each pixel's grey. Only images of 3 channels have a saturation to change.
    """
    brightness, contrast, saturation = (expand(f, x) for f in 1 + strength * (2 * _uniform(3, x, rng) - 1))
    u = ((x - low) / (high - low) * brightness).clamp(0, 1)
    mean = _grey(u).mean((1, 2, 3), keepdim=True)
    u = torch.lerp(mean, u, contrast).clamp(0, 1)
    if x.shape[1] == 3:
        u = torch.lerp(_grey(u), u, saturation).clamp(0, 1)
    return (low + u * (high - low)).clamp(low, high)


def blur(x: Tensor, rng: torch.Generator, *, sigma: tuple[float, float] = (0.1, 2.0)) -> Tensor:
    """A Gaussian blur over 5 x 5 pixels, its deviation in pixels uniform in `sigma`; borders are repeated."""
    width = sigma[0] + (sigma[1] - sigma[0]) * _uniform(1, x, rng)[0]
    offset = torch.arange(-RADIUS, RADIUS + 1, dtype=x.dtype, device=x.device)
    kernel = (-(offset**2) / (2 * width[:, None] ** 2)).softmax(1)
    padded = F.pad(x, (RADIUS,) * 4, mode="replicate")
    taps = 2 * RADIUS + 1
    out = torch.einsum("bchwk,bk->bchw", padded.unfold(3, taps, 1), kernel)
    return _within(torch.einsum("bchwk,bk->bchw", out.unfold(2, taps, 1), kernel), x)


def _uniform(count: int, x: Tensor, rng: torch.Generator) -> Tensor:
    return torch.rand(count, len(x), generator=rng, dtype=x.dtype, device=x.device)


def _grey(x: Tensor) -> Tensor:
    """`(B, 1, H, W)`: the luma of colours, the mean of any other channels."""
    if x.shape[1] != 3:
        return x.mean(1, keepdim=True)
    return (x * x.new_tensor(LUMA).view(3, 1, 1)).sum(1, keepdim=True)


def _within(out: Tensor, x: Tensor) -> Tensor:
    """Interpolation never leaves an image's own range; rounding may not either."""
    return out.clamp(x.amin((1, 2, 3), keepdim=True), x.amax((1, 2, 3), keepdim=True))

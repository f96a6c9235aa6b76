"""Images made smaller by averaging squares, larger by repeating pixels: `shrink` undoes `enlarge`."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from ..core.errors import UsageError


def shrink(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Images `(B, C, H, W)` as `(B, C, *size)`, each pixel the mean of a block; `x` itself at its own size.

    Raises `UsageError` unless `size` divides (H, W).
    """
    height, width = _ratio(tuple(x.shape[-2:]), size)
    return x if height == width == 1 else F.avg_pool2d(x, (height, width))


def enlarge(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Images `(B, C, h, w)` as `(B, C, *size)`, each pixel a block of copies; `x` itself at its own size.

    Raises `UsageError` unless (h, w) divides `size`.
    """
    height, width = _ratio(size, tuple(x.shape[-2:]))
    return x if height == width == 1 else x.repeat_interleave(height, -2).repeat_interleave(width, -1)


def _ratio(large: tuple[int, ...], small: tuple[int, ...]) -> tuple[int, int]:
    if any(a % b for a, b in zip(large, small, strict=True)):
        raise UsageError(
            f"images of {large[0]}x{large[1]} pixels are no multiple of {small[0]}x{small[1]}: choose sizes "
            "that divide one another"
        )
    return large[0] // small[0], large[1] // small[1]

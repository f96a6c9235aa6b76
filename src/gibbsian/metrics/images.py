"""Two images compared, and the classical filters that a restoration has to beat. Pixels lie in [0, 1].

    PSNR    10 log10(1 / mean squared error), in decibels
    SSIM    mean over windows of (2 mx my + c1)(2 sxy + c2) / ((mx^2 + my^2 + c1)(sx^2 + sy^2 + c2)),
            Gaussian windows of 11 pixels, deviation 1.5, c1 = .01^2, c2 = .03^2 (Wang et al. 2004)
    TV      argmin_u |u - x|^2 / 2 + weight * sum |grad u| (Rudin, Osher and Fatemi 1992), by projection
            of the dual (A. Chambolle, An algorithm for total variation minimization, JMIV 20, 2004)
    median  of a square window (Tukey 1977)

Everything works on batches `(B, C, H, W)`; channels are treated apart.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from ..core.errors import UsageError, require_not_negative, require_positive

WINDOW, DEVIATION = 11, 1.5
C1, C2 = 0.01**2, 0.03**2
DUAL_STEP = 0.125
"""Largest step for which Chambolle proves convergence (theorem 3.1)."""


def psnr(x: Tensor, y: Tensor, mask: Tensor | None = None) -> Tensor:
    """Peak signal-to-noise ratio in decibels, `(B,)` float64; infinite for equal images.

    With a bool `mask`, which broadcasts to the images, only the pixels where it is True count. Raises
    `UsageError` for shapes that differ, or a mask without a pixel.
    """
    _require_alike(x, y)
    error = (x.double() - y.double()).square()
    if mask is None:
        return -10 * error.flatten(1).mean(1).log10()
    chosen = mask.expand_as(error).flatten(1)
    if not bool(chosen.any(1).all()):
        raise UsageError("the mask of an image has no pixel: there is nothing to compare")
    return -10 * ((error.flatten(1) * chosen).sum(1) / chosen.sum(1)).log10()


def ssim(x: Tensor, y: Tensor) -> Tensor:
    """Structural similarity (Wang et al. 2004, equation 13), at most 1, `(B,)` float64.

    Windows lie inside the image; on images under 11 pixels they are as large as fits, and odd. Raises
    `UsageError` for shapes that differ.
    """
    _require_alike(x, y)
    a, b = x.double(), y.double()
    mean_a, mean_b = _blurred(a), _blurred(b)
    variance_a = _blurred(a * a) - mean_a.square()
    variance_b = _blurred(b * b) - mean_b.square()
    shared = _blurred(a * b) - mean_a * mean_b
    light = (2 * mean_a * mean_b + C1) / (mean_a.square() + mean_b.square() + C1)
    structure = (2 * shared + C2) / (variance_a + variance_b + C2)
    return (light * structure).flatten(1).mean(1)


def window(size: int) -> Tensor:
    """Weights `(size, size)` float64 of the windows of `ssim`, summing to 1."""
    place = torch.arange(size, dtype=torch.float64) - (size - 1) / 2
    line = (-place.square() / (2 * DEVIATION**2)).exp()
    return torch.outer(line, line) / line.sum() ** 2


def total_variation(x: Tensor, weight: float, steps: int = 100) -> Tensor:
    """`x` with its total variation lowered: u = x - weight * div p, p from `steps` of

        p <- (p + t grad(div p - x / weight)) / (1 + t |grad(div p - x / weight)|),   t = 1/8

    (Chambolle 2004, equation 9). `weight` 0 returns `x`; a constant image stays as it is. Raises `UsageError`
    for a negative weight, or no step.
    """
    require_not_negative(weight=weight)
    require_positive(steps=steps)
    if not weight:
        return x
    p = x.new_zeros(2, *x.shape)
    for _ in range(steps):
        slope = _gradient(_divergence(p) - x / weight)
        p = (p + DUAL_STEP * slope) / (1 + DUAL_STEP * slope[0].hypot(slope[1]))
    return x - weight * _divergence(p)


def variation_objective(u: Tensor, x: Tensor, weight: float) -> Tensor:
    """|u - x|^2 / 2 + weight * sum |grad u|, `(B,)`: what `total_variation` lowers."""
    down, right = _gradient(u)
    rough = down.hypot(right).flatten(1).sum(1)
    return (u - x).square().flatten(1).sum(1) / 2 + weight * rough


def median_filter(x: Tensor, size: int = 3) -> Tensor:
    """The median of the `size` x `size` pixels about each, edges repeated.

    Raises `UsageError` for even sizes.
    """
    if size < 1 or size % 2 == 0:
        raise UsageError(f"size is {size}: the window of a median filter is odd, such as 3")
    padded = functional.pad(x, (size // 2,) * 4, mode="replicate")
    return padded.unfold(2, size, 1).unfold(3, size, 1).flatten(4).median(4).values


def _gradient(u: Tensor) -> Tensor:
    """Forward differences down and to the right `(2, B, C, H, W)`, 0 at the last row and column."""
    down, right = torch.zeros_like(u), torch.zeros_like(u)
    down[..., :-1, :] = u[..., 1:, :] - u[..., :-1, :]
    right[..., :-1] = u[..., 1:] - u[..., :-1]
    return torch.stack([down, right])


def _divergence(p: Tensor) -> Tensor:
    """Minus the transpose of `_gradient`."""
    down, right = p
    out = torch.zeros_like(down)
    out[..., :-1, :] += down[..., :-1, :]
    out[..., 1:, :] -= down[..., :-1, :]
    out[..., :-1] += right[..., :-1]
    out[..., 1:] -= right[..., :-1]
    return out


def _blurred(x: Tensor) -> Tensor:
    """Weighted means over the windows inside the image."""
    size = min(WINDOW, x.shape[2] - 1 + x.shape[2] % 2, x.shape[3] - 1 + x.shape[3] % 2)
    weights = window(size).to(x.device).expand(x.shape[1], 1, size, size)
    return functional.conv2d(x, weights, groups=x.shape[1])


def _require_alike(x: Tensor, y: Tensor) -> None:
    if x.shape != y.shape or x.dim() != 4:
        raise UsageError(
            f"images of shapes {tuple(x.shape)} and {tuple(y.shape)}: give two batches (B, C, H, W) alike"
        )

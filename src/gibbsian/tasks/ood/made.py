"""Sets outside that are made: from random numbers, or from the rows inside."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ...core.errors import UsageError


def noise(inside: Tensor, n: int, rng: torch.Generator) -> Tensor:
    """Every value uniform, of numbers between the least and the greatest of its place."""
    if inside.is_floating_point():
        low, high = inside.amin(0), inside.amax(0)
        return low + (high - low) * torch.rand(n, *inside.shape[1:], generator=rng)
    return torch.randint(256, (n, *inside.shape[1:]), generator=rng).to(torch.uint8)


def gaussian(inside: Tensor, n: int, rng: torch.Generator) -> Tensor:
    """N(.5, .5^2), clipped: a third of the values lies at either end; of numbers as the inside has them."""
    xi = torch.randn(n, *inside.shape[1:], generator=rng)
    if inside.is_floating_point():
        return inside.mean(0) + inside.std(0) * xi
    return _bytes(0.5 + 0.5 * xi)


def constant(inside: Tensor, n: int, rng: torch.Generator) -> Tensor:
    """One grey, or one colour, for each image."""
    colours = inside.shape[3:]
    values = torch.rand(n, 1, 1, *colours, generator=rng)
    return _bytes(values.expand(n, *inside.shape[1:]))


def interpolation(inside: Tensor, n: int, rng: torch.Generator) -> Tensor:
    """Means of two different inside rows, each taking part in two of them; at most as many as there are."""
    order = torch.randperm(len(inside), generator=rng)
    other = order.roll(max(1, len(order) // 3))
    pairs = torch.stack([inside[order], inside[other]]).double().mean(0)
    return (pairs.float() if inside.is_floating_point() else pairs.round().to(torch.uint8))[:n]


def flipped(inside: Tensor, n: int, rng: torch.Generator) -> Tensor:
    """Inside images upside down."""
    return inside[:n].flip(1)


MADE: dict[str, tuple[Callable[[Tensor, int, torch.Generator], Tensor], str]] = {
    "noise": (noise, "uniform on the 256 values"),
    "gaussian": (gaussian, "N(.5, .5^2) clipped to [0, 1]"),
    "constant": (constant, "one value a channel and image, uniform"),
    "interpolation": (interpolation, "means of two inside images"),
    "flipped": (flipped, "inside images upside down"),
}
NUMBERS = {
    "noise": "uniform between the least and the greatest of each number",
    "gaussian": "N(mean, deviation^2) of each number",
    "interpolation": "means of two inside rows",
}
"""The sets that can be made of rows of numbers, and what they are then."""


def made_set(name: str, inside: Tensor, n: int, rng: torch.Generator) -> tuple[Tensor, str]:
    """`n` rows of the set `name` and what they are; raises `UsageError` for images only, given numbers."""
    make, what = MADE[name]
    if inside.is_floating_point() and name not in NUMBERS:
        raise UsageError(
            f"{name} is a set of images, and these are rows of numbers: name {', '.join(NUMBERS)}"
        )
    return make(inside, n, rng), NUMBERS[name] if inside.is_floating_point() else what


def _bytes(x: Tensor) -> Tensor:
    """Numbers in [0, 1], clipped to it, as 0 to 255."""
    return (x.clamp(0, 1) * 255).round().to(torch.uint8)

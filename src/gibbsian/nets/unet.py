"""A U-shaped residual network, mostly an inner product: E(x, y) = -<x, f(x, y)> - root(D) b(x, y).

The form of `nets.residual_mlp`, for images: f sees 2 x 2 pixels as four maps, so that its finest maps have
half the side of x, and each of `channels` halves it once more.

    down      residual blocks of two 3 x 3 convolutions, then 2 x 2 places as one
    middle    g = act(gain(y) A norm(h) + bias(y)), h <- h + B g: what one place has to do with all others
    up        places taken apart, the maps of the way down added, blocks again
    f, b      a 3 x 3 convolution of the finest maps; a line in g

A block is h <- h + B act(A act(gain(y) norm(h) + bias(y))), norm(h) = h over its root mean square, all places
and maps together. Blocks and the middle begin as nothing, f at .3 of its usual size, b at 0.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..core.errors import UsageError
from .conv import image_channels
from .dropout import Dropout
from .layers import LabelVector, activation, check_event, check_label, spread
from .precision import widened
from .settings import UNetConfig


def normed(h: Tensor) -> Tensor:
    """`h` `(B, ...)` over the root of its mean square, a row each."""
    wide = widened(h)
    return (wide * (wide.flatten(1).square().mean(1) + 1e-6).rsqrt().view(-1, *[1] * (h.dim() - 1))).to(
        h.dtype
    )


def silenced(layer: nn.Module) -> nn.Module:
    """`layer` with weights and bias of 0."""
    for weights in layer.parameters():
        nn.init.zeros_(weights)
    return layer


class Block(nn.Module):
    """Maps `(B, C, H, W)` and what two convolutions, told y, add to them."""

    def __init__(self, maps: int, labels: int, act: nn.Module, dropout: float) -> None:
        super().__init__()
        self.act = act
        self.gain, self.bias = LabelVector(maps, labels, start=1.0), LabelVector(maps, labels)
        self.first = nn.Conv2d(maps, maps, 3, padding=1)
        self.second = silenced(nn.Conv2d(maps, maps, 3, padding=1))
        self.dropout = Dropout(dropout) if dropout else nn.Identity()

    def forward(self, h: Tensor, y: Tensor | None) -> Tensor:
        inner = self.act(normed(h) * spread(self.gain(y), h) + spread(self.bias(y), h))
        out: Tensor = self.dropout(h + self.second(self.act(self.first(inner))))
        return out


def through(blocks: nn.Module, h: Tensor, y: Tensor | None) -> Tensor:
    """`h` after each block in turn."""
    for block in blocks.children():
        h = block(h, y)
    return h


class UNet(nn.Module):
    """E(x) or E(x, y) of images `(B, C, H, W)`, `(B,)`; y are rows `(B, label_size)` or class numbers `(B,)`.

    Sides that cannot be halved once for each of `channels` are padded by zeros. Raises `UsageError` for an
    event that is no image, and where a network with labels is called without.
    """

    def __init__(self, event_shape: tuple[int, ...], config: UNetConfig) -> None:
        super().__init__()
        self.event_shape, self.labels = tuple(event_shape), config.label_size
        inputs, maps, middle = image_channels(event_shape), config.channels, config.middle
        (height, width), parts = self.event_shape[1:], 2 ** len(maps)
        self.pad = (0, -width % parts, 0, -height % parts)
        places = -(-height // parts) * -(-width // parts)
        self.act = activation(config.activation, config.negative_slope)

        def blocks() -> nn.ModuleList:
            return nn.ModuleList(
                nn.ModuleList(Block(m, self.labels, self.act, config.dropout) for _ in range(config.blocks))
                for m in maps
            )

        area, steps = maps[-1] * places, list(zip(maps, maps[1:], strict=False))
        self.stem = nn.Conv2d(4 * inputs, maps[0], 3, padding=1)
        self.before, self.after = blocks(), blocks()
        self.down = nn.ModuleList(nn.Conv2d(4 * a, b, 1) for a, b in steps)
        self.up = nn.ModuleList(nn.Conv2d(b, 4 * a, 1) for a, b in steps)
        self.inner, self.outer = nn.Linear(area, middle), silenced(nn.Linear(middle, area))
        self.gain, self.bias = LabelVector(middle, self.labels, start=1.0), LabelVector(middle, self.labels)
        self.out, self.number = nn.Conv2d(maps[0], 4 * inputs, 3, padding=1), silenced(nn.Linear(middle, 1))
        with torch.no_grad():
            self.out.weight.mul_(0.3)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        check_event(x, self.event_shape)
        check_label(y, self.labels, len(x))
        if y is None and self.labels:
            raise UsageError("this network was called without labels: give y, classes or conditions")
        f, b = self.parts(x, y)
        return -(x * f).flatten(1).sum(1) - x[0].numel() ** 0.5 * b

    def parts(self, x: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """f(x, y), of the shape of `x`, and b(x, y) `(B,)`."""
        h, seen = self.stem(F.pixel_unshuffle(F.pad(x, self.pad), 2)), list[Tensor]()
        for k, blocks in enumerate(self.before):
            h = through(blocks, self.down[k - 1](F.pixel_unshuffle(h, 2)) if k else h, y)
            seen.append(h)
        g = self.act(self.inner(normed(h).flatten(1)) * self.gain(y) + self.bias(y))
        h = h + self.outer(g).view_as(h)
        for k in reversed(range(len(seen))):
            h = through(self.after[k], h, y)
            h = seen[k - 1] + F.pixel_shuffle(self.up[k - 1](h), 2) if k else h
        f = F.pixel_shuffle(self.out(self.act(normed(h))), 2)[..., : x.shape[2], : x.shape[3]]
        return widened(f), widened(self.number(g))[:, 0]

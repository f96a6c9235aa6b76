"""Residual energy network that is told the noise level (R. Gao et al., ICLR 2021, arXiv 2012.08125,
appendix).

    embedding  c = act(W2 act(W1 waves(t)))
    block      shortcut(h) + g * conv2(act(conv1(act(h)) + W c)),   then 2x2 average pooling where it is
    asked for
    end        E = <sum over space of relu(h), W c>

Convolutions are 3x3 with spectral norm; that of conv2 leaves small kernels small, and its kernel starts at
about 0 (g at 1), so that each block begins as its shortcut, as in the released code. Shortcuts are 1x1 (3x3
there), the embedding is as wide as the stem (four times as wide there) and has 64 waves (128 there).
The other networks of this package take the level as a class number and learn a gain and a bias for each:
see `MLP`.
"""

from __future__ import annotations

import math
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..core.errors import UsageError
from .conv import image_channels
from .igebm import NEAR_ZERO, block_pooling
from .layers import activation, check_event, check_label, pooled, spread
from .precision import full_precision, widened
from .settings import LevelsConfig, per_layer
from .spectral import SpectralConv2d, SpectralLinear

WAVES = 32
"""Sines, and as many cosines, that a level is turned into."""


def waves(t: Tensor, count: int = WAVES) -> Tensor:
    """sin and cos of `count` frequencies from 1 to 1e-4, `(B, 2 count)`, of levels `(B,)` (Vaswani et al.
    2017)."""
    falling = torch.arange(count, device=t.device, dtype=torch.float32) / max(count - 1, 1)
    angles = t.float()[:, None] * torch.exp(-math.log(1e4) * falling)
    return torch.cat([angles.sin(), angles.cos()], dim=1)


class LevelBlock(nn.Module):
    """One residual block, `(B, inputs, H, W)` and an embedding `(B, F)` to `(B, outputs, H', W')`."""

    def __init__(self, inputs: int, outputs: int, embedding: int, act: nn.Module, *, down: bool) -> None:
        super().__init__()
        self.act, self.down = act, down
        self.conv1 = SpectralConv2d(inputs, outputs, 3, padding=1)
        self.conv2 = SpectralConv2d(outputs, outputs, 3, padding=1, lower_bound=True, std=NEAR_ZERO)
        nn.init.zeros_(cast(Tensor, self.conv2.bias))
        self.told = SpectralLinear(embedding, outputs)
        self.gain = nn.Parameter(torch.ones(outputs))
        self.shortcut = nn.Identity() if inputs == outputs else SpectralConv2d(inputs, outputs, 1)

    def forward(self, h: Tensor, c: Tensor) -> Tensor:
        inner = self.conv1(self.act(h))
        inner = self.conv2(self.act(inner + spread(self.told(c), inner)))
        h = self.shortcut(h) + spread(self.gain, inner) * inner
        return F.avg_pool2d(h, 2) if self.down else h


class LevelNet(nn.Module):
    """E(x, t) of images `(B, C, H, W)` and levels `t` `(B,)` int64 in [0, levels); returns `(B,)`. A floating
    `(B, levels)` matrix blends the waves of several levels.

    `channels` are the maps of the stem and of each block, `strides` says 2 where a block pools (1 for the
    stem; short lists repeat their last entry). Raises `UsageError` for an event that is not an image or is
    pooled to nothing, and without levels.
    """

    def __init__(self, event_shape: tuple[int, ...], config: LevelsConfig) -> None:
        super().__init__()
        if config.classes < 1:
            raise UsageError("network 'levels' needs noise levels: use it for drl, or set net.classes")
        config.refuse_condition("levels")
        self.event_shape, self.levels, channels = tuple(event_shape), config.classes, config.channels
        downs = block_pooling(self.event_shape[1:], per_layer("strides", config.strides, len(channels)))
        self.act, width = activation(config.activation, config.negative_slope), channels[0]
        self.stem = SpectralConv2d(image_channels(event_shape), width, 3, padding=1)
        self.embed = nn.ModuleList([SpectralLinear(2 * WAVES, width), SpectralLinear(width, width)])
        self.blocks = nn.ModuleList(
            LevelBlock(a, b, width, self.act, down=down)
            for a, b, down in zip(channels[:-1], channels[1:], downs, strict=True)
        )
        self.head = nn.Linear(width, channels[-1])

    def forward(self, x: Tensor, t: Tensor | None = None) -> Tensor:
        check_event(x, self.event_shape)
        if t is None:
            raise UsageError("network 'levels' was called without labels: give the noise level of every row")
        check_label(t, self.levels, len(x))
        h, c = self.stem(x), self.embedding(t)
        for block in self.blocks:
            h = block(h, c)
        with full_precision(h):
            energy: Tensor = (pooled(F.relu(h), "sum") * self.head(widened(c))).sum(1)
        return energy

    def embedding(self, t: Tensor) -> Tensor:
        """c `(B, channels[0])`."""
        every = waves(torch.arange(self.levels, device=t.device)).to(self.head.weight.dtype)
        c = t.to(every.dtype) @ every if t.is_floating_point() else every[t]
        for layer in self.embed:
            c = self.act(layer(c))
        return c

"""Residual energy network of IGEBM (Y. Du and I. Mordatch, NeurIPS 2019, arXiv 1903.08689, and its code).

    stem     act(conv(x + b))
    block    act(pool(gain * conv2(dropout(act(conv1(h + b1))) + b2) + bypass(h)))
    end      sum over space of relu(h), then one linear layer to E

All convolutions are 3x3 with spectral norm and without a bias of their own: the learned bias sits on
the *input* of a convolution. The second convolution of a block starts at about 1e-10 under the
lower-bound spectral norm, which leaves small kernels small, so each block starts as its bypass; the
plain norm would blow that kernel up to norm 1. Blocks pool before their last activation. There is no
normalisation over the batch: chains stay independent.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from ..core.errors import UsageError
from .conv import image_channels
from .dropout import Dropout
from .layers import EnergyHead, EnergyNet, LabelVector, activation, pooled, spread
from .settings import ResidualConfig, per_layer
from .spectral import SpectralConv2d

NEAR_ZERO = 1e-10


class ResBlock(nn.Module):
    """One residual block, `(B, inputs, H, W)` to `(B, outputs, H', W')`; H' = H // 2 with `down`.

    With `classes`, b2 and the gain depend linearly on the label (the identity at the start). The
    bypass is the identity, or a 3x3 convolution where the number of maps changes.
    """

    def __init__(
        self, inputs: int, outputs: int, act: nn.Module, *, down: bool, dropout: float = 0.0, classes: int = 0
    ) -> None:
        super().__init__()
        self.act, self.down = act, down
        self.bias1, self.bias2 = LabelVector(inputs), LabelVector(outputs, classes)
        self.gain = LabelVector(outputs, classes, start=1.0)
        self.conv1 = conv3x3(inputs, outputs)
        self.conv2 = conv3x3(outputs, outputs, std=NEAR_ZERO, lower_bound=True)
        self.dropout = Dropout(dropout)
        self.bypass = nn.Identity() if inputs == outputs else conv3x3(inputs, outputs)

    def forward(self, h: Tensor, y: Tensor | None = None) -> Tensor:
        inner = self.dropout(self.act(self.conv1(h + spread(self.bias1(), h))))
        inner = self.conv2(inner + spread(self.bias2(y), inner))
        h = inner * spread(self.gain(y), inner) + self.bypass(h)
        return self.act(F.avg_pool2d(h, 2) if self.down else h)


class IGEBMNet(EnergyNet):
    """E(x) or E(x, y) of images `(B, C, H, W)`; returns `(B,)`.

    `channels` are the maps of the stem and of each block; `strides` says 2 where the block pools (the
    stem's entry must be 1; short lists repeat their last entry). With `classes`, `y` is class numbers
    `(B,)` or a floating `(B, classes)` matrix, with a `condition` its rows; a logits head is a joint
    model (see `EnergyHead`). Raises `UsageError` for an event that is not an image, or is pooled to nothing.
    """

    def __init__(self, event_shape: tuple[int, ...], config: ResidualConfig) -> None:
        super().__init__()
        self.event_shape, inputs, channels = tuple(event_shape), image_channels(event_shape), config.channels
        downs = block_pooling(self.event_shape[1:], per_layer("strides", config.strides, len(channels)))
        self.act = activation(config.activation, config.negative_slope)
        self.bias = LabelVector(inputs)
        self.stem = conv3x3(inputs, channels[0])
        self.head = EnergyHead(
            channels[-1],
            config.head_hidden,
            self.act,
            classes=config.label_size,
            joint=config.joint,
            spectral=True,
        )
        labels = self.head.modulating
        self.blocks = nn.ModuleList(
            ResBlock(a, b, self.act, down=down, dropout=config.dropout, classes=labels)
            for a, b, down in zip(channels[:-1], channels[1:], downs, strict=True)
        )

    def features(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Features summed over space, `(B, channels[-1])`."""
        h = self.act(self.stem(x + spread(self.bias(), x)))
        for block in self.blocks:
            h = block(h, y)
        return pooled(F.relu(h), "sum")


def conv3x3(inputs: int, outputs: int, *, std: float = 1.0, lower_bound: bool = False) -> SpectralConv2d:
    """A 3x3 convolution that keeps the size, kernel drawn from N(0, std^2)."""
    return SpectralConv2d(inputs, outputs, 3, padding=1, bias=False, lower_bound=lower_bound, std=std)


def block_pooling(size: tuple[int, ...], strides: tuple[int, ...]) -> list[bool]:
    """Which blocks pool by 2; raises `UsageError` for other strides or images too small for the pooling."""
    if strides[0] != 1 or any(s not in (1, 2) for s in strides):
        raise UsageError(f"strides is {strides}: igebm takes 1 for the stem, then 1 or 2 (pooling) a block")
    downs = [s == 2 for s in strides[1:]]
    if min(size) < 2 ** sum(downs):
        raise UsageError(
            f"images of {size[0]}x{size[1]} pixels cannot be halved {sum(downs)} times: "
            "set strides to fewer 2s, such as (1, 2, 1)"
        )
    return downs

"""The classifier of S. Li, Y. Du, G. van de Ven and I. Mordatch, "Energy-Based Models for Continual
Learning", 2020 (arXiv 2011.12216): a label opens and closes the units of one layer.

    unit       E(x, y) = w . relu(h + h g(y)) + b,   |g(y)| = 1                    (dense data)
    softmax    E(x, y) = w . (h g(y)) + b,           g(y) = width softmax(e(y))    (after convolutions)

h is linear in x, or in its feature maps. A gate after a ReLU could only weigh what is open already.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..core.errors import UsageError
from .conv import image_channels, last_map
from .layers import EnergyHead, EnergyNet, check_event
from .settings import GatedConfig


class GatedNet(EnergyNet):
    """E(x, y) of a layer that the label gates.

    Takes `x` `(B, *event_shape)` and `y`, class numbers `(B,)` or a floating `(B, classes)` matrix; returns
    `(B,)`. Raises `UsageError` for fewer than 2 classes, convolutions on anything but images, and images that
    vanish in them.
    """

    def __init__(self, event_shape: tuple[int, ...], config: GatedConfig) -> None:
        super().__init__()
        if config.classes < 2 or config.joint:
            raise UsageError(
                f"network 'gated' with {config.classes} classes and head {config.head}: a label opens its "
                "units, so give 2 classes or more, and the scalar head"
            )
        self.event_shape, self.config = tuple(event_shape), config
        self.convs, features = convolutions(self.event_shape, config.channels)
        self.layer = nn.Linear(features, config.width)
        self.gates = nn.Embedding(config.classes, config.width)
        self.head = EnergyHead(config.width, (), nn.Identity(), classes=config.classes)

    def features(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """The gated layer, `(B, width)`, or of K labels `(B, K)` of each x `(B, K, width)`."""
        assert y is not None
        h = self.layer(self.convs(x).flatten(1))
        gates = y.to(h.dtype) @ self.gates.weight if y.is_floating_point() else self.gates(y)
        h = h[:, None] if gates.dim() == 3 else h
        if self.config.gate == "unit":
            return F.relu(h + h * F.normalize(gates, dim=-1))
        return h * (gates.softmax(-1) * self.config.width)

    def energies(self, x: Tensor, y: Tensor) -> Tensor:
        """E `(B, K)` of K class numbers `y` `(B, K)` of each x, which pass the layers once."""
        check_event(x, self.event_shape)
        out: Tensor = self.head(self.features(x, y).flatten(0, 1))
        return out.unflatten(0, tuple(y.shape))

    def logits(self, x: Tensor) -> Tensor:
        """-E of every label, `(B, classes)`."""
        return -self.energies(x, torch.arange(self.config.classes, device=x.device).expand(len(x), -1))


def convolutions(event_shape: tuple[int, ...], channels: tuple[int, ...]) -> tuple[nn.Sequential, int]:
    """Pairs of 3x3 convolutions, the first of a pair padded, each pair pooled by 2; and how many numbers they
    give.
    """
    if not channels:
        return nn.Sequential(), math.prod(event_shape)
    layers: list[nn.Module] = []
    sizes = []
    inputs = (image_channels(event_shape), *channels[:-1])
    for k, (a, b) in enumerate(zip(inputs, channels, strict=True)):
        layers += [nn.Conv2d(a, b, 3, padding=1 - k % 2), nn.ReLU(), *([nn.MaxPool2d(2)] if k % 2 else [])]
        sizes += [(3, 1, 1 - k % 2), *([(2, 2, 0)] if k % 2 else [])]
    return nn.Sequential(*layers), channels[-1] * math.prod(last_map(event_shape[1:], sizes))

"""Fully connected energy network for points, states and small images."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from .layers import EnergyHead, EnergyNet, LabelVector, activation, linear, spread
from .settings import MLPConfig


class MLP(EnergyNet):
    """E(x) or E(x, y) from dense layers of widths `hidden` over the flattened event.

    Takes `x` `(B, *event_shape)` and, with `classes`, `y` as class numbers `(B,)` or a floating
    `(B, classes)` matrix, with a `condition` its rows; returns `(B,)`. A scalar head with either multiplies
    each hidden layer by a gain of y and adds a bias of y, linear in it, the identity at the start; a logits
    head is a joint model (see `EnergyHead`). `spectral_norm` holds for all but the last layer;
    `sharpness` multiplies the first layer's weights and biases at the start.
    """

    def __init__(self, event_shape: tuple[int, ...], config: MLPConfig) -> None:
        super().__init__()
        self.event_shape, hidden = tuple(event_shape), config.hidden
        self.act = activation(config.activation, config.negative_slope)
        self.head = EnergyHead(hidden[-1], (), self.act, classes=config.label_size, joint=config.joint)
        labels = self.head.modulating
        sizes = (math.prod(self.event_shape), *hidden)
        self.layers = nn.ModuleList(
            linear(a, b, bias=not labels, spectral=config.spectral_norm)
            for a, b in zip(sizes[:-1], hidden, strict=True)
        )
        with torch.no_grad():
            for weights in self.layers[0].parameters() if config.sharpness != 1 else ():
                weights.mul_(config.sharpness)
        self.gains = nn.ModuleList(LabelVector(b, labels, start=1.0) for b in hidden if labels)
        self.biases = nn.ModuleList(LabelVector(b, labels) for b in hidden if labels)

    def features(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """The last hidden layer, `(B, hidden[-1])`."""
        h = x.flatten(1)
        for i, layer in enumerate(self.layers):
            h = layer(h)
            if len(self.gains):
                h = h * spread(self.gains[i](y), h) + spread(self.biases[i](y), h)
            h = self.act(h)
        return h

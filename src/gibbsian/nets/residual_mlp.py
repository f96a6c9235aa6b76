"""A dense residual network, mostly an inner product: E(x, y) = -<x, f(x, y)> - root(D) b(x, y).

Where f is about linear in the size of x, the gradient -(f + J'x), J = df/dx, is about -2 f: a network that
points to the data, which an energy of free form learns only late (T. Salimans, J. Ho, "Should EBMs model the
energy or the score?", 2021; J. Thornton et al., 2025, for this form under noise).

    h = W x,    h <- h + B act(A act(gain(y) norm(h) + bias(y))) a block,    (f, b) = V act(norm(h))

Without the number b, E would be 0 at x = 0 whatever the data, and no normalised energy could be learnt. h
passes through dropout after each block. Blocks begin as the identity, f at a tenth of its usual size, b at 0.
Gains and biases are linear in y.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ..core.errors import UsageError
from .dropout import Dropout
from .layers import LabelVector, activation, check_event, check_label
from .precision import widened
from .settings import ResidualMLPConfig


class Block(nn.Module):
    """What a block adds to h `(B, F)`, given y."""

    def __init__(self, width: int, labels: int, act: nn.Module) -> None:
        super().__init__()
        self.act, self.norm = act, nn.LayerNorm(width, elementwise_affine=False)
        self.gain, self.bias = LabelVector(width, labels, start=1.0), LabelVector(width, labels)
        self.first, self.second = nn.Linear(width, width), nn.Linear(width, width)
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.second.bias)

    def forward(self, h: Tensor, y: Tensor | None) -> Tensor:
        inner = self.act(self.norm(h) * self.gain(y) + self.bias(y))
        out: Tensor = self.second(self.act(self.first(inner)))
        return out


class ResidualMLP(nn.Module):
    """E(x) or E(x, y) of events of any shape, flattened, `(B,)`; y are rows `(B, label_size)` or class
    numbers `(B,)`. Raises `UsageError` where a network with labels is called without.
    """

    def __init__(self, event_shape: tuple[int, ...], config: ResidualMLPConfig) -> None:
        super().__init__()
        self.event_shape, self.labels = tuple(event_shape), config.label_size
        size, width = math.prod(self.event_shape), config.width
        self.act = activation(config.activation, config.negative_slope)
        self.into = nn.Linear(size, width)
        self.blocks = nn.ModuleList(Block(width, self.labels, self.act) for _ in range(config.blocks))
        self.dropout = nn.ModuleList(
            Dropout(config.dropout) for _ in range(config.blocks if config.dropout else 0)
        )
        self.norm, self.out, self.number = nn.LayerNorm(width), nn.Linear(width, size), nn.Linear(width, 1)
        with torch.no_grad():
            self.out.weight.mul_(0.1)
            for weights in self.number.parameters():
                weights.zero_()

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        check_event(x, self.event_shape)
        check_label(y, self.labels, len(x))
        if y is None and self.labels:
            raise UsageError("this network was called without labels: give y, classes or conditions")
        x = x.flatten(1)
        h = self.into(x)
        for i, block in enumerate(self.blocks):
            h = h + block(h, y)
            h = self.dropout[i](h) if len(self.dropout) else h
        h = self.act(self.norm(h))
        f, b = widened(self.out(h)), widened(self.number(h))
        return -(x * f).sum(1) - x.shape[1] ** 0.5 * b[:, 0]

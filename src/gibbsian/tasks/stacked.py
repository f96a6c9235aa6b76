"""A classifier of stacked images: one digit a colour channel, each seen by the same small classifier.

With p_a, p_b, p_c the answers for the three channels, class 100 a + 10 b + c has probability
p_a p_b p_c, and the features are those of the channels side by side.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any

import torch
from torch import Tensor

from ..core.errors import UsageError
from .classifier import Classifier

CHANNELS = 3


@dataclass(frozen=True, eq=False)
class StackedClassifier:
    """Three channels, each for `digit`, a classifier of grey images; used as a `Classifier` is.

    Images are uint8 (N, H, W, 3) as a data set keeps them, or floats (N, 3, H, W) in [low, high];
    results are on the CPU.
    """

    digit: Classifier

    @property
    def event_shape(self) -> tuple[int, ...]:
        """(3, H, W)."""
        return (CHANNELS, *self.digit.event_shape[1:])

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """All triples of the digit's classes, the last one changing fastest: 000, 001, ..., 999."""
        return tuple("".join(triple) for triple in product(self.digit.classes, repeat=CHANNELS))

    @property
    def record(self) -> dict[str, Any]:
        """The digit classifier's record: its accuracy is that of one channel."""
        return {**self.digit.record, "channels": CHANNELS}

    @property
    def name(self) -> str:
        """The feature space, such as gibbsian-small-v1/mnist x 3."""
        return f"{self.digit.name} x {CHANNELS}"

    @property
    def sha256(self) -> str:
        """64 hexadecimal digits of the one net's weights as stored."""
        return self.digit.sha256

    def features(self, x: Tensor, *, low: float = -1.0, high: float = 1.0, chunk: int = 512) -> Tensor:
        """The 3 x 64 features of each image, (N, 192) float32."""
        parts = [self.digit.features(c, low=low, high=high, chunk=chunk) for c in _channels(x)]
        return torch.cat(parts, 1)

    def probabilities(self, x: Tensor, *, low: float = -1.0, high: float = 1.0, chunk: int = 512) -> Tensor:
        """Probability of each triple, (N, C^3) float32, rows summing to 1."""
        a, b, c = (self.digit.probabilities(p, low=low, high=high, chunk=chunk) for p in _channels(x))
        return torch.einsum("na,nb,nc->nabc", a, b, c).flatten(1)

    def answers(self, x: Tensor, *, low: float = -1.0, high: float = 1.0, chunk: int = 512) -> Tensor:
        """Number of the likeliest triple, (N,) int64, without making all C^3 probabilities."""
        a, b, c = (self.digit.answers(p, low=low, high=high, chunk=chunk) for p in _channels(x))
        n = len(self.digit.classes)
        return (a * n + b) * n + c

    def to(self, device: torch.device | str) -> StackedClassifier:
        """The same classifier with its net moved to `device`."""
        self.digit.to(device)
        return self


def _channels(x: Tensor) -> tuple[Tensor, ...]:
    """The three grey images of each, uint8 (N, H, W) or floats (N, 1, H, W)."""
    axis = 3 if x.dtype == torch.uint8 else 1
    if x.dim() != 4 or x.shape[axis] != CHANNELS:
        raise UsageError(f"images have shape {tuple(x.shape)}: a stack has {CHANNELS} channels, one a digit")
    return x.unbind(3) if axis == 3 else x.split(1, 1)

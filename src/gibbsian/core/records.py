"""Two small records that layers pass to one another: a batch of data, a loss."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from .show import one_line


@dataclass(frozen=True)
class Batch:
    """Data of one step: `x` `(B, *event)`, labels `y` `(B,)`, conditions `cond`, data-set `index` `(B,)`."""

    x: Tensor
    y: Tensor | None = None
    cond: Tensor | None = None
    index: Tensor | None = None

    __repr__ = one_line

    def __len__(self) -> int:
        return self.x.shape[0]

    def split(self, parts: int) -> list[Batch]:
        """`parts` micro-batches of (nearly) equal size."""
        pieces = {k: v.tensor_split(parts) for k, v in self._tensors().items()}
        return [Batch(**{k: v[i] for k, v in pieces.items()}) for i in range(parts)]

    def to(self, device: torch.device | str) -> Batch:
        """The same batch on `device`."""
        return replace(self, **{k: v.to(device) for k, v in self._tensors().items()})

    def _tensors(self) -> dict[str, Tensor]:
        fields = {"x": self.x, "y": self.y, "cond": self.cond, "index": self.index}
        return {k: v for k, v in fields.items() if v is not None}


@dataclass(frozen=True)
class Loss:
    """A scalar to minimise and detached numbers to log."""

    value: Tensor
    metrics: dict[str, Tensor] = field(default_factory=dict)

    __repr__ = one_line

    def __add__(self, other: Loss) -> Loss:
        return Loss(self.value + other.value, {**self.metrics, **other.metrics})

    def logging(self, metrics: dict[str, Tensor]) -> Loss:
        """The same loss with more numbers to log."""
        return Loss(self.value, {**self.metrics, **metrics})

"""Several samples that push one another apart, as one position: `(B, M, *event)` is B groups of M samples.

    E(x_1 ... x_M) = sum_i V(x_i) + strength sum_{i < j} exp(-|x_i - x_j|^2 / (2 width^2))

Chains of an energy must not depend on one another, so the samples that do are one chain. Drawing groups
with an interaction explores modes that independent samples rarely reach, as energy matching proposes (M.
Balcerak et al., 2025, arXiv 2504.10612). The bounded repulsion is ours: it vanishes with distance, so that
the density can still be normalised whenever exp(-V) can.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..core.energy import Energy
from ..core.errors import UsageError, require_not_negative, require_positive
from ..core.position import Position
from .context import Index, single


@dataclass(frozen=True, eq=False)
class Interacting:
    """The energy above of groups `(B, M, *event)`; `energy` is V, without context of single chains.

    `strength` is 0 or more, in nats at no distance; `width` positive, in units of the data. Raises
    `UsageError` for values out of range and for positions without a dimension of samples.
    """

    energy: Energy
    strength: float
    width: float

    def __post_init__(self) -> None:
        require_not_negative(strength=self.strength)
        require_positive(width=self.width)

    def __call__(self, x: Position) -> Tensor:
        groups = single(x)
        if groups.dim() < 3:
            raise UsageError(
                f"position has shape {tuple(groups.shape)}: groups of samples are (B, M, *event)"
            )
        own = self.energy(groups.flatten(0, 1)).reshape(groups.shape[:2]).sum(1)
        return own + self.strength * self._repulsion(groups.flatten(2))

    def rows(self, index: Index) -> Interacting:
        """Itself: no context of single chains."""
        return self

    def _repulsion(self, x: Tensor) -> Tensor:
        square = (x[:, :, None] - x[:, None]).square().sum(-1)
        pairs = torch.triu(torch.ones(square.shape[1:], dtype=torch.bool, device=x.device), diagonal=1)
        return (torch.exp(-square / (2 * self.width**2)) * pairs).sum((1, 2))

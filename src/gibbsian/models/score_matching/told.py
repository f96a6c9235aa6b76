"""The energies of a ladder whose network is told the level."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...core.energy import Energy
from ...core.position import Position, batch_size, leaves
from ...core.spec import DataSpec
from ...energies.conditional import Given
from ..net_energy import NetEnergy


class ToldEnergy(NetEnergy):
    """E_i(x, y) of `levels` noise levels: `net` takes rows of a condition with a one-hot level at their end.

    Level 0 has the largest noise; the last is the energy of the model.
    """

    def __init__(self, net: nn.Module, spec: DataSpec, *, levels: int, **more: Any) -> None:
        super().__init__(net, spec, **more)
        self.levels = levels

    def energy_under(self, net: nn.Module, x: Position, y: Tensor | None = None) -> Tensor:
        """E of the last level."""
        last = torch.tensor([self.levels - 1], device=leaves(x)[0].device)
        return super().energy_under(net, x, self._rows(last, y, batch_size(x)))

    def at_level(self, level: int | Tensor, y: Tensor | None = None) -> Energy:
        """E of a level, one or one a row `(B,)`; the last is -1. Raises as `conditional`."""
        self.spec.refuse_labels(y)
        self.spec.refuse_no_condition(y)
        levels = torch.as_tensor(level).reshape(-1) % self.levels
        return Given(self._of_rows, self._rows(levels, y, max(len(levels), 1 if y is None else len(y))))

    def _of_rows(self, x: Position, rows: Tensor) -> Tensor:
        return super().energy_under(self.net, x, rows)

    def _rows(self, level: Tensor, y: Tensor | None, n: int) -> Tensor:
        """Rows `(n, D + levels)` for the network."""
        told = F.one_hot(level, self.levels).float().expand(n, -1)
        if not self.spec.condition:
            return told
        if y is None:
            y = torch.zeros(1, sum(self.spec.condition), device=told.device)
        return torch.cat([y.to(told.device).expand(n, -1), told], 1)

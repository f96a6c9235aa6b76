"""A ladder whose network is told the level: one network, an energy for each level."""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...core.energy import Energy
from ...energies.conditional import Given
from ..labels import asked
from ..net_energy import NetEnergy


class Told(nn.Module):
    """`net` takes rows `(B, size + levels)`, a condition with a one-hot level at their end; here the level
    may be missing, and is then the last, and so may the condition, which is zeros then.
    """

    def __init__(self, net: nn.Module, size: int, levels: int) -> None:
        super().__init__()
        self.net, self.size, self.levels = net, size, levels

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        if y is None or y.shape[1] == self.size:
            y = self.rows(torch.tensor([self.levels - 1], device=x.device), y, len(x))
        out: Tensor = self.net(x, y)
        return out

    def rows(self, level: Tensor, y: Tensor | None, n: int) -> Tensor:
        """`(n, size + levels)` of levels `(n,)` or `(1,)` and conditions `(n, size)`, `(1, size)` or none."""
        told = F.one_hot(level, self.levels).float().expand(n, -1)
        if y is None:
            y = torch.zeros(1, self.size, device=told.device)
        return torch.cat([y.to(told.device).expand(n, -1), told], 1)


def at_level(model: NetEnergy, level: int | Tensor, y: Tensor | None = None) -> Energy:
    """E of a level of a ladder, counted from the largest noise, one or one a row `(B,)`; -1 is the last.

    That is the energy of the model itself where its network is not told levels. Raises as
    `NetEnergy.conditional`.
    """
    if not isinstance(model.net, Told):
        return model.conditional(y)
    y, net = asked(model.spec, y), cast(Told, model.net)
    levels = torch.as_tensor(level).reshape(-1) % net.levels
    return Given(model.energy, net.rows(levels, y, max(len(levels), 1 if y is None else len(y))))

"""Samples as rows of a table: in its units, under the names of its columns, with the names of classes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..models.model import EnergyModel


@dataclass(frozen=True)
class NamedRows:
    """Rows `(N, D)` as float64 under `names`; `y` names the class of each in the column `label`, if any."""

    x: Tensor
    names: list[str]
    y: list[str]
    label: str


def named_rows(model: EnergyModel, x: Tensor, y: Tensor | None = None) -> NamedRows:
    """Samples `x` `(N, *event)` of a model as a table; conditions y `(N, D)` are columns c1, c2, ...

    Rows of a model in units of a table are given as the model sees them, and come back in its units.
    """
    table = model.spec.table
    x = x.detach().cpu().double()
    x = (x if table is None else table.in_units(x)).flatten(1)
    names = list(table.names) if table and table.names else [f"column {i + 1}" for i in range(x.shape[1])]
    classes, label = (table.classes, table.label) if table else ((), "")
    if y is not None and y.is_floating_point():
        x = torch.cat([x, y.cpu().double()], 1)
        names, y = [*names, *(f"c{i + 1}" for i in range(y.shape[1]))], None
    told = [] if y is None else [classes[i] if i < len(classes) else str(i) for i in y.tolist()]
    return NamedRows(x, names, told, label or "label")

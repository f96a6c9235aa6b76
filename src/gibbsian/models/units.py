"""A model in the units of a table: rows go in and samples come out as the table holds them.

The model itself, `inner`, sees standardised columns, on which its chains take one step for all. Here its
density is that of the rows: -log p(x) is that of z = (x - shift) / scale and the sum of log scale.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..core.energy import Energy
from ..core.errors import UsageError
from ..core.position import Position
from ..core.spec import Table
from .capabilities import classifier
from .model import EnergyModel
from .sampler import DataChain, Sampler, WrappedSampler
from .samples import Samples


def in_units(model: EnergyModel) -> EnergyModel:
    """The model as it is seen from outside: `InUnits` where it was trained on standardised columns."""
    table = model.spec.table
    return InUnits(model) if table is not None and table.changes else model


class InUnits(EnergyModel):
    """A model that was trained on standardised columns, in the units of the table: see `spec.table`.

    Tasks look at `inner`, for what they compare should weigh all columns alike.
    """

    def __init__(self, model: EnergyModel) -> None:
        super().__init__(model.spec, model.temperature, model.claims_density)
        self.model, self.joint, self.record = model, model.joint, model.record
        self.samplers = {name: _SamplerInUnits(s, self.table) for name, s in model.samplers.items()}
        self.eval()

    @property
    def inner(self) -> EnergyModel:
        """The model of standardised columns."""
        return self.model

    @property
    def table(self) -> Table:
        """Names and units of the columns."""
        assert self.spec.table is not None
        return self.spec.table

    @property
    def chain_temperature(self) -> float:
        """That of the model."""
        return self.model.chain_temperature

    def __repr__(self) -> str:
        names = f" {', '.join(self.table.names)}" if self.table.names else ""
        return f"{self.model!r}, standardised inside; rows and samples are in the units of the columns{names}"

    def energy(self, x: Position, y: Tensor | None = None) -> Tensor:
        """E of rows `(B, D)` in the units of the table, `(B,)`."""
        return self.model.energy(self.inside(x), y)

    def neg_log_prob(self, x: Position, y: Tensor | None = None) -> Tensor:
        """-log p(x) of rows in the units of the table, `(B,)`, up to a constant unless it is normalised."""
        return self.model.neg_log_prob(self.inside(x), y) + sum(map(math.log, self.table.scale))

    def conditioned(self, y: Tensor | None = None) -> Energy:
        """The energy at labels `y`, of rows in the units of the table."""
        energy = self.model.conditioned(y)
        return lambda x: energy(self.inside(x))

    def logits(self, x: Tensor) -> Tensor:
        """Scores of the classes at rows in the units of the table; raises `UsageError` without classes."""
        return classifier(self.model).logits(self.inside(x))

    def outside(self, drawn: Samples) -> Samples:
        """Samples of the model in the units of the table."""
        return replace(drawn, x=self.table.in_units(drawn.x).float(), range=None)

    def sample(self, n: int, **how: Any) -> Samples:
        """Samples in the units of the table; the arguments are those of `EnergyModel.sample`."""
        sampler = how.pop("sampler", "default")
        own = sampler.inner if isinstance(sampler, _SamplerInUnits) else sampler
        return self.outside(self.model.sample(n, sampler=own, **how))

    def __add__(self, other: EnergyModel) -> EnergyModel:
        """The product of both densities, in the same units: see `composed.product`."""
        return in_units(self.inner + other)

    def save(self, path: Path | str, *, data: str = "") -> Path:
        """Write the model with its table as a model folder, see `EnergyModel.save`."""
        return self.model.save(path, data=data)

    def inside(self, x: Position) -> Tensor:
        """Rows `(B, D)` as the model sees them; raises `UsageError` for another shape."""
        if not isinstance(x, Tensor) or x.dim() != 2 or x.shape[1] != len(self.table.scale):
            shape = tuple(x.shape) if isinstance(x, Tensor) else type(x).__name__
            wanted = f"(B, {len(self.table.scale)})"
            raise UsageError(f"rows are {shape}: this model takes {wanted}, in the units of the table")
        return self.table.standardised(x)


class _SamplerInUnits(WrappedSampler):
    """A sampler whose chains move standardised columns and whose samples are in units."""

    def __init__(self, inner: Sampler, table: Table) -> None:
        super().__init__(inner)
        self.table = table

    def decode(self, position: Position) -> Tensor:
        """Rows in the units of the table."""
        return self.table.in_units(self.inner.decode(position)).float()

    def from_data(self, x: Tensor, rng: torch.Generator, y: Tensor | None = None) -> DataChain:
        """The chain from rows in the units of the table, which moves them standardised."""
        return self.inner.from_data(self.table.standardised(x), rng, y)

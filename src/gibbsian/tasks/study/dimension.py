"""The local intrinsic dimension of data by a model's energy: eigenvalues of its Hessian at held-out images.

    dimension   eigenvalues below a share of the largest: directions along the data
    negative    eigenvalues below 0: directions in which the energy has no minimum here

Means by class, with intervals over images. PCA of all held-out images of the class gives an upper figure to
set beside: the number of components that hold 95 % of the variance.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...core.errors import UsageError
from ...core.random import derive, generator
from ...core.show import tables
from ...data.dataset import Dataset
from ...data.load import load
from ...metrics.dimension import hessian, local_dimension
from ...metrics.interval import Interval
from ...models.model import EnergyModel, device_of
from ...nets.frozen import frozen
from ...report.studies import spectra_by_class
from ...report.tables import over, plain_rows, rows_table

SHARES = (0.01, 0.05, 0.2)
VARIANCE = 0.95


@dataclass(frozen=True)
class DimensionStudy:
    """Means by class with 95 % intervals over images; `spectra` `(images, D)` rising, by class."""

    data: str
    n: int
    seed: int
    rows: dict[str, dict[str, Interval]]
    spectra: dict[str, Tensor] = field(repr=False)

    __repr__ = tables

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {"data": self.data, "n": self.n, "seed": self.seed, "classes": plain_rows(self.rows)}

    def text(self) -> str:
        """One row a class."""
        return rows_table(self.rows, f"{self.data}, {self.n} images a class")

    def figures(self) -> dict[str, Any]:
        """Mean eigenvalues in falling order over the largest, a line a class."""
        return {"spectra": spectra_by_class(self.spectra)}


def study_dimension(
    model: EnergyModel,
    data: str,
    *,
    n: int = 10,
    seed: int = 0,
    data_dir: str | Path | None = None,
    progress: Callable[[str], None] = lambda text: None,
) -> DimensionStudy:
    """The spectrum of the Hessian of the neg_log_prob at `n` held-out images of every class.

    Raises:
        UsageError: data without classes, or fewer than 2 images a class.
    """
    held = load(data, "test", data_dir=data_dir)
    if held.y is None or not held.is_image:
        raise UsageError(f"{data} is no set of labelled images: dimensions are told by class")
    if n < 2:
        raise UsageError(f"n is {n}: take 2 images a class or more")
    rows, spectra = {}, {}
    for label in held.y.unique().tolist():
        progress(f"class {label}")
        x = _images(model, held, label, n, seed)
        values = _spectrum(model, x)
        spectra[str(label)] = values
        told = {f"below {share:g}": local_dimension(values, share) for share in SHARES}
        told["negative"] = (values < 0).sum(1)
        found = {k: over(v.double().tolist()) for k, v in told.items()}
        rows[str(label)] = found | {"PCA": _components(held, label)}
    return DimensionStudy(data, n, seed, rows, spectra)


def _images(model: EnergyModel, held: Dataset, label: int, n: int, seed: int) -> Tensor:
    assert held.y is not None
    index = (held.y == label).nonzero()[:, 0]
    order = torch.randperm(len(index), generator=generator(derive(seed, f"class {label}")))
    low, high = model.spec.low, model.spec.high
    return held.batch(index[order[:n]], low, high).x.to(device_of(model))


def _spectrum(model: EnergyModel, x: Tensor) -> Tensor:
    """Eigenvalues of the neg_log_prob's Hessian, `(n, D)` rising, on the CPU."""
    with frozen(model):
        found = hessian(lambda a: model.neg_log_prob(a), x)
    if not bool(found.any()):
        raise UsageError(
            "the energy has no curvature: its activations are kinked, such as relu; train with swish or tanh"
        )
    return torch.linalg.eigvalsh(found.double().cpu())


def _components(held: Dataset, label: int) -> Interval:
    assert held.y is not None
    x = held.batch((held.y == label).nonzero()[:, 0], -1.0, 1.0).x.flatten(1).double()
    power = torch.linalg.svdvals(x - x.mean(0)).square()
    count = float((power.cumsum(0) < VARIANCE * power.sum()).sum() + 1)
    return Interval(count, count, count)

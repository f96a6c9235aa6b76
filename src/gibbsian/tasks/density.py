"""log p of data by any model that claims a density: -U(x) - log Z, with log Z measured.

    log Z   by annealing from Gaussians of the training rows, one for each class (`tasks.partition`), and in
            one to three dimensions by a grid, which then is what is subtracted

Of images also with uniform noise of a grey level (B. Uria, I. Murray, H. Larochelle, 2013). The bounds are
the mean with the bounds of log Z.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from ..core.device import device_of
from ..core.errors import GibbsianError, UsageError
from ..core.random import derive, generator
from ..core.show import tables
from ..data.dataset import Dataset
from ..metrics.interval import Interval, mean_interval
from ..metrics.likelihood import STEPS, bits_per_dimension
from ..models.model import EnergyModel
from ..report.tables import cell, plain
from ..report.tables import table as drawn
from .chains import neg_log_probs
from .partition.bases import fitted_normals
from .partition.measure import log_partition
from .partition.quadrature import FIRST, Quadrature, quadrature
from .partition.result import LogPartition

AS_THEY_ARE, DEQUANTISED = "log p", "log p, dequantised"
GAUSSIAN, GAUSSIANS = "one Gaussian of the training rows", "a Gaussian for each class"


@dataclass(frozen=True, eq=False)
class DensityLikelihood:
    """Mean log p of `n` rows in nats, log Z subtracted; 95 % over rows and of log Z.

    `rows`: log p of each row, `(n,)` float64, by the first of `means`. `log_z`: by annealing; `grid`: by
    quadrature, in one to three dimensions. `span`: of the grey levels of images. `doubt`: why log Z counts as
    not known, empty where it does.
    """

    data: str
    n: int
    dimensions: int
    means: dict[str, Interval]
    bounds: tuple[float, float]
    rows: Tensor
    log_z: LogPartition
    grid: Quadrature | None
    span: float | None
    doubt: str

    __repr__ = tables

    def bits(self, nats: float) -> float:
        """Bits a dimension of log p = `nats`; of 8-bit values where data are images."""
        return bits_per_dimension(-nats, self.dimensions, self.span)

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        means = {name: plain(v) | {"bits": self.bits(v.estimate)} for name, v in self.means.items()}
        grid = None if self.grid is None else vars(self.grid)
        head = {"data": self.data, "n": self.n, "nats": means, "bounds": list(self.bounds)}
        return {**head, "log_z": self.log_z.to_dict(), "grid": grid, "doubt": self.doubt}

    def text(self) -> str:
        """A table, and what was measured of log Z."""
        body = [[name, cell(v, ".5g"), f"{self.bits(v.estimate):.3f}"] for name, v in self.means.items()]
        head = [f"{self.data}, n = {self.n}", "nats", "bits a dimension"]
        low, high = sorted(self.bounds)
        told = [str(self.log_z), f"the bounds of log Z leave the mean between {low:.5g} and {high:.5g} nats"]
        if self.grid is not None:
            told.append(f"log Z by a grid of {self.grid.points:,} points: {self.grid.value:.5g}, subtracted")
        if self.doubt:
            told.append(f"log Z counts as not known: {self.doubt}")
        return "\n".join([drawn(head, body), *told])

    def figures(self) -> dict[str, Any]:
        """None."""
        return {}


def density_loglik(
    model: EnergyModel,
    data: Dataset,
    index: Tensor,
    train: Dataset | None,
    *,
    name: str,
    bound: float,
    seed: int,
    options: Mapping[str, Any],
    progress: Callable[[str], None],
) -> DensityLikelihood:
    """log p of the rows `index` of `data`; `train`: what the path begins at, if known; `options` of
    `log_partition`.
    """
    shape, device, spec = model.spec.event_shape, device_of(model), model.spec
    rows = None if train is None else train.batch(_some(train, seed), spec.low, spec.high)
    start = None if rows is None else rows.x if rows.y is None or rows.y.dim() != 1 else (rows.x, rows.y)
    log_z = log_partition(
        model.neg_log_prob, event_shape=shape, rng=generator(derive(seed, "log_z"), device), start=start,
        device=device, progress=progress, **options,
    )  # fmt: skip
    grid = _grid(model, shape, progress)
    value, half = (log_z.value, (log_z.high - log_z.low) / 2) if grid is None else (grid.value, grid.error)
    progress("log p")
    rng = generator(derive(seed, "dequantised"))
    x = data.batch(index, spec.low, spec.high).x
    sets = {AS_THEY_ARE: x}
    if data.is_image:
        grey = (torch.rand(x.shape, generator=rng) - 0.5) * (spec.high - spec.low) / STEPS
        sets = {DEQUANTISED: x + grey, AS_THEY_ARE: x}
    scale = 0.0 if spec.table is None else sum(map(math.log, spec.table.scale))
    logs = {k: -neg_log_probs(model, v.to(device)).double().cpu() - value - scale for k, v in sets.items()}
    means = {k: _interval(v, half) for k, v in logs.items()}
    first = next(iter(logs))
    if rows is not None:
        means |= _baselines(rows.x, rows.y, sets[first], shape, scale, data.is_image, spec.high - spec.low)
    middle = means[first].estimate + value
    doubt = _doubt(log_z, grid, math.prod(shape), bound)
    span = spec.high - spec.low if data.is_image else None
    return DensityLikelihood(
        name, len(index), math.prod(shape), means, (middle - log_z.upper, middle - log_z.lower), logs[first],
        log_z, grid, span, doubt,
    )  # fmt: skip


def require_density(model: EnergyModel) -> None:
    """Raises `UsageError` for a model that claims no density of x."""
    if not model.claims_density:
        whose = f"this model of {model.record.name}" if model.record else "this model"
        raise UsageError(
            f"{whose} claims no density: its chains are too short, clipped or cold for exp(-E) to be p; "
            "take noise_energy, nce or snl, or a preset that gibbsian list presets marks 'a density'"
        )
    if not model.knows_marginal:
        raise UsageError(
            "this model has p(x | y) for each label or condition, and no p(x): train it without labels, or "
            "with net.label_dropout"
        )


def _some(data: Dataset, seed: int, most: int = 20_000) -> Tensor:
    return torch.randperm(len(data), generator=generator(derive(seed, "start")))[:most]


def _grid(model: EnergyModel, shape: tuple[int, ...], progress: Callable[[str], None]) -> Quadrature | None:
    if math.prod(shape) not in FIRST:
        return None
    progress("log Z by a grid")
    try:
        return quadrature(model.neg_log_prob, event_shape=shape, device=device_of(model))
    except GibbsianError as error:
        progress(f"no grid: {error}")
        return None


def _doubt(found: LogPartition, grid: Quadrature | None, dimensions: int, bound: float) -> str:
    if grid is not None:
        return ""
    if abs(found.gap) > bound * dimensions:
        return (
            f"forward and reverse runs are {abs(found.gap):.3g} nats apart, beyond {bound:g} a dimension; "
            "more particles, moves, or a kept nearer to 1"
        )
    if found.largest > 0.2:
        return f"one particle has {found.largest:.0%} of the weight; more particles, or a kept nearer to 1"
    return ""


def _baselines(
    x: Tensor,
    y: Tensor | None,
    at: Tensor,
    shape: tuple[int, ...],
    scale: float,
    image: bool,
    span: float,
) -> dict[str, Interval]:
    """log p at rows `at` of Gaussians of the training rows; of images with noise of a grey level."""
    if image:
        x = x + (torch.rand(x.shape, generator=generator(0)) - 0.5) * span / STEPS
    found = {GAUSSIAN: fitted_normals(x, None, shape, wider=1.0)}
    if y is not None and y.dim() == 1:
        found[GAUSSIANS] = fitted_normals(x, y, shape, wider=1.0)
    return {k: mean_interval(-base(at.double()).cpu() - scale) for k, base in found.items()}


def _interval(values: Tensor, more: float) -> Interval:
    """Of the mean over rows, with the half-width `more` of log Z in squares."""
    found = mean_interval(values)
    half = math.hypot(found.half_width, more)
    return replace(found, low=found.estimate - half, high=found.estimate + half)

"""How a trained model stands to its training data: numbers that tell what went wrong, taken in seconds.

Distances are Euclidean, between rows as the model sees them, medians, over the same of the data:

    diversity   from a sample to the nearest other one, over that of as many training rows
    nearness    from a sample to the nearest training row, over that from a training row to the nearest other
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..core.errors import UsageError
from ..core.random import generator
from ..data.dataset import Dataset
from ..data.rows import ArrayRows
from ..metrics.auroc import standings
from ..models.model import EnergyModel, device_of
from ..models.samples import draw_samples
from .chains import every_label, neg_log_probs

MANY, FILES, KNOWN, PART = 100_000, 5_000, 500, 4096
"""Training rows that are compared with at most, those of image files, rows that stand for all, rows read at
once."""


@dataclass(frozen=True)
class Checkup:
    """The numbers; None where a model or its data have none.

    Attributes:
        filled: share of the range of the model that the values of images take up.
        border, border_data: shares of the samples' and of the data's values at the ends of that range.
        diversity, nearness: see the module.
        told_apart: AUROC of uniform noise against data by their energies.
        apart: median energy of noise less that of data.
        agreement, chance: share of rows whose nearest other row has their label, and that by chance.
    """

    rows: int
    filled: float | None = None
    border: float | None = None
    border_data: float | None = None
    diversity: float | None = None
    nearness: float | None = None
    told_apart: float | None = None
    apart: float | None = None
    agreement: float | None = None
    chance: float | None = None


@torch.no_grad()
def checkup(model: EnergyModel, data: Dataset, n: int = 64, seed: int = 0) -> Checkup:
    """Draw `n` samples of `model` and look at them beside its training `data`."""
    low, high, rng = model.spec.low, model.spec.high, generator(seed, device_of(model))
    most = MANY if isinstance(data.rows, ArrayRows) else FILES
    order = torch.randperm(len(data), generator=generator(seed))[:most]
    x = data.batch(order[:KNOWN], low, high).x
    drawn = _drawn(model, n, rng)
    to_data = _nearest(data, order, torch.cat([x, *drawn]), low, high)
    itself, sampled = to_data[: len(x)], to_data[len(x) :, 0]
    found = _energies(model, x, None if data.y is None else data.y[order[:KNOWN]], rng)
    if data.is_image:
        found |= {"filled": float(x.max() - x.min()) / (high - low), "border_data": _border(x, low, high)}
    if data.y is not None and data.y.dim() == 1 and model.spec.num_classes:
        y = data.y[order]
        found["agreement"] = float((y[itself[:, 3].long()] == y[: len(x)]).float().mean())
        found["chance"] = float((torch.bincount(y).float() / len(y)).square().sum())
    for part in drawn:
        if data.is_image:
            found["border"] = _border(part, low, high)
        few = min(n, len(x))
        found["nearness"] = float(sampled.median() / itself[:, 1].median().clamp(min=1e-12))
        found["diversity"] = float(_alone(part[:few]) / _alone(x[:few]).clamp(min=1e-12))
    return Checkup(len(data), **found)


def _drawn(model: EnergyModel, n: int, rng: torch.Generator) -> list[Tensor]:
    """Samples on the CPU; none of a model without a sampler, or that are not finite."""
    try:
        x = draw_samples(model, model.sampler(), n, rng=rng, y=every_label(model, n, rng)).x.cpu()
    except UsageError:
        return []
    return [x] if bool(x.isfinite().all()) else []


def _nearest(data: Dataset, order: Tensor, x: Tensor, low: float, high: float) -> Tensor:
    """Distances to the two nearest of the rows `order`, and the places of these, `(N, 4)`."""
    best, where = x.new_empty(len(x), 0), x.new_empty(len(x), 0)
    for first, part in zip(range(0, len(order), PART), order.split(PART), strict=True):
        apart = torch.cdist(x.flatten(1), data.batch(part, low, high).x.flatten(1))
        near = apart.topk(min(2, len(part)), largest=False)
        best = torch.cat([best, near.values], 1)
        where = torch.cat([where, near.indices.to(where) + first], 1)
    two = best.topk(2, largest=False)
    return torch.cat([two.values, where.gather(1, two.indices)], 1)


def _alone(x: Tensor) -> Tensor:
    """The median distance of a row to the nearest other."""
    apart = torch.cdist(x.flatten(1), x.flatten(1))
    return apart.fill_diagonal_(torch.inf).min(1).values.median()


def _energies(model: EnergyModel, x: Tensor, y: Tensor | None, rng: torch.Generator) -> dict[str, float]:
    """How energies part data from uniform noise; nothing of p(x | c), and where they are not finite."""
    if model.spec.condition:
        return {}
    noise = x.amin() + (x.amax() - x.amin()) * torch.rand(x.shape, generator=rng, device=rng.device)
    known = None if y is None or not model.spec.num_classes else y.to(noise.device)
    inside, outside = (neg_log_probs(model, a.to(noise.device), known).cpu() for a in (x, noise))
    if not bool(torch.cat([inside, outside]).isfinite().all()):
        return {}
    apart = float(outside.median() - inside.median()) * (model.temperature or 1.0)
    return {"told_apart": float(standings(inside, outside)[0].mean()), "apart": apart}


def _border(x: Tensor, low: float, high: float) -> float:
    reach = 1e-3 * (high - low)
    return float(((x <= low + reach) | (x >= high - reach)).float().mean())

"""Does a model know when it does not know? Accuracy and calibration of its answers on held-out rows.

    accuracy, ECE, ECE by mass, NLL, Brier      metrics/calibration.py; confidence: mean of max_y p(y | x)

p(y | x) is the softmax of the model's `logits`. In a joint model (jem) that is its distribution of labels. A
conditional IGEBM has -E(x, y) there, with a normaliser Z(y) that nobody knows: its softmax is no probability,
and the numbers tell how wrong it would be to take it for one.

Several models are read as seeds of one recipe: a row each, and their mean. Intervals are of 95 %: of
accuracy Wilson's, of the rest by bootstrap over rows; of the mean Student's t over seeds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
from ...metrics.calibration import Reliability, brier_score, calibration_error, log_loss, reliability
from ...metrics.interval import Interval, bootstrap_interval, share_interval
from ...models.capabilities import classifier
from ...models.model import EnergyModel, device_of
from ...nets.frozen import frozen
from ...report.studies import Bins, reliability_diagrams
from ...report.tables import over, plain_rows, rows_table

REPEATS = 200
CHUNK = 1000
LEAST = 20
NO_PROBABILITY = (
    "the softmax of -E(x, y) is no p(y | x): every class has a normaliser of its own, which is unknown. The "
    "answers rank classes; read ECE, NLL and Brier as what it costs to take them for probabilities"
)


@dataclass(frozen=True)
class CalibrationStudy:
    """Measures by run with 95 % intervals, under "mean of K" their mean where there are several runs.

    `joint`: whether the softmax of the logits is the model's p(y | x). `diagrams`: reliability by run, in
    bins of equal width.
    """

    data: str
    split: str
    n: int
    bins: int
    seed: int
    joint: bool
    rows: dict[str, dict[str, Interval]]
    diagrams: dict[str, Reliability] = field(repr=False)

    __repr__ = tables

    def to_dict(self) -> dict[str, Any]:
        """Plain values; an empty bin has neither confidence nor accuracy."""
        head = {"data": self.data, "split": self.split, "n": self.n, "bins": self.bins, "seed": self.seed}
        diagrams = {name: _plain(found) for name, found in self.diagrams.items()}
        return {**head, "joint": self.joint, "runs": plain_rows(self.rows), "reliability": diagrams}

    def text(self) -> str:
        """A row a run, and what the numbers are of."""
        told = rows_table(self.rows, f"{self.data} {self.split}, n = {self.n}, {self.bins} bins")
        return told if self.joint else f"{told}\n\n{NO_PROBABILITY}"

    def figures(self) -> dict[str, Any]:
        """The reliability diagram, runs side by side, with the share of rows in every bin."""
        errors = {name: self.rows[name]["ECE"].estimate for name in self.diagrams}
        figure = reliability_diagrams({name: _bins(found) for name, found in self.diagrams.items()}, errors)
        return {"reliability": figure}


def study_calibration(
    models: Mapping[str, EnergyModel],
    data: str,
    *,
    n: int | None = None,
    bins: int = 15,
    split: str = "test",
    validation: int | None = None,
    seed: int = 0,
    data_dir: str | Path | None = None,
    progress: Callable[[str], None] = lambda text: None,
) -> CalibrationStudy:
    """Measure the answers of `models` by name, one or several seeds, on at most `n` rows of a split.

    Args:
        split: "test" for figures to quote, "validation" (with `validation` rows) to choose by.
        seed: of the choice of rows and of the bootstrap.

    Raises:
        UsageError: no model, one without labels or with other classes than the data, or too few rows.
    """
    held = _rows(load(data, split, validation=validation, data_dir=data_dir), n, bins, seed)
    rows, diagrams = {}, {}
    for name, model in models.items():
        progress(f"answers of {name}")
        scores = answers(model, held)
        rows[name] = measured(scores, _labels(held), bins, generator(derive(seed, f"rows of {name}")))
        diagrams[name] = reliability(scores.softmax(1), _labels(held), bins)
    if not rows:
        raise UsageError("no model was given: calibration is of one or more")
    if len(rows) > 1:
        seeds = list(rows.values())
        rows[f"mean of {len(seeds)}"] = {k: over([row[k].estimate for row in seeds]) for k in seeds[0]}
    joint = all(model.joint for model in models.values())
    return CalibrationStudy(data, split, len(held), bins, seed, joint, rows, diagrams)


def answers(model: EnergyModel, held: Dataset) -> Tensor:
    """The logits of all rows of `held`, `(N, classes)` float64 on the CPU.

    Raises `UsageError` for a model without labels, or with other classes than the data.
    """
    device, pixels = device_of(model), model.spec
    parts = []
    with frozen(model), torch.no_grad():
        for index in torch.arange(len(held)).split(CHUNK):
            x = held.batch(index, pixels.low, pixels.high).x.to(device)
            parts.append(classifier(model).logits(x).double().cpu())
    found = torch.cat(parts)
    if found.shape[1] != len(held.classes):
        raise UsageError(
            f"the model has {found.shape[1]} classes, {held.name} has {len(held.classes)}: take the data "
            "that it was trained on"
        )
    return found


def measured(scores: Tensor, y: Tensor, bins: int, rng: torch.Generator) -> dict[str, Interval]:
    """Every measure of logits `(N, C)` for labels `(N,)` with its interval."""
    p = scores.softmax(1)

    def spread(statistic: Callable[[Tensor], float]) -> Interval:
        return bootstrap_interval(statistic, torch.arange(len(y)), rng=rng, repeats=REPEATS)

    return {
        "accuracy": share_interval(int((scores.argmax(1) == y).sum()), len(y)),
        "confidence": spread(lambda i: float(p[i].amax(1).mean())),
        "ECE": spread(lambda i: calibration_error(p[i], y[i], bins)),
        "ECE by mass": spread(lambda i: calibration_error(p[i], y[i], bins, "mass")),
        "NLL": spread(lambda i: log_loss(scores[i], y[i])),
        "Brier": spread(lambda i: brier_score(p[i], y[i])),
    }


def _rows(held: Dataset, n: int | None, bins: int, seed: int) -> Dataset:
    if held.y is None:
        raise UsageError(f"{held.name} has no labels: calibration is of answers that can be checked")
    if bins < 1:
        raise UsageError(f"bins is {bins}: take 1 or more; 15 is usual")
    if min(len(held), n or len(held)) < max(LEAST, bins):
        raise UsageError(f"n is {min(len(held), n or len(held))}: take {max(LEAST, bins)} rows or more")
    order = torch.randperm(len(held), generator=generator(derive(seed, "data")))
    return held.subset(order[:n]) if n else held


def _labels(held: Dataset) -> Tensor:
    assert held.y is not None
    return held.y


def _plain(found: Reliability) -> list[dict[str, float | None]]:
    names = ("low", "high", "count", "confidence", "accuracy")
    columns = (getattr(found, name).tolist() for name in names)
    bins = [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]
    return [{k: None if b["count"] == 0 and k in names[3:] else v for k, v in b.items()} for b in bins]


def _bins(found: Reliability) -> Bins:
    return Bins(found.low, found.high, found.count, found.confidence, found.accuracy)

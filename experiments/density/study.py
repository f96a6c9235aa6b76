"""How dense is a tilted flow where the data are? Test nats of a Generalized EBM and of its rivals.

    model    log q(x) = -E(x) - A + log g(x), with A = log mean exp(-E) over many base samples
    its base            log g(x) alone
    flow, likelihood    the same flow by maximum likelihood, same optimiser: as many updates as the whole
                        model had if its base learns by likelihood too, else as many as the base had
    one Gaussian        mean and full covariance

Two protocols, and the report says which. With seeds, all models are trained anew by the run's settings, once
a seed, on the same rows; a tenth of the training rows is set aside and every model keeps the weights that
score best there. Without, the run's own weights are measured as they stand, and the flow is trained on all
training rows to the end: nothing is stopped early.

Intervals are of 95 %: over test points, on means over seeds, with the error of A added; over seeds, by
Student's t.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gibbsian.core.errors import UsageError
from gibbsian.core.random import derive, generator
from gibbsian.data.dataset import Dataset
from gibbsian.data.load import load
from gibbsian.metrics.interval import Interval, mean_interval, t_quantile
from gibbsian.models.gebm.model import TiltedGenerator
from gibbsian.models.model import EnergyModel, device_of
from gibbsian.report.plots import COLOURS, GREY, named, panels
from gibbsian.report.tables import DIGITS, cell, over, plain, table
from gibbsian.train.recipes import RunConfig

from .flows import Partition, fitted_flow, fitted_model, flow_nats, flow_updates, model_nats, partition

MODEL, BASE, FLOW, GAUSSIAN = "model", "its base", "flow, likelihood", "one Gaussian"
SHARE, JITTER = 10, 1e-6


def dots(panel: Any, found: Mapping[str, Interval], title: str, what: str) -> None:
    """A point with its interval for each name, the first on top: for numbers without a natural zero."""
    names, values = list(found)[::-1], list(found.values())[::-1]
    reach = [v.half_width for v in values]
    panel.errorbar(
        [v.estimate for v in values], names, xerr=reach, fmt="o", ms=5, capsize=3, color=COLOURS[0]
    )
    panel.margins(y=0.2)
    named(panel, title, what, "")


@dataclass(frozen=True)
class DensityStudy:
    """Mean test log-likelihood by model, in nats a point.

    `nats` and `differences` (model minus others, point by point) have intervals over test points, `by_seed`
    and `differences_by_seed` over seeds, where there are 2 or more. `partitions`: A of each model.
    """

    data: str
    test: int
    seeds: int
    protocol: str
    nats: dict[str, Interval]
    differences: dict[str, Interval]
    by_seed: dict[str, Interval]
    differences_by_seed: dict[str, Interval]
    partitions: tuple[Partition, ...]
    updates: int

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        groups = ("nats", "differences", "by_seed", "differences_by_seed")
        told = {g: {k: plain(v) for k, v in getattr(self, g).items()} for g in groups}
        head = {"data": self.data, "test": self.test, "seeds": self.seeds, "protocol": self.protocol}
        return {
            **head,
            "flow_updates": self.updates,
            **told,
            "partitions": [vars(p) for p in self.partitions],
        }

    def text(self) -> str:
        """One row a model, differences beside, the protocol and A below."""
        body = [
            [k, cell(v, DIGITS), cell(self.by_seed.get(k), DIGITS), cell(self.differences.get(k), DIGITS),
             cell(self.differences_by_seed.get(k), DIGITS)]
            for k, v in self.nats.items()
        ]  # fmt: skip
        columns = ("nats (points)", "nats (seeds)", "model - it (points)", "model - it (seeds)")
        head = [f"{self.data}, {self.test} test points", *columns]
        known = [
            f"A = {p.value:.5g}, standard error {p.error:.2g}; {p.n} base samples, {p.effective:.0f} count"
            for p in self.partitions
        ]
        return "\n\n".join([table(head, body), self.protocol, "\n".join(known)])

    def figures(self) -> dict[str, Any]:
        """Test nats of every model, and paired differences."""
        figure, (left, right) = panels(1, 2, 4.6, 2.6)
        dots(left, self.nats, f"{self.data}: test log-likelihood", "nats a point")
        dots(right, self.differences, "Generalized EBM minus others, paired", "nats a point")
        right.axvline(0, color=GREY, lw=1)
        return {"nats": figure}


def study_density(
    model: EnergyModel,
    run: RunConfig,
    *,
    base_samples: int = 100_000,
    seeds: int = 3,
    seed: int = 0,
    data: str | None = None,
    data_dir: str | Path | None = None,
    progress: Callable[[str], None] = lambda text: None,
) -> DensityStudy:
    """Test nats of the model of a `run`, of its base, of the flow by maximum likelihood and of a Gaussian.

    Args:
        model: the run's model, measured itself if `seeds` is 0.
        run: its settings; `train.steps` are the updates that it had.
        base_samples: for A.
        seeds: times that all models are trained anew, with early stopping; 0: the run's weights as they are.

    Raises:
        UsageError: another model, a base that is no flow, or too few base samples.
    """
    if not isinstance(model, TiltedGenerator) or model.name != "flow":
        raise UsageError(f"{run.model} has no exact density here: train gebm with --generator.name flow")
    if seeds < 0:
        raise UsageError(f"--seeds is {seeds}: take 0 for the run as it stands, or 2 or more for an interval")
    name = data or run.data
    train, test = load(name, "train", data_dir=data_dir), load(name, "test", data_dir=data_dir)
    updates = flow_updates(run.model, run.train.steps, model)
    held = None
    if seeds:
        train, held = train.split_off(max(2, len(train) // SHARE))
    found, known = [], []
    for k in range(max(seeds, 1)):
        progress(f"seed {seed + k}: training the flow ({updates} updates)")
        flow = fitted_flow(run, train, held, seed + k, updates)
        if held is not None:
            progress(f"seed {seed + k}: training the model ({run.train.steps} updates)")
            model = fitted_model(run, train, held, seed + k)
        known.append(partition(model, base_samples, generator(derive(seed + k, "partition"))))
        x, rows = _all(test, model), _all(train, model)
        found.append(
            {
                MODEL: model_nats(model, x, known[-1].value),
                BASE: flow_nats(model, x),
                FLOW: flow_nats(flow, x),
                GAUSSIAN: gaussian_nats(rows, x),
            }
        )
    return _study(name, found, known, updates, held, train)


def gaussian_nats(train: Tensor, x: Tensor) -> Tensor:
    """log-density in nats `(M,)`, float64, of `x` `(M, D)` under the Gaussian of `train` `(N, D)`.

    With the maximum-likelihood covariance, and 1e-6 of its mean variance added to the diagonal.
    """
    rows, points = train.flatten(1).double().cpu(), x.flatten(1).double().cpu()
    mean, size = rows.mean(0), rows.shape[1]
    covariance = (rows - mean).T @ (rows - mean) / len(rows)
    covariance += JITTER * covariance.trace() / size * torch.eye(size, dtype=torch.float64)
    root = torch.linalg.cholesky(covariance)
    white = torch.linalg.solve_triangular(root, (points - mean).T, upper=False)
    log_det = 2 * root.diagonal().log().sum()
    return -0.5 * (white.square().sum(0) + log_det + size * math.log(2 * math.pi))


def _study(
    name: str,
    found: list[dict[str, Tensor]],
    known: list[Partition],
    updates: int,
    held: Dataset | None,
    train: Dataset,
) -> DensityStudy:
    seeds, error = len(found), math.sqrt(sum(p.error**2 for p in known)) / len(known)
    means = {k: torch.stack([f[k] for f in found]).mean(0) for k in found[0]}
    errors = {k: error if k == MODEL else 0.0 for k in means}
    others = [k for k in means if k != MODEL]
    by_seed, gaps = {}, {}
    if seeds > 1:
        by_seed = {k: over([float(f[k].mean()) for f in found]) for k in means}
        gaps = {k: over([float((f[MODEL] - f[k]).mean()) for f in found]) for k in others}
    return DensityStudy(
        name, len(means[MODEL]), seeds if held else 0, _protocol(held, train, updates),
        {k: widened(mean_interval(v), errors[k], len(v)) for k, v in means.items()},
        {k: widened(mean_interval(means[MODEL] - means[k]), error, len(means[k])) for k in others},
        by_seed, gaps, tuple(known), updates,
    )  # fmt: skip


def widened(interval: Interval, error: float, n: int) -> Interval:
    """An interval over `n` points with an independent standard error common to all of them added."""
    reach = math.hypot(interval.half_width, t_quantile(interval.level, n - 1) * error)
    return Interval(interval.estimate, interval.estimate - reach, interval.estimate + reach, interval.level)


def _protocol(held: Dataset | None, train: Dataset, updates: int) -> str:
    flow = f"flow by maximum likelihood: {updates} updates, same optimiser"
    if held is None:
        return f"the run's weights as they stand; {flow}, on all {len(train)} rows; nothing stopped early"
    return (
        f"all models trained anew on {len(train)} rows by the run's settings; {flow}; each keeps the weights "
        f"that score best on {len(held)} training rows set aside"
    )


def _all(data: Dataset, model: EnergyModel) -> Tensor:
    return data.batch(torch.arange(len(data)), model.spec.low, model.spec.high).x.to(device_of(model))

"""Rows of numbers of one's own as samples are measured, each column over its deviation in training rows.

sliced_w2          sliced Wasserstein distance to held-out rows
mmd2               unbiased squared maximum mean discrepancy, below 0 by chance where there is none
c2st               accuracy of a classifier between samples and held-out rows (`classifier_test`)
precision, recall, density, coverage    k-nearest-neighbour estimates
nn_ratio, near_copies, diversity    distances to the nearest row, see `metrics.novelty`
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..data.dataset import Dataset
from ..metrics.baselines import one_gaussian
from ..metrics.two_sample import mmd2, sliced_wasserstein
from .point_evaluator import Draw, HeldOutEvaluator, Seen, told_apart

MOST = 5000
"""Training rows that are looked at."""


class RowsEvaluator(HeldOutEvaluator):
    """Rows of numbers `(N, *event)` against held-out ones."""

    def __init__(self, train: Dataset, held: Dataset, n: int, rng: torch.Generator) -> None:
        super().__init__(train, held, n, rng)
        self.x = _all(train)[torch.randperm(len(train), generator=rng, device=rng.device).cpu()[:MOST]]
        self.deviation = self.x.flatten(1).double().std(0, correction=0).clamp(min=1e-12)
        self.held_out = self._units(_all(self.held))

    def look(self, x: Tensor, y: Tensor | None = None) -> Seen:
        """Rows in units of the columns, and their distance to the nearest training row."""
        rows = self._units(x.detach().cpu())
        return {"rows": rows, "distance": self.novelty.nearest(rows)}

    def measures(self, seen: Seen) -> dict[str, float]:
        """The measures of the module's list."""
        x = seen["rows"]
        return {
            "sliced_w2": self._sliced(x),
            "mmd2": mmd2(x, self.held_out),
            **told_apart(x, self.held_out),
            **self.novelty.measure(x, seen["distance"]),
        }

    def distance(self, x: Tensor) -> float:
        """Sliced Wasserstein distance to held-out rows."""
        return self._sliced(self._units(x.detach().cpu()))

    def _sliced(self, x: Tensor) -> float:
        return sliced_wasserstein(x, self.held_out, torch.Generator().manual_seed(0))

    def _rows(self) -> tuple[Tensor, Tensor]:
        return self._units(_all(self.train)), self.held_out

    def _samples(self, seen: Seen) -> tuple[Tensor, Tensor]:
        return seen["rows"], (seen["rows"] * self.deviation).reshape(-1, *self.event_shape)

    def baselines(self) -> dict[str, Draw]:
        """Training rows, one Gaussian, and uniform noise between the least and the greatest value."""
        low, high = self.x.amin(0), self.x.amax(0)
        ends = {"low": float(low.min()), "high": float(high.max())}
        return {
            "training data": lambda n, rng: self.x[torch.randperm(len(self.x), generator=rng)[:n]],
            "one Gaussian": lambda n, rng: one_gaussian(self.x, n, rng, **ends),
            "noise": lambda n, rng: low + (high - low) * torch.rand(n, *self.event_shape, generator=rng),
        }

    def _units(self, x: Tensor) -> Tensor:
        return x.flatten(1).double() / self.deviation


def _all(data: Dataset) -> Tensor:
    """All rows in the units of a model."""
    return data.batch(torch.arange(len(data))).x

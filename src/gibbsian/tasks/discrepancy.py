"""How far samples are from the density that a model claims: its kernel Stein discrepancy."""

from __future__ import annotations

import torch
from torch import Tensor

from ..core.energy import score_function
from ..metrics.stein import kernel_stein
from ..metrics.two_sample import median_distance
from ..models.model import EnergyModel, device_of
from ..nets.frozen import frozen
from .point_evaluator import Seen

MOST, ROWS, MEDIAN = 2000, 500, 250
"""Samples that are looked at, rows in one pass of the network, half of the rows for the width."""


class SteinDiscrepancy:
    """KSD^2 (see `metrics.stein`) of samples for a model; the width `c` of the kernel is the median distance
    between held-out rows. `offered` says whether the model claims a density p(x) at all.
    """

    def __init__(self, model: EnergyModel, held: Tensor) -> None:
        self.model = model
        self.c = median_distance(held[:MEDIAN].flatten(1).cpu(), held[MEDIAN : 2 * MEDIAN].flatten(1).cpu())

    @property
    def offered(self) -> bool:
        """Whether the model claims one, and of x alone; and whether held-out rows differ."""
        alone = self.model.joint or not self.model.spec.conditional
        return bool(self.model.claims_density and alone and self.c > 0)

    def look(self, x: Tensor) -> Seen:
        """The first 2,000 samples and the score at each, `(n, D)` on the CPU."""
        x = x[:MOST].to(device_of(self.model))
        with frozen(self.model):
            parts = [score_function(self.model, part) for part in x.split(ROWS)]
        score = torch.cat([part for part in parts if isinstance(part, Tensor)])
        return {"rows": x.flatten(1).double().cpu(), "score": score.flatten(1).double().cpu()}

    def measures(self, seen: Seen) -> dict[str, float]:
        """`ksd2`; NaN where a score is not finite."""
        finite = bool(seen["score"].isfinite().all())
        return {"ksd2": kernel_stein(seen["rows"], seen["score"], c=self.c) if finite else float("nan")}

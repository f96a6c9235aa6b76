"""What points are measured against: the exact density of a toy, or held-out rows of numbers of one's own.

Of rows of numbers, each column divided by its deviation over training rows:

    sliced_w2          sliced Wasserstein distance to held-out rows
    mmd2               unbiased squared maximum mean discrepancy, below 0 by chance where there is none
    precision, recall  k-nearest-neighbour estimates
    nn_ratio           distance to the nearest training row, over the same of held-out rows
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import torch
from torch import Tensor

from ..core.errors import UsageError
from ..data.dataset import Dataset
from ..data.toy import toy
from ..metrics.baselines import one_gaussian
from ..metrics.coverage import coverage, nearest_neighbour_ratio
from ..metrics.toy import grid_divergence, mode_recall
from ..metrics.two_sample import mmd2, sliced_wasserstein

Draw = Callable[[int, torch.Generator], Tensor]
MOST = 5000
"""Training rows that are looked at."""


@dataclass
class PointEvaluator:
    """Points of the plane against an exact density: grid divergence both ways, sliced W2, modes found."""

    name: str
    n: int

    def __post_init__(self) -> None:
        self.density = toy(self.name.removeprefix("toy:"))
        rng = torch.Generator().manual_seed(0)
        self.exact = self.density.draw(self.n, rng)

    @property
    def record(self) -> dict[str, str | int]:
        """Against how many exact draws."""
        return {"against": "exact draws", "held_out": self.n}

    @property
    def event_shape(self) -> tuple[int, ...]:
        """Points of the plane."""
        return (2,)

    @property
    def notes(self) -> tuple[str, ...]:
        """None."""
        return ()

    def by_class(self, x: Tensor, y: Tensor | None = None) -> dict[str, dict[str, float]]:
        """None."""
        return {}

    def measure(self, x: Tensor, y: Tensor | None = None) -> dict[str, float]:
        """KL(density || samples), KL(samples || density) on a grid, sliced Wasserstein, mode recall."""
        x = x.detach().double().cpu()
        divergence = grid_divergence(x, self.density.log_density, self.density.box)
        out = {
            "kl_forward": divergence.forward,
            "kl_reverse": divergence.reverse,
            "sliced_w2": sliced_wasserstein(x, self.exact, torch.Generator().manual_seed(0)),
        }
        if len(self.density.modes):
            modes = mode_recall(x, self.density.modes, 3 * self.density.spread)
            out |= {"mode_recall": modes.recall, "mode_quality": modes.quality}
        return out

    def baselines(self) -> dict[str, Draw]:
        """Exact draws, one Gaussian, uniform noise on the box."""
        box = self.density.box
        return {
            "training data": lambda n, rng: self.density.draw(n, rng),
            "one Gaussian": lambda n, rng: one_gaussian(self.exact, n, rng, low=-box, high=box),
            "noise": lambda n, rng: (torch.rand(n, 2, generator=rng) * 2 - 1) * box,
        }


class RowsEvaluator:
    """Rows of numbers `(N, *event)` against at most `n` held-out ones."""

    def __init__(self, train: Dataset, held: Dataset, n: int, rng: torch.Generator) -> None:
        self.train, order = train, torch.randperm(len(held), generator=rng, device=rng.device).cpu()
        self.held = held.subset(order[: min(n, len(held))])
        self.x = train.x[torch.randperm(len(train), generator=rng, device=rng.device).cpu()[:MOST]]
        self.deviation = self.x.flatten(1).double().std(0, correction=0).clamp(min=1e-12)
        self.known, self.held_out = self._units(self.x), self._units(self.held.x)

    @property
    def record(self) -> dict[str, str | int]:
        """How many held-out rows of which split."""
        return {"against": self.held.split, "held_out": len(self.held)}

    @property
    def event_shape(self) -> tuple[int, ...]:
        """Of a row."""
        return tuple(self.train.event_shape)

    @property
    def notes(self) -> tuple[str, ...]:
        """What was decided in reading the rows."""
        return tuple(dict.fromkeys((*self.train.notes, *self.held.notes)))

    def by_class(self, x: Tensor, y: Tensor | None = None) -> dict[str, dict[str, float]]:
        """None: no classifier of numbers is at hand."""
        return {}

    def measure(self, x: Tensor, y: Tensor | None = None) -> dict[str, float]:
        """The measures of the module's list."""
        x = self._units(x.detach().cpu())
        near = coverage(self.held_out, x)
        found = {
            "sliced_w2": sliced_wasserstein(x, self.held_out, torch.Generator().manual_seed(0)),
            "mmd2": mmd2(x, self.held_out),
            "precision": near.precision,
            "recall": near.recall,
        }
        with suppress(UsageError):  # all held-out rows are training rows too
            found["nn_ratio"] = nearest_neighbour_ratio(x, self.known, self.held_out)
        return found

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

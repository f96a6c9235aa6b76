"""What points are measured against: the exact density of a toy, or held-out rows of numbers of one's own.

Of rows of numbers, each column divided by its deviation over training rows:

    sliced_w2          sliced Wasserstein distance to held-out rows
    mmd2               unbiased squared maximum mean discrepancy, below 0 by chance where there is none
    precision, recall  k-nearest-neighbour estimates
    nn_ratio, near_copies, diversity    distances to the nearest row, see `metrics.novelty`
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from ..data.dataset import Dataset
from ..data.toy import toy
from ..metrics.baselines import one_gaussian
from ..metrics.coverage import TYPICAL, coverage
from ..metrics.novelty import Novelty
from ..metrics.toy import GridDivergence, grid_divergence, mode_recall
from ..metrics.two_sample import mmd2, sliced_wasserstein

Draw = Callable[[int, torch.Generator], Tensor]
MOST = 5000
"""Training rows that are looked at."""


class SampleEvaluator(ABC):
    """Measures of samples of the shape `event_shape`, and the draws that stand beside a model's.

    `record` says what the measures are taken with, `notes` what was decided.
    """

    event_shape: tuple[int, ...]
    record: dict[str, str | int]
    notes: tuple[str, ...] = ()

    @abstractmethod
    def measure(self, x: Tensor, y: Tensor | None = None) -> dict[str, float]:
        """Named numbers of samples `x` `(n, *event)`, drawn for the classes `y` `(n,)` if given."""

    @abstractmethod
    def distance(self, x: Tensor) -> float:
        """The measure to choose a checkpoint by, lower being better."""

    def by_class(self, x: Tensor, y: Tensor | None = None) -> dict[str, dict[str, float]]:
        """Shares of samples by the names of classes, where there are any."""
        return {}

    def modes(self, x: Tensor) -> Tensor | None:
        """Which mode or class each of `x` `(n, *event)` belongs to, `(n,)`, where that can be told."""
        return None

    def of_held(self) -> dict[str, float]:
        """What those measures that compare with held-out rows say of these rows themselves."""
        return {}

    def identity(self) -> dict[str, Any]:
        """All that measures of the same samples depend on."""
        return dict(self.record)

    @abstractmethod
    def baselines(self) -> dict[str, Draw]:
        """Draws to set beside the model's, by name; "training data" gives the floor, "noise" the ceiling."""


class HeldOutEvaluator(SampleEvaluator):
    """Against at most `n` held-out rows, chosen by `rng`."""

    def __init__(self, train: Dataset, held: Dataset, n: int, rng: torch.Generator) -> None:
        order = torch.randperm(len(held), generator=rng, device=rng.device).cpu()
        self.train, self.held = train, held.subset(order[: min(n, len(held))])
        self.event_shape = tuple(train.event_shape)
        self.record = {"against": held.split, "held_out": len(self.held)}
        self.notes = tuple(dict.fromkeys((*train.notes, *held.notes)))

    @cached_property
    def novelty(self) -> Novelty:
        """Distances to all training rows, and among samples."""
        return Novelty(*self._rows())

    @abstractmethod
    def _rows(self) -> tuple[Tensor, Tensor]:
        """Training rows and held-out ones, as `novelty` is to see them."""

    def of_held(self) -> dict[str, float]:
        """Of `novelty`."""
        return self.novelty.of_held()

    def identity(self) -> dict[str, Any]:
        """The record, with both parts of the data."""
        return {**self.record, "train": self.train.fingerprint, "held": self.held.fingerprint}


class PointEvaluator(SampleEvaluator):
    """Points of the plane against an exact density: grid divergence both ways, sliced W2, modes found."""

    event_shape = (2,)

    def __init__(self, name: str, n: int) -> None:
        self.density = toy(name.removeprefix("toy:"))
        self.exact = self.density.draw(n, torch.Generator().manual_seed(0))
        self.record = {"against": "exact draws", "held_out": n}

    def measure(self, x: Tensor, y: Tensor | None = None) -> dict[str, float]:
        """KL(density || samples), KL(samples || density) on a grid, sliced Wasserstein, mode recall."""
        x = x.detach().double().cpu()
        divergence = self._divergence(x)
        out = {
            "kl_forward": divergence.forward,
            "kl_reverse": divergence.reverse,
            "sliced_w2": sliced_wasserstein(x, self.exact, torch.Generator().manual_seed(0)),
        }
        if len(self.density.modes):
            modes = mode_recall(x, self.density.modes, 3 * self.density.spread)
            out |= {"mode_recall": modes.recall, "mode_quality": modes.quality}
        return out

    def modes(self, x: Tensor) -> Tensor | None:
        """The nearest mode of the density, if it has any."""
        centres = self.density.modes
        return torch.cdist(x.double().cpu(), centres.double()).argmin(1) if len(centres) > 1 else None

    def distance(self, x: Tensor) -> float:
        """KL(density || samples)."""
        return self._divergence(x.detach().double().cpu()).forward

    def _divergence(self, x: Tensor) -> GridDivergence:
        return grid_divergence(x, self.density.log_density, self.density.box)

    def baselines(self) -> dict[str, Draw]:
        """Exact draws, one Gaussian, uniform noise on the box."""
        box = self.density.box
        return {
            "training data": lambda n, rng: self.density.draw(n, rng),
            "one Gaussian": lambda n, rng: one_gaussian(self.exact, n, rng, low=-box, high=box),
            "noise": lambda n, rng: (torch.rand(n, 2, generator=rng) * 2 - 1) * box,
        }


class RowsEvaluator(HeldOutEvaluator):
    """Rows of numbers `(N, *event)` against held-out ones."""

    def __init__(self, train: Dataset, held: Dataset, n: int, rng: torch.Generator) -> None:
        super().__init__(train, held, n, rng)
        self.x = train.x[torch.randperm(len(train), generator=rng, device=rng.device).cpu()[:MOST]]
        self.deviation = self.x.flatten(1).double().std(0, correction=0).clamp(min=1e-12)
        self.held_out = self._units(self.held.x)

    def measure(self, x: Tensor, y: Tensor | None = None) -> dict[str, float]:
        """The measures of the module's list."""
        x = self._units(x.detach().cpu())
        near = coverage(self.held_out, x, widest=TYPICAL)
        return {
            "sliced_w2": self._sliced(x),
            "mmd2": mmd2(x, self.held_out),
            "precision": near.precision,
            "recall": near.recall,
            **self.novelty.measure(x),
        }

    def distance(self, x: Tensor) -> float:
        """Sliced Wasserstein distance to held-out rows."""
        return self._sliced(self._units(x.detach().cpu()))

    def _sliced(self, x: Tensor) -> float:
        return sliced_wasserstein(x, self.held_out, torch.Generator().manual_seed(0))

    def _rows(self) -> tuple[Tensor, Tensor]:
        return self._units(self.train.x), self.held_out

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

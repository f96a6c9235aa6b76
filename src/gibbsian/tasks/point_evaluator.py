"""What samples are measured against: the exact density of a toy, or held-out rows (`HeldOutEvaluator`)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import asdict
from functools import cached_property
from typing import Any, TypeAlias

import torch
from torch import Tensor

from ..core.spec import Table
from ..data.dataset import Dataset
from ..data.toy import toy
from ..metrics.baselines import one_gaussian
from ..metrics.classifier_test import classifier_test
from ..metrics.coverage import TYPICAL, coverage
from ..metrics.novelty import Novelty
from ..metrics.toy import GridDivergence, grid_divergence, mode_recall
from ..metrics.two_sample import sliced_wasserstein
from .neighbours import Neighbours, nearest_rows

Draw = Callable[[int, torch.Generator], Tensor]
Seen: TypeAlias = dict[str, Tensor]
"""What measures need of samples, by name, a row a sample: any part of the rows may be measured."""


class SampleEvaluator(ABC):
    """Measures of samples of the shape `event_shape`, and the draws that stand beside a model's.

    `record` says what the measures are taken with, `notes` what was decided.
    """

    event_shape: tuple[int, ...]
    record: dict[str, str | int]
    notes: tuple[str, ...] = ()

    def measure(self, x: Tensor, y: Tensor | None = None) -> dict[str, float]:
        """Named numbers of samples `x` `(n, *event)`, drawn for the classes `y` `(n,)` if given."""
        return self.measures(self.look(x, y))

    @abstractmethod
    def look(self, x: Tensor, y: Tensor | None = None) -> Seen:
        """What is to be known of each of the samples, on the CPU."""

    @abstractmethod
    def measures(self, seen: Seen) -> dict[str, float]:
        """Named numbers of samples that were looked at."""

    @abstractmethod
    def distance(self, x: Tensor) -> float:
        """The measure to choose a checkpoint by, lower being better."""

    def by_class(self, seen: Seen) -> dict[str, dict[str, float]]:
        """Shares of samples by the names of classes, where there are any."""
        return {}

    def modes(self, x: Tensor) -> Tensor | None:
        """Which mode or class each of `x` `(n, *event)` belongs to, `(n,)`, where that can be told."""
        return None

    def of_held(self) -> dict[str, float]:
        """What those measures that compare with held-out rows say of these rows themselves."""
        return {}

    def neighbours(self, seen: Seen, units: Table | None = None) -> Neighbours | None:
        """The samples nearest to training rows with these, rows of a table in `units`; none without rows."""
        return None

    def repeats(self) -> tuple[str, ...]:
        """Lines on rows that the data hold twice."""
        return ()

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

    def neighbours(self, seen: Seen, units: Table | None = None) -> Neighbours | None:
        """By the distances of `novelty`."""
        x, shown = self._samples(seen)
        return nearest_rows(x, seen["distance"], shown, self.train, self.novelty, units)

    def repeats(self) -> tuple[str, ...]:
        """Equal rows, and of images also near ones: few numbers may be close by chance."""
        found, image, told = self.novelty.repeats(), self.train.is_image, []
        near = f", and {found.held_near} are nearly so" if image and found.held_near else ""
        if found.held or near:
            told.append(
                f"{found.held} of {len(self.held)} held-out rows are training rows too{near}: "
                "they cannot tell copies from new samples"
            )
        near = f", and {found.train_near} of {found.probed} nearly so" if image and found.train_near else ""
        if found.train or near:
            told.append(f"{found.train} of {len(self.train)} training rows equal an earlier one{near}")
        return tuple(told)

    @abstractmethod
    def _samples(self, seen: Seen) -> tuple[Tensor, Tensor]:
        """Samples as `novelty` is to see them, and as they are to be shown."""

    @abstractmethod
    def _rows(self) -> tuple[Tensor, Tensor]:
        """Training rows and held-out ones, as `novelty` is to see them."""

    def of_held(self) -> dict[str, float]:
        """Of `novelty`."""
        return self.novelty.of_held()

    def identity(self) -> dict[str, Any]:
        """The record, with both parts of the data."""
        return {**self.record, "train": self.train.fingerprint, "held": self.held.fingerprint}


def told_apart(x: Tensor, held: Tensor) -> dict[str, float]:
    """Of samples (n, D) against held-out rows (m, D): a classifier's accuracy, measures by neighbours."""
    near = coverage(held, x, widest=TYPICAL)
    return {"c2st": classifier_test(held, x, torch.Generator().manual_seed(0)).estimate, **asdict(near)}


class PointEvaluator(SampleEvaluator):
    """Points of the plane against an exact density: grid divergence both ways, sliced W2, modes found."""

    event_shape = (2,)

    def __init__(self, name: str, n: int) -> None:
        self.density = toy(name.removeprefix("toy:"))
        self.exact = self.density.draw(n, torch.Generator().manual_seed(0))
        self.record = {"against": "exact draws", "held_out": n}

    def look(self, x: Tensor, y: Tensor | None = None) -> Seen:
        """The points."""
        return {"rows": x.detach().double().cpu()}

    def measures(self, seen: Seen) -> dict[str, float]:
        """KL(density || samples), KL(samples || density) on a grid, sliced Wasserstein, mode recall."""
        x = seen["rows"]
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

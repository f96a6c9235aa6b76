"""What became of the modes: does a model reach all classes of its data, and does it repeat itself?

For the model's own chains, for its other samplers (the VAE or the generator that an energy refines), for
chains that go on from its buffer, and for chains of K steps:

    modes, kl       classes that a classifier finds among the samples; KL(samples || data) in nats
    recall          share of held-out images near some sample in feature space; precision the other way round
    feature_distance    Frechet distance to held-out images in the features of a small named classifier
    duplicates      share of pairs of samples that are closer than 0.1 % of the pairs of held-out images

"training data" are as many real images, measured alike: what a perfect sampler would get, classifier's errors
included. All draw from the same seed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from ...core.errors import UsageError
from ...core.random import derive, generator
from ...core.show import tables
from ...metrics.interval import Interval, require_draws
from ...metrics.modes import kl_floor
from ...models.build import name_of
from ...models.model import EnergyModel
from ...models.papers import PAPERS, entry
from ...report.studies import by_steps, class_histograms, end_energies, sample_rows
from ...report.tables import over, plain_rows, rows_table
from ..evaluator import evaluator_for
from ..image_evaluator import LabelledImages
from .comparison import DATA, SamplerComparison, Stored, moves, of_length, samplers_of

STEPS = (0, 5, 10, 20, 50)
FEWEST_SAMPLES, ENOUGH = 40, 5
"""Samples of one draw, at least; and samples a class from which (K - 1) / 2n is a good floor of kl."""


@dataclass(frozen=True)
class ModeStudy:
    """Measures by sampler (`rows`) and by length of the chain (`steps`), with 95 % intervals over draws.

    `histograms`: share of samples in each class, by sampler; that of "data" are the training labels.
    `energies`: E at the ends of chains from the prior and from the buffer. `pictures`: some samples of each,
    in [-1, 1].
    """

    data: str
    n: int
    draws: int
    seed: int
    record: dict[str, Any]
    rows: dict[str, dict[str, Interval]]
    steps: dict[int, dict[str, Interval]]
    histograms: dict[str, Tensor]
    energies: dict[str, Tensor]
    notes: tuple[str, ...] = ()
    published: tuple[str, ...] = ()
    pictures: dict[str, Tensor] = field(default_factory=dict, repr=False)

    __repr__ = tables

    @property
    def classes(self) -> int:
        """K, of all that the classifier knows."""
        return len(self.histograms["data"])

    @property
    def floor(self) -> float:
        """Mean KL of a perfect sampler's n samples, from finite n alone: (K - 1) / 2n nats."""
        return kl_floor(int((self.histograms["data"] > 0).sum()), self.n)

    def to_dict(self) -> dict[str, Any]:
        """Plain values; energies as means with intervals over chains."""
        head = {"data": self.data, "n": self.n, "draws": self.draws, "seed": self.seed, **self.record}
        energies = {k: over(v.tolist()) for k, v in self.energies.items()}
        return {
            **head,
            "classes": self.classes,
            "kl_floor": self.floor,
            "measures": plain_rows(self.rows),
            "steps": plain_rows(self.steps),
            "histograms": {k: v.tolist() for k, v in self.histograms.items()},
            "energies": plain_rows({"mean": energies})["mean"],
            "notes": list(self.notes),
            "published": list(self.published),
        }

    def text(self) -> str:
        """Both tables, the floor, mean energies, notes, and figures that the paper printed."""
        perfect = f"kl {self.floor:.3g}, duplicates 0.001"
        floor = f"{self.classes} classes; a perfect sampler has on average {perfect}"
        parts = [rows_table(self.rows, f"{self.data}, n = {self.n}"), floor]
        parts += [rows_table(self.steps, "steps")] if self.steps else []
        means = {k: over(v.tolist()) for k, v in self.energies.items() if len(v) > 1}
        parts += [
            f"E at the end of chains, {k}: {m.estimate:.4g} ± {m.half_width:.2g}" for k, m in means.items()
        ]
        parts += [f"published: {line}" for line in self.published] + [f"note: {line}" for line in self.notes]
        return "\n\n".join(parts)

    def figures(self) -> dict[str, Any]:
        """Histogram of classes, measures against steps, energies at the ends of chains, samples."""
        samplers = {k: v for k, v in self.histograms.items() if k != "data"}
        figures = {"histogram": class_histograms(samplers, self.histograms["data"])}
        if self.steps:
            figures["steps"] = by_steps(self.steps, self.rows[DATA])
        if self.energies:
            figures["energies"] = end_energies(self.energies)
        return {**figures, "samples": sample_rows(self.pictures)}


def study_modes(
    model: EnergyModel,
    data: str,
    *,
    steps: Sequence[int] = STEPS,
    n: int = 2000,
    draws: int = 3,
    seed: int = 0,
    data_dir: str | Path | None = None,
    progress: Callable[[str], None] = lambda text: None,
    stored: Stored | None = None,
) -> ModeStudy:
    """Measure a model's samplers and chains of several lengths on a labelled set of images.

    Args:
        steps: lengths of chains to compare; 0 is the start alone.
        stored: chains of training, whose sampler is measured too.
        n: samples of one draw, and held-out images to compare with (as many as there are, at most).

    Raises:
        UsageError: data that are no labelled images, negative steps, too few draws or samples.
    """
    require_draws(draws, n, FEWEST_SAMPLES)
    if any(k < 0 for k in steps):
        raise UsageError(f"steps are {tuple(steps)}: lengths of chains are 0 or more")
    low, high = model.spec.low, model.spec.high
    evaluator = evaluator_for(data, n, generator(derive(seed, "data")), low=low, high=high, data_dir=data_dir)
    if not isinstance(evaluator, LabelledImages):
        raise UsageError(f"{data} is no set of labelled images: modes are counted by a classifier of images")
    comparison = SamplerComparison(model, evaluator, n, draws, seed, progress, stored)
    samplers, notes = samplers_of(model, stored)
    rows = {name: comparison.row(name, sampler) for name, sampler in samplers.items()}
    rows[DATA] = comparison.data_row()
    if n < ENOUGH * comparison.classes:
        notes = [
            *notes,
            f"the floor of kl is rough for n below {ENOUGH * comparison.classes}: see training data",
        ]
    if not moves(model):
        steps, notes = (), [*notes, "samples are drawn without a chain: there are no steps to compare"]
    sweep = {
        k: comparison.row(f"{k} steps", of_length(model.sampler(), k), recorded=False)
        for k in dict.fromkeys(steps)
    }
    return ModeStudy(
        data, n, draws, seed, dict(evaluator.record), rows, sweep, comparison.histograms, comparison.energies,
        tuple([*notes, *comparison.notes]), published(model, data), comparison.pictures,
    )  # fmt: skip


def published(model: EnergyModel, data: str) -> tuple[str, ...]:
    """What the model's paper printed on this data set, if it did."""
    name, known = data.replace("_", " ").lower(), name_of(model)
    figures = entry(known).published() if known in PAPERS else ()
    return tuple(f"{p.setting}: {p.measure} {p.value}" for p in figures if p.setting.lower().startswith(name))

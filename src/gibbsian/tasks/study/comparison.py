"""Drawing by the samplers of a model and measuring what they draw, for the study of modes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from ...core.position import Position
from ...core.random import derive, generator
from ...metrics.coverage import TYPICAL, coverage
from ...metrics.duplicates import duplicate_share
from ...metrics.frechet import frechet_distance
from ...metrics.interval import Interval
from ...metrics.modes import class_shares, modes
from ...models.learner import Learner
from ...models.model import EnergyModel, device_of
from ...models.sampler import ChainStage, Sampler, Stages, WrappedSampler, next_stage
from ...models.samples import draw_samples
from ...report.tables import summary
from ...starts.replay import ReplayBuffer
from ..chains import every_label
from ..evaluate import other_samplers
from ..image_evaluator import LabelledImages
from ..progress import within

SHOWN, FEWEST = 32, 16
MODEL, BUFFER, DATA = "model", "buffer", "training data"


class SamplerComparison:
    """Draws by samplers and measures; keeps histograms, energies and pictures by name of the sampler.

    `stored` are the chains of training, where there are any.
    """

    def __init__(
        self,
        model: EnergyModel,
        evaluator: LabelledImages,
        n: int,
        draws: int,
        seed: int,
        progress: Callable[[str], None],
        stored: Stored | None = None,
    ) -> None:
        self.stored = stored
        self.model, self.evaluator, self.n, self.draws, self.seed = model, evaluator, n, draws, seed
        self.progress, self.device = progress, device_of(model)
        assert evaluator.train.y is not None
        self.classes = len(evaluator.classifier.classes)
        self.histograms = {"data": class_shares(evaluator.train.y, self.classes)}
        self.energies: dict[str, Tensor] = {}
        self.pictures: dict[str, Tensor] = {}
        self.notes: list[str] = []

    def row(self, name: str, sampler: Sampler, *, recorded: bool = True) -> dict[str, Interval]:
        """Measures of `draws` sets of samples by `sampler`, from the seed that all of them share."""
        self.progress(f"{name}: {self.draws} draws of {self._size(name)} samples")
        rng, ends = generator(derive(self.seed, "modes"), self.device), EnergyRecorder(sampler)
        sets = [self._draw(name, ends, rng) for _ in range(self.draws)]
        if recorded and name in (MODEL, BUFFER):
            self.energies[name] = ends.energies()
        return self._measured(name, sets, recorded)

    def data_row(self) -> dict[str, Interval]:
        """The same of training images."""
        rng, draw = generator(derive(self.seed, "data row")), self.evaluator.baselines()[DATA]
        return self._measured(DATA, [draw(self.n, rng) for _ in range(self.draws)], True)

    def measure(self, x: Tensor, y: Tensor) -> dict[str, float]:
        """The measures of the module's list, of pictures `x` in [-1, 1] that the classifier calls `y`."""
        features, held = self.evaluator.classifier.features(x), self.evaluator.held_features
        found, near = (
            modes(y, self.classes, reference=self.histograms["data"]),
            coverage(held, features, widest=TYPICAL),
        )
        return {
            "modes": float(found.found),
            "kl": found.kl,
            "recall": near.recall,
            "precision": near.precision,
            "feature_distance": frechet_distance(features, held),
            "duplicates": duplicate_share(held, features),
        }

    def _measured(self, name: str, sets: list[Tensor], recorded: bool) -> dict[str, Interval]:
        seen = [self.evaluator.as_picture(x) for x in sets]
        answers = [self.evaluator.classifier.answers(x) for x in seen]
        if recorded:
            self.histograms[name] = class_shares(torch.cat(answers), self.classes)
            self.pictures[name] = seen[0][:SHOWN]
        return summary([self.measure(x, y) for x, y in zip(seen, answers, strict=True)], self.n)

    def _draw(self, name: str, sampler: Sampler, rng: torch.Generator) -> Tensor:
        size = self._size(name)
        y = every_label(self.model, size, rng)
        # Chains of one chunk come from distinct slots of a buffer; those of two might share some.
        chunk = size if name == BUFFER else 512
        return draw_samples(
            self.model, sampler, size, rng=rng, y=y, chunk=chunk, progress=within(self.progress, name)
        ).x

    def _size(self, name: str) -> int:
        if name != BUFFER or self.stored is None or (held := self.stored.count) >= self.n:
            return self.n
        told = f"the buffer holds {held} chains: its row has so few samples, which raises feature_distance"
        self.notes += [] if told in self.notes else [told]
        return held


class EnergyRecorder(WrappedSampler):
    """A sampler that notes the energy where its chains ended: E alone, without the base of latents."""

    def __init__(self, inner: Sampler) -> None:
        super().__init__(inner)
        self._found = list[Tensor]()

    def stages(
        self, n: int, rng: torch.Generator, *, y: Tensor | None = None, steps: int | None = None
    ) -> Stages:
        """The stages themselves; energies are taken when the last one has ended."""
        made = self.make(n, rng, y=y, steps=steps)
        stage = next(made, None)
        while stage is not None:
            end = yield stage
            last, stage = stage, next_stage(made, end)
        self._note(last, end)

    def energies(self) -> Tensor:
        """E of every chain so far, `(chains,)`, on the CPU; those that are not finite are left out."""
        found = torch.cat(self._found)
        return found[torch.isfinite(found)]

    @torch.no_grad()
    def _note(self, stage: ChainStage, end: Position) -> None:
        self._found.append((stage.energy_on_latents or stage.energy)(end).float().cpu())


def of_length(sampler: Sampler, steps: int) -> Sampler:
    """The same with chains of `steps` steps; with 0 it ends where its first stage begins."""

    def started(n: int, rng: torch.Generator, *, y: Tensor | None = None, **asked: Any) -> Stages:
        yield replace(next(sampler.stages(n, rng, y=y, steps=1)), steps=0)

    def sized(n: int, rng: torch.Generator, *, y: Tensor | None = None, **asked: Any) -> Stages:
        return sampler.stages(n, rng, y=y, steps=steps)

    return WrappedSampler(sampler, sized if steps else started)


def moves(model: EnergyModel) -> bool:
    """Whether the model's own sampler has a chain whose length can be told."""
    rng = generator(0, device_of(model))
    return next(model.sampler().stages(1, rng, y=every_label(model, 1, rng), steps=1)).steps > 0


def samplers_of(model: EnergyModel, stored: Stored | None) -> tuple[dict[str, Sampler], list[str]]:
    """The samplers to compare, and why one is missing."""
    found: dict[str, Sampler] = {MODEL: model.sampler(), **other_samplers(model)}
    if stored is None:
        return found, []
    if stored.count < FEWEST:
        return found, ["no chains are stored (exported folders keep none): nothing goes on from a buffer"]
    return {**found, BUFFER: stored.sampler}, []


@dataclass(frozen=True)
class Stored:
    """Chains that training stored: the sampler that goes on from them, and how many there are."""

    sampler: Sampler
    count: int

    @staticmethod
    def of(learner: Learner) -> Stored | None:
        """Those of a run; none where training keeps no replay buffer."""
        sampler, buffer = learner.samplers().get("buffer"), getattr(learner, "buffer", None)
        if sampler is None or not isinstance(buffer, ReplayBuffer):
            return None
        return Stored(sampler, int((buffer.age > 0).sum()))

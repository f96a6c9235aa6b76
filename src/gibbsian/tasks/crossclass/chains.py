"""Chains that begin at images, under a label."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ...core.errors import UsageError
from ...core.position import Position
from ...core.random import derive, generator
from ...data.dataset import Dataset
from ...mcmc.base import run
from ...models.model import EnergyModel, device_of
from ...models.sampling import run_stages
from ...nets.frozen import frozen
from ..features import SmallNet
from ..progress import Advance

CHUNK = 512


@dataclass(frozen=True, eq=False)
class Setting:
    """A conditional model with what its chains are measured by.

    `test` are images of `data`, of its shape; `steps` of a chain; `judge` names classes, `features` measures
    distances.
    """

    model: EnergyModel
    data: str
    test: Dataset
    judge: SmallNet
    features: SmallNet
    steps: int
    seed: int
    progress: Advance

    @property
    def classes(self) -> int:
        """How many the model knows."""
        return int(self.model.spec.num_classes)

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return device_of(self.model)

    def rng(self, name: str) -> torch.Generator:
        """A stream of its own for each part, on the model's device."""
        return generator(derive(self.seed, name), self.device)

    def unit(self, x: Tensor) -> Tensor:
        """Images of the model's range in [0, 1], on the CPU."""
        pixels = self.model.spec
        return (x.cpu() - pixels.low) / (pixels.high - pixels.low)

    def judged(self, x: Tensor) -> Tensor:
        """Probabilities `(N, classes)` that the judge gives to images in [0, 1]."""
        return self.judge.probabilities(x, low=0.0, high=1.0)

    def seen(self, x: Tensor) -> Tensor:
        """Features `(N, F)` of images in [0, 1]."""
        return self.features.features(x, low=0.0, high=1.0)

    def refined(self, x: Tensor, y: Tensor, name: str) -> Tensor:
        """Where chains from `x` `(N, C, H, W)` under the labels `y` `(N,)` end, in the range of the model."""
        rng, ends = self.rng(name), []
        with frozen(self.model):
            for first in range(0, len(x), CHUNK):
                part = slice(first, first + CHUNK)
                ends.append(
                    self._chain(x[part].to(self.device), y[part].to(self.device), rng, (first, len(x), name))
                )
        return torch.cat(ends)

    def _chain(self, x: Tensor, y: Tensor, rng: torch.Generator, place: tuple[int, int, str]) -> Tensor:
        (first, total, name), pixels = place, self.model.spec
        begun = self.model.sampler().from_data(x, rng, y)

        def advance(made: int, steps: int) -> None:
            self.progress(first * steps + made * len(x), total * steps, name)

        position: Position = run(
            begun.kernel, begun.energy, begun.position, steps=self.steps, rng=rng, evaluate=False,
            progress=advance,
        ).position  # fmt: skip
        if begun.remaining is not None:
            position = run_stages(begun.remaining(position), rng)[-1].position
        with torch.no_grad():
            return self.model.sampler().decode(position).clamp(pixels.low, pixels.high)


@dataclass(frozen=True, eq=False)
class Sources:
    """Test images `x` `(N, C, H, W)` in the model's range, as many of each class, with their labels `y`."""

    x: Tensor
    y: Tensor
    per_class: int


def sources(setting: Setting, per_class: int) -> Sources:
    """`per_class` test images of every class, class by class; raises `UsageError` where there are fewer."""
    test, pixels = setting.test, setting.model.spec
    assert test.y is not None
    rng, rows = generator(derive(setting.seed, "data")), []
    for c in range(setting.classes):
        own = (test.y == c).nonzero()[:, 0]
        if len(own) < per_class:
            raise UsageError(f"{test.name} has {len(own)} test images of class {c}: ask for no more with -n")
        rows.append(own[torch.randperm(len(own), generator=rng)[:per_class]])
    batch = test.batch(torch.cat(rows), pixels.low, pixels.high)
    return Sources(batch.x, test.y[torch.cat(rows)], per_class)

"""Did the images change domain, and did they keep their content?

    class-feature distance   Frechet distance to held-out images of the target, in the features of a small
                             classifier: of the target's classes where it has labels, else of the two domains
    general                  the same for colour images in the features of the CIFAR-10 net, at 32 pixels
    judged                   share that an independent net, told the two domains apart, takes for the target
    content distance         root mean square over pixels in [0, 1] between a translated image and its source,
                             beside that to another's source; and to its true pair, where there are pairs

Distances fall with the number of images, so the rows of one table compare and two tables do not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from ...data.dataset import Dataset, as_floats, from_arrays
from ...data.images import fit_all
from ...metrics.frechet import frechet_interval
from ...metrics.interval import Interval, mean_interval, share_interval
from ...report.pictures import to_uint8
from ...report.tables import cell, plain, table
from ..features import SmallNet, classifier_for, load_classifier

REPEATS = 50
SIDE = 32
"""Pixels a side, at most, of images that are told apart."""
UPDATES = 400
"""Of the nets that tell two domains apart."""


@dataclass(frozen=True)
class Translation:
    """What `compare` found: rows of intervals (95 %), and content distances by what they are to."""

    source: str
    target: str
    n: int
    seed: int
    steps: int
    rows: Mapping[str, Mapping[str, Interval]]
    content: Mapping[str, Interval]
    features: str

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as `gibbsian translate --json` prints them."""
        rows = {row: {k: plain(v) for k, v in cells.items()} for row, cells in self.rows.items()}
        head = {k: getattr(self, k) for k in ("source", "target", "n", "seed", "steps", "features")}
        return {**head, "measures": rows, "content_distance": {k: plain(v) for k, v in self.content.items()}}

    def text(self) -> str:
        """The two tables."""
        keys = list(next(iter(self.rows.values())))
        body = [[row, *(cell(cells.get(k)) for k in keys)] for row, cells in self.rows.items()]
        content = [[k, cell(v)] for k, v in self.content.items()]
        head = f"{self.source} to {self.target}, n = {self.n}, {self.steps} steps, features {self.features}"
        return "\n".join([head, table(["", *keys], body), "", table(["content distance", "pixels"], content)])

    def figures(self) -> dict[str, Any]:
        """None: the pictures say more."""
        return {}


@dataclass(frozen=True)
class Files:
    """Image files that were translated, by name: nothing is measured."""

    names: tuple[str, ...]
    seed: int
    steps: int

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {"n": len(self.names), "seed": self.seed, "steps": self.steps, "images": list(self.names)}

    def text(self) -> str:
        """One line."""
        return f"{len(self.names)} images translated in {self.steps} steps, seed {self.seed}"

    def figures(self) -> dict[str, Any]:
        """None."""
        return {}


@dataclass(frozen=True, eq=False)
class Domains:
    """Training images of source and target, and the nets that tell them apart.

    Where the target is one class alone, `whole` is the set of all classes, which the features know apart.
    """

    source: Dataset
    target: Dataset
    whole: Dataset | None = None

    @cached_property
    def judge(self) -> SmallNet:
        """An independent net of two classes, source and target."""
        return classifier_for(self._both, "judge", updates=UPDATES)

    @cached_property
    def features(self) -> SmallNet:
        """The net whose features measure the distance."""
        whole = self.whole or self.target
        if whole.y is not None:
            return classifier_for(self._small(whole))
        return classifier_for(self._both, updates=UPDATES)

    def _small(self, data: Dataset) -> Dataset:
        if max(data.event_shape[1:]) <= SIDE:
            return data
        x = _at_most(data.x, SIDE)
        return from_arrays(x, data.y, name=f"{data.name} at {SIDE}", classes=data.classes)

    @cached_property
    def _both(self) -> Dataset:
        n = min(len(self.source), len(self.target))
        x = torch.cat([_at_most(part.take(n).x, SIDE) for part in (self.source, self.target)])
        y = torch.arange(2).repeat_interleave(n)
        name = f"{self.source.name} or {self.target.name}"
        return from_arrays(x, y, name=name, classes=("source", "target"))


def compare(
    domains: Domains,
    source: Tensor,
    translated: Tensor,
    held: Tensor,
    *,
    seed: int,
    steps: int,
    pairs: Tensor | None = None,
) -> Translation:
    """Measure `translated` `(N, C, H, W)` made from `source`; `held` are held-out images of the target and
    `pairs` the true ones of each source. All in [-1, 1], as 8 bits would hold them.
    """
    rng = torch.Generator().manual_seed(seed)
    floor = domains.target.batch(torch.randperm(len(domains.target), generator=rng)[: len(source)]).x
    sets = {"source": source, "translated": translated, "training images of the target": floor}
    rows = {name: _row(domains, x, held, rng) for name, x in sets.items()}
    order = torch.roll(torch.arange(len(source)), 1)
    content = {
        "to its source": _apart(translated, source),
        "to another source": _apart(translated, source[order]),
    }
    if pairs is not None:
        content |= {
            "to its pair": _apart(translated, pairs),
            "to another pair": _apart(translated, pairs[order]),
            "of its source to its pair": _apart(source, pairs),
        }
    names = (domains.source.name, domains.target.name)
    return Translation(*names, len(source), seed, steps, rows, content, domains.features.name)


def _row(domains: Domains, x: Tensor, held: Tensor, rng: torch.Generator) -> dict[str, Interval]:
    spaces = {"class_feature_distance": domains.features}
    if x.shape[1] == 3 and max(x.shape[2:]) >= SIDE:
        spaces["general"] = load_classifier("cifar10")
    here, there = _small_floats(x), _small_floats(held)
    found = {
        name: frechet_interval(net.features(here), net.features(there), rng, repeats=REPEATS)
        for name, net in spaces.items()
    }
    judged = int((domains.judge.answers(here) == 1).sum())
    return {**found, "judged": share_interval(judged, len(x))}


def _small_floats(x: Tensor) -> Tensor:
    """Images `(N, C, H, W)` in [-1, 1], at most `SIDE` pixels a side."""
    if max(x.shape[2:]) <= SIDE:
        return x
    return as_floats(_at_most(torch.from_numpy(to_uint8(x, -1.0, 1.0)), SIDE), -1.0, 1.0)


def _at_most(images: Tensor, side: int) -> Tensor:
    """uint8 images as a data set keeps them, resampled where they are larger."""
    if max(images.shape[1:3]) <= side:
        return images
    return torch.from_numpy(fit_all(images.numpy(), side, None))


def _apart(x: Tensor, y: Tensor) -> Interval:
    return mean_interval(((x - y) / 2).square().flatten(1).mean(1).sqrt())

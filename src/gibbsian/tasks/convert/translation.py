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

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ...core.position import leaves
from ...core.random import Streams
from ...core.show import tables
from ...data.dataset import as_floats
from ...data.own import Given
from ...metrics.frechet import frechet_interval
from ...metrics.interval import Interval, mean_interval, share_interval
from ...models.model import EnergyModel, device_of
from ...report.pictures import grid, pictured, ramp, to_uint8
from ...report.tables import cell, plain, table
from ..features import load_classifier
from ..film import Film, decoded, frames
from ..progress import Advance, silent
from .chain import translate
from .domains import SIDE, Domains, at_most, source_images

REPEATS, SHOWN = 50, 12


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
    pictures: Mapping[str, Image.Image] = field(default_factory=dict, repr=False)
    films: Mapping[str, Sequence[Image.Image]] = field(default_factory=dict, repr=False)

    __repr__ = tables

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
class TranslatedFiles:
    """Image files that were translated, by name: nothing is measured."""

    names: tuple[str, ...]
    seed: int
    steps: int
    pictures: Mapping[str, Image.Image] = field(default_factory=dict, repr=False)
    films: Mapping[str, Sequence[Image.Image]] = field(default_factory=dict, repr=False)

    __repr__ = tables

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {"n": len(self.names), "seed": self.seed, "steps": self.steps, "images": list(self.names)}

    def text(self) -> str:
        """One line."""
        return f"{len(self.names)} images translated in {self.steps} steps, seed {self.seed}"

    def figures(self) -> dict[str, Any]:
        """None."""
        return {}


def translate_data_set(
    model: EnergyModel,
    trained_on: str,
    source: Given | None = None,
    *,
    n: int = 64,
    to: int | None = None,
    steps: int | None = None,
    noise: float | None = None,
    seed: int = 0,
    data_dir: str | Path | None = None,
    progress: Advance = silent,
) -> Translation:
    """Translate `n` test images, with measures, a sheet of pictures and a film.

    The arguments are those of `source_images`, which raises errors, and of `translation`, which does too.
    """
    low, high = model.spec.low, model.spec.high
    begun = source_images(model, trained_on, source, n=n, seed=seed, to=to, data_dir=data_dir)
    x = low + (begun.x + 1) * (high - low) / 2
    moved, film = _moved(model, x, (to, steps, noise), seed, progress)
    found = compare(
        begun.domains, begun.x, pictured(moved, low, high), begun.held, seed=seed, steps=film.made,
        pairs=begun.pairs,
    )  # fmt: skip
    pairs = None if begun.pairs is None else low + (begun.pairs + 1) * (high - low) / 2
    return replace(
        found,
        pictures={"translate": sheet(model, x, moved, film, pairs)},
        films={"translate": frames(model, film)},
    )


def translate_files(
    model: EnergyModel,
    x: Tensor,
    names: Sequence[str],
    *,
    to: int | None = None,
    steps: int | None = None,
    noise: float | None = None,
    seed: int = 0,
    progress: Advance = silent,
) -> TranslatedFiles:
    """Translate images `x` `(N, *event)` of the model's range, with a picture of each by name, a sheet of all
    and a film. Raises `UsageError` as `translation` does.
    """
    moved, film = _moved(model, x, (to, steps, noise), seed, progress)
    each = zip(names, to_uint8(moved, model.spec.low, model.spec.high), strict=True)
    pictures = {"translate": sheet(model, x, moved, film)}
    pictures |= {f"translated/{name}": Image.fromarray(pixels) for name, pixels in each}
    return TranslatedFiles(tuple(names), seed, film.made, pictures, {"translate": frames(model, film)})


Begin = tuple[int | None, int | None, float | None]  # to which class, in how many steps, from which noise


def _moved(model: EnergyModel, x: Tensor, how: Begin, seed: int, progress: Advance) -> tuple[Tensor, Film]:
    device, (to, steps, noise) = device_of(model), how
    return translate(
        model, x.to(device), rng=Streams(seed, device=device).eval, to=to, steps=steps, noise=noise,
        progress=lambda done, total: progress(done, total, ""),
    )  # fmt: skip


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
    return as_floats(at_most(torch.from_numpy(to_uint8(x, -1.0, 1.0)), SIDE), -1.0, 1.0)


def _apart(x: Tensor, y: Tensor) -> Interval:
    return mean_interval(((x - y) / 2).square().flatten(1).mean(1).sqrt())


def sheet(
    model: EnergyModel, x: Tensor, moved: Tensor, film: Film, pairs: Tensor | None = None
) -> Image.Image:
    """Rows of images: source, translation, change along the chain, and the true pair where there is one; 12
    images at most. All in the model's range.
    """
    low, high = model.spec.low, model.spec.high
    n = min(SHOWN, len(x))
    rows = [_colour(to_uint8(images[:n], low, high)) for images in (x, moved)]
    rows.append(_change(model, film, n))
    if pairs is not None:
        rows.append(_colour(to_uint8(pairs[:n], low, high)))
    return grid(np.concatenate(rows), columns=n)


def _change(model: EnergyModel, film: Film, n: int) -> np.ndarray:
    """The summed |x_k - x_j| between kept positions, over channels, brightest where it is least (uint8)."""
    x = torch.stack(decoded(model, [leaves(p)[0] for p in film.positions], n))
    moved = (x[1:] - x[:-1]).abs().sum((0, 2)) if len(x) > 1 else torch.zeros(x.shape[1], *x.shape[3:])
    top = moved.flatten(1).amax(1).clamp(min=1e-12)[:, None, None]
    return ramp((moved / top).cpu().double().numpy())


def _colour(images: np.ndarray) -> np.ndarray:
    return images if images.ndim == 4 else np.repeat(images[..., None], 3, axis=3)

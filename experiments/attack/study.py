"""Attacks on models beside baselines with the run's own network; class biases for conditional energies.

plain, trained by PGD     the network of the first model, trained to classify (see `baselines`)
NAME, NAME + K steps      a model, plain and refined (see `gibbsian.tasks.attack.classifiers`)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gibbsian.core.errors import UsageError
from gibbsian.core.random import derive, generator
from gibbsian.data.dataset import Dataset
from gibbsian.data.load import load
from gibbsian.models.capabilities import classifier
from gibbsian.models.model import EnergyModel, device_of
from gibbsian.nets.frozen import frozen
from gibbsian.tasks.attack.classifiers import Attacked, Refinement, box, classifiers_of
from gibbsian.tasks.attack.refinement import Plain
from gibbsian.tasks.attack.robustness import Pieces, Robustness, attacked, images_for
from gibbsian.tasks.attack.sweep import Threat, Watch
from gibbsian.tasks.progress import Advance, silent

from .baselines import Kind, Training, baseline
from .class_biases import ROWS, ClassBiases, fit_class_biases

TITLES: dict[Kind, str] = {"plain": "plain", "pgd": "trained by PGD"}
COLOURS = {"plain": "#868e96", "trained by PGD": "black"}


@dataclass(frozen=True)
class Baselines:
    """Which baselines are trained, for how many `minutes` each (or `updates`); "pgd" on images attacked at
    `eps` in pixels of range 1. They are kept in `folder`."""

    kinds: tuple[Kind, ...] = ("plain", "pgd")
    minutes: float = 3.0
    eps: float = 0.1
    updates: int | None = None
    folder: Path | None = None


def attack_beside(
    models: Mapping[str, EnergyModel],
    data: str,
    *,
    threat: Threat | None = None,
    refinement: Refinement | None = None,
    baselines: Baselines | None = None,
    class_biases: bool = True,
    n: int = 500,
    data_dir: str | Path | None = None,
    progress: Advance = silent,
) -> Robustness:
    """Attack `models` by name, plain and refined, and baselines with the network of the first.

    Args:
        data: name of a labelled image set; `n` of its test images are drawn by the seed.
        class_biases: whether to fit one number a class where a model is not joint.
        progress: called with (parts done, parts, what is being done).

    Raises:
        UsageError: for models without labels or of other data, and for values out of range.
    """
    threat, refinement = threat or Threat(), refinement or Refinement()
    baselines, first = baselines or Baselines(), next(iter(models.values()))
    steps = (*refinement.steps, *(0 for _ in baselines.kinds))
    shown, classes = images_for(models, data, threat, ("all",), steps, n, (), data_dir)
    train = load(data, "train", data_dir=data_dir)
    bar = Pieces(progress, 2 * len(baselines.kinds) + len(models) * len(set(refinement.steps)))
    trained: dict[str, Any] = {}
    fitted: dict[str, ClassBiases] = {}

    def every() -> Iterator[Attacked]:
        yield from _trained(first, baselines, train, threat, bar, trained)
        for name, model in models.items():
            b: Tensor | float = 0.0
            if class_biases and not model.joint:
                fitted[name] = _fitted(model, train, threat.seed)
                b = fitted[name].b
            yield from classifiers_of(name, model, classes, refinement, b)

    found = attacked(every(), data, shown, threat, ("all",), bar, {})
    about = {
        "refinement": {**asdict(refinement), "class_biases": class_biases},
        "baselines": trained,
        "class_biases": {name: one.to_dict() for name, one in fitted.items()},
    }
    remarks = tuple(f"{name}: {one.told()}" for name, one in fitted.items())
    return replace(found, about=about, remarks=remarks, colours=COLOURS)


def _trained(
    model: EnergyModel,
    asked: Baselines,
    train: Dataset,
    threat: Threat,
    piece: Callable[[str], Watch],
    records: dict[str, Any],
) -> Iterator[Attacked]:
    """The baselines one after another, with the network of `model`; their records are noted."""
    if not asked.kinds:
        return
    net = None if model.record is None else dict(vars(model.record.config)).get("net")
    if net is None:
        raise UsageError(
            f"{type(model).__name__} has no energy network to train as a baseline: leave baselines out"
        )
    made = Training(net, box(model), asked.minutes, threat.norm, asked.eps, asked.updates, threat.seed)
    device = device_of(model)
    for kind in asked.kinds:
        watch = partial(_tell, piece(f"training: {TITLES[kind]}"))
        found = baseline(kind, train, made, asked.folder, device=device, watch=watch)
        records[TITLES[kind]] = found.record
        yield Attacked(TITLES[kind], found.net, Plain(found.net), made.box)


def _fitted(model: EnergyModel, train: Dataset, seed: int) -> ClassBiases:
    """Biases from some training images."""
    rng = generator(derive(seed, "attack/offsets"))
    order = torch.randperm(len(train), generator=rng)[:ROWS]
    batch = train.batch(order, *box(model))
    assert batch.y is not None
    device = device_of(model)
    with frozen(model):
        return fit_class_biases(classifier(model).logits, batch.x.to(device), batch.y.to(device))


def _tell(watch: Watch, share: float) -> None:
    watch(share, "")

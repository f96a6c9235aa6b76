"""Rows of the data inside: those of the table, those by which a score is chosen, and training rows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from ...core.errors import DataError, UsageError
from ...core.random import derive, generator
from ...data.dataset import Dataset
from ...data.own import Given
from ...models.model import EnergyModel
from ..parts import name_of, train_and_held
from . import sets as known_sets
from .sets import ImageSet

LEAST, FEWEST = 20, 5
"""Test rows for half of which a score can be chosen, and without which there is nothing to say."""


@dataclass(frozen=True, eq=False)
class Inside:
    """Test rows for the table and others for the choice, and training rows that scores are set by, uint8."""

    table: Tensor
    choice: Tensor
    train: Tensor


def inside_rows(
    model: EnergyModel, data: Given, held: Given | None, n: int, seed: int, data_dir: str | Path | None
) -> tuple[Dataset, Inside, tuple[str, ...]]:
    """The training part, the rows that are used, and what is to be said of them."""
    if n < LEAST:
        raise UsageError(f"n is {n}: take at least {LEAST} rows of each set")
    train, test = train_and_held(data, held, model.spec, data_dir=data_dir)
    if test.event_shape != model.spec.event_shape:
        raise UsageError(
            f"{name_of(data)} has rows of shape {test.event_shape}, the model of "
            f"{model.spec.event_shape}: name the data that it was trained on"
        )
    if len(test) < FEWEST:
        raise UsageError(f"{name_of(data)} has {len(test)} test rows: at least {FEWEST} are needed")
    rng, notes = generator(derive(seed, "ood/inside")), test.notes
    table = min(n, len(test) // 2)
    if table < LEAST:
        table = min(n, len(test))
        notes += (
            f"{len(test)} test rows are too few to choose a score on: all are in the table, none is quoted",
        )
    order = torch.randperm(len(test), generator=rng)
    rows = torch.randperm(len(train), generator=rng)[: max(table, LEAST)]
    choice = order[table : 2 * table] if len(test) >= 2 * LEAST else order[:0]
    parts = (test.subset(order[:table]).x, test.subset(choice).x, train.subset(rows).x)
    return train, Inside(*parts), notes


def choosing(
    asked: str | None, data: str, model: EnergyModel, inside: Inside, seed: int, data_dir: str | Path | None
) -> ImageSet | None:
    """Rows of the set on which the score is chosen; interpolation, if the default one is not here."""
    name = known_sets.check_names([asked or known_sets.to_choose_on(data, model.spec.event_shape)], data)[0]
    if not len(inside.choice):
        if asked:
            raise UsageError(f"{data} has too few test rows to choose on {asked}: leave choose_on out")
        return None
    gather = partial(known_sets.gather, inside=inside.choice, n=len(inside.choice), seed=seed, split="train")
    found = gather(name, table=model.spec.table, data_dir=data_dir)
    if found.absent and asked:
        raise DataError(f"no score can be chosen: {found.absent}")
    return gather("interpolation") if found.absent else found

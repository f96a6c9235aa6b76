"""Labelled data as tasks: classes in their order, a few at a time; and earlier rows beside later ones."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ...core.errors import DataError, UsageError, require_some
from ...core.spec import DataSpec
from ...data.dataset import Dataset
from ...data.rows import ArrayRows
from ...report.pictures import to_uint8

MOST = 10
"""Tasks by default, at most."""


@dataclass(frozen=True, eq=False)
class Task:
    """Some of the classes: their numbers `(K,)`, their training rows, and the rows they are judged on."""

    classes: Tensor
    train: Dataset
    held: Dataset


def in_tasks(train: Dataset, held: Dataset, tasks: int | None = None, rows: int | None = None) -> list[Task]:
    """The classes in their order in `tasks` parts, the first larger where they must be; pairs by default.

    Args:
        train, held: rows of the same classes.
        tasks: number of tasks.
        rows: training rows of each task at most.

    Raises:
        UsageError: more tasks than classes, or fewer than 2.
        DataError: data without labels or of one class, a class without training or a task without held-out
            rows.
    """
    require_some({"rows": rows})
    if train.y is None or held.y is None:
        raise DataError(
            f"{train.name} has no labels, and classes are what comes in sequence: give some, as folders of "
            "classes, a column named y or an array y"
        )
    count = len(train.classes)
    if count < 2:
        raise DataError(f"{train.name} has one class, {train.classes[0]}: give two or more to tell apart")
    if tasks is None:
        tasks = min(count // 2, MOST) if count >= 4 else count
    if not 2 <= tasks <= count:
        raise UsageError(f"tasks is {tasks}: {train.name} has {count} classes, so choose from 2 to {count}")
    if missing := [name for c, name in enumerate(train.classes) if not bool((train.y == c).any())]:
        raise DataError(
            f"{train.name} has no training rows of class {missing[0]}: give some, or leave it out"
        )
    parts = torch.arange(count).tensor_split(tasks)
    if unjudged := [part for part in parts if not bool(torch.isin(held.y, part).any())]:
        names = ", ".join(train.classes[int(c)] for c in unjudged[0])
        raise DataError(f"{train.name} has no held-out rows of class {names}: give more rows, or fewer tasks")
    return [Task(part, _of(train, part, rows), _of(held, part)) for part in parts]


def _of(data: Dataset, classes: Tensor, most: int | None = None) -> Dataset:
    assert data.y is not None
    index = torch.isin(data.y, classes).nonzero()[:, 0]
    if most is None or len(index) <= most:
        return data.subset(index)
    order = torch.randperm(len(index), generator=torch.Generator().manual_seed(0))
    return data.subset(index[order[:most]].sort().values)


def with_samples(data: Dataset, x: Tensor, y: Tensor, spec: DataSpec) -> Dataset:
    """`data` and, after them, samples `x` `(N, *event)` of a model of `spec` with labels `y` `(N,)`, stored
    as the data are: images in 8 bits, rows of a table in its units.
    """
    x = x.detach().cpu()
    if data.is_image:
        stored = torch.from_numpy(to_uint8(x, spec.low, spec.high))
    else:
        stored = x if data.table is None else data.table.in_units(x).float()
    return _joined(data, stored, y.cpu())


def with_rows(data: Dataset, earlier: list[Dataset]) -> Dataset:
    """`data` and, after them, all rows of `earlier` tasks."""
    return _joined(data, torch.cat([d.x for d in earlier]), torch.cat([_labels(d) for d in earlier]))


def _joined(data: Dataset, x: Tensor, y: Tensor) -> Dataset:
    rows = ArrayRows(torch.cat([data.x, x]))
    return replace(data, rows=rows, y=torch.cat([_labels(data), y]), cond=None, factors=None)


def _labels(data: Dataset) -> Tensor:
    assert data.y is not None
    return data.y

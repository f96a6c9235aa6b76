"""A data set: rows that can be read by index, labels, and batches of floats made from them.

Images are kept as uint8 and become floats (B, C, H, W) in a chosen range only in a batch; points
and other arrays are kept as float32 (N, *event) and pass through as they are. Rows may lie in
memory (`ArrayRows` in `rows.py`) or on disk (`ImageFiles` in `folder.py`); the data set does not know which.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..core.errors import DataError, UsageError
from ..core.records import Batch
from ..core.spec import Table
from .arrays import as_tensor, stored
from .factors import Factors
from .labels import is_condition, read_labels
from .options import Channels
from .recipe import DataRecipe
from .rows import ArrayRows, BrokenRow, Rows, digest_of
from .transitions import Transitions


@dataclass(frozen=True, eq=False)
class Dataset:
    """Rows with labels `y` (N,) int64 or None, names of the `classes`, conditions `cond`.

    Conditions are rows `(N, D)` that models of p(x | c) take, of blocks of the lengths `blocks`, or images to
    start from. `factors` are what synthetic rows were rendered from. `split` is "train", "validation" or
    "test". `notes` are lines on what was decided when the rows were read, for whoever asked for them;
    `recipe` reads them again, and is None for rows that came from arrays. `table` names the columns of a
    table, and says in what units models see them: `x` is as the table holds it, `batch` standardised.
    `transitions` are the episodes that rows are the steps of.
    Build one from arrays with `from_arrays`.
    """

    name: str
    split: str
    rows: Rows
    y: Tensor | None = None
    classes: tuple[str, ...] = ()
    cond: Tensor | None = None
    factors: Factors | None = None
    notes: tuple[str, ...] = ()
    recipe: DataRecipe | None = None
    table: Table | None = None
    transitions: Transitions | None = None
    blocks: tuple[int, ...] = ()

    def __len__(self) -> int:
        return self.rows.shape[0]

    def __repr__(self) -> str:
        shape = " x ".join(map(str, self.event_shape))
        what = f"images of {shape}" if self.is_image else f"rows of {shape} numbers"
        labelled = f", {len(self.classes)} classes" if self.y is not None else ""
        told = "".join(f"\n  {note}" for note in self.notes)
        return f"Dataset {self.full_name}, {self.split} part: {len(self):,} {what}{labelled}{told}"

    @property
    def is_image(self) -> bool:
        """True for images (uint8 as stored)."""
        return self.rows.is_image

    @property
    def event_shape(self) -> tuple[int, ...]:
        """(C, H, W) for images, else the shape of one row."""
        shape = self.rows.shape[1:]
        if not self.is_image:
            return shape
        return (1, *shape) if len(shape) == 2 else (shape[2], *shape[:2])

    @property
    def x(self) -> Tensor:
        """All rows as stored; an image folder that is streamed is read in full."""
        if isinstance(self.rows, ArrayRows):
            return self.rows.values
        return self._read(torch.arange(len(self)))[0]

    @property
    def names(self) -> tuple[str, ...]:
        """What each row is called: its file below the folder, or its number."""
        return self.rows.names or tuple(map(str, range(len(self))))

    @property
    def full_name(self) -> str:
        """The line that reads the set again, or its name where there is none."""
        return str(self.recipe or self.name)

    @cached_property
    def fingerprint(self) -> str:
        """64 hexadecimal digits that change with the rows, labels, conditions, class names or factors.

        Does not depend on `name` and `split`. Streamed folders are identified by the files' relative
        paths and sizes.
        """
        digest = hashlib.sha256(self.rows.digest())
        for extra in (self.y, self.cond):
            digest.update(b"none" if extra is None else digest_of(extra))
        digest.update("\0".join(self.classes).encode())
        if self.factors is not None:
            digest.update(self.factors.digest())
        return digest.hexdigest()

    def batch(self, index: Tensor, low: float = -1.0, high: float = 1.0) -> Batch:
        """The rows at `index` (B,): images as float32 (B, C, H, W) in [low, high], columns of a table in the
        units of its models, others as stored.

        Where broken files are to be skipped, the next row that can be read stands in the place of one.
        """
        x, index = self._read(index)
        cond = None if self.cond is None else as_floats(self.cond[index], low, high)
        y = None if self.y is None else self.y[index]
        x = as_floats(x, low, high) if self.table is None else self.table.standardised(x)
        return Batch(x, y, cond, index)

    def _read(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """The rows at `index` as stored, and the numbers of those that were read."""
        for _ in range(len(self)):
            try:
                return self.rows.read(index), index
            except BrokenRow as error:
                if not error.skip:
                    raise
                index = torch.where(index == error.row, (error.row + 1) % len(self), index)
        raise DataError(f"{self.name} holds no row that can be read")

    def take(self, n: int) -> Dataset:
        """The first `n` rows; raises `UsageError` if there are fewer."""
        if not 0 < n <= len(self):
            raise UsageError(f"take({n}) of {self.name} {self.split}: it has {len(self)} rows")
        return self.subset(torch.arange(n))

    def subset(self, index: Tensor) -> Dataset:
        """The rows at `index` (M,), in that order."""
        y = None if self.y is None else self.y[index]
        cond = None if self.cond is None else self.cond[index]
        factors = None if self.factors is None else self.factors.select(index)
        return replace(self, rows=self.rows.select(index), y=y, cond=cond, factors=factors)

    def split_off(self, validation: int) -> tuple[Dataset, Dataset]:
        """(train, validation) without overlap: a fixed choice of `validation` rows, always the same; of
        transitions whole episodes, the last ones that have as many rows.

        The choice is the end of `numpy.random.RandomState(0).permutation(N)`; train keeps its order.
        """
        rest, last = carve(len(self), validation, f"{self.name} {self.split}")
        if self.transitions is not None:
            first, held = self.transitions.split(validation)
            rest, last = torch.arange(len(self)).split([n := first.count, len(self) - n])
            train = replace(self.subset(rest), transitions=first)
            return train, replace(self.subset(last), split="validation", transitions=held)
        return self.subset(rest), replace(self.subset(last), split="validation")


def carve(n: int, last: int, what: str) -> tuple[Tensor, Tensor]:
    """Row numbers (n - last,) in order and (last,) from the end of a fixed permutation of `n`."""
    if not 0 < last < n:
        raise UsageError(f"{last} rows cannot be set aside from the {n} of {what}: choose from 1 to {n - 1}")
    order = torch.from_numpy(np.random.RandomState(0).permutation(n))
    return order[: n - last].sort().values, order[n - last :]


def from_arrays(
    x: np.ndarray | Tensor,
    y: np.ndarray | Tensor | None = None,
    *,
    name: str = "arrays",
    split: str = "train",
    classes: tuple[str, ...] | None = None,
    cond: np.ndarray | Tensor | None = None,
    factors: Factors | None = None,
    images: bool | None = None,
    channels: Channels | None = None,
    levels: tuple[float, float] | None = None,
    background: str | None = None,
) -> Dataset:
    """A data set in memory; what was decided on the way is in its `notes`.

    Args:
        x: images or numbers, `(N, ...)`, told apart by the rules of `data.arrays`: bytes, and floats in
            [0, 1] or [-1, 1] of the shape of images, become images; others are numbers in their own units.
        y: labels `(N,)`, whole numbers or words, or rows `(N, k)` of zeros and one 1 (see `data.labels`);
            other numbers, `(N,)` or `(N, k)`, are conditions.
        name, split: what the set is called.
        classes: names of the labels, by default the numbers or words themselves.
        cond: conditions, one a row, read as `x` is.
        factors: what synthetic rows were rendered from.
        images: False reads numbers whatever they look like, True images whose white is 255, 4095 and such.
        channels: "first" or "last", where the rule would choose the wrong axis.
        levels: the values of black and white of images; others are clipped.
        background: the colour that shows through a fourth channel, alpha.

    Raises:
        DataError: an empty set, a wrong shape, values that are not finite, bad labels.
        UsageError: channels where there are none.
    """
    how: dict[str, Any] = {"images": images, "channels": channels, "levels": levels, "background": background}
    rows, notes = stored(as_tensor(x), name, **how)
    y = y.detach().cpu().numpy() if isinstance(y, Tensor) else y
    if y is not None and cond is None and classes is None and is_condition(y):
        cond, y = (y if y.ndim == 2 else y[:, None]).astype(np.float32), None
        notes += (f"y holds {cond.shape[1]} numbers a row that are no classes: conditions c of p(x | c)",)
    told = None if y is None else read_labels(y, len(rows), classes, name)
    what = f"{name} (conditions)"
    pairs = None if cond is None else stored(as_tensor(cond), what, **how).rows
    if pairs is not None and len(pairs) != len(rows):
        raise DataError(f"{name} has {len(rows)} rows but {len(pairs)} conditions")
    if factors is not None and len(factors) != len(rows):
        raise DataError(f"{name} has {len(rows)} rows but factors of {len(factors)}")
    if told is None:
        return Dataset(name, split, ArrayRows(rows), None, classes or (), pairs, factors, notes)
    found = torch.from_numpy(told.y)
    return Dataset(name, split, ArrayRows(rows), found, told.classes, pairs, factors, notes + told.notes)


def as_floats(x: Tensor, low: float, high: float) -> Tensor:
    """uint8 images (B, H, W) or (B, H, W, C) to float32 (B, C, H, W) in [low, high]; floats unchanged."""
    if x.dtype != torch.uint8:
        return x.float()
    x = x.unsqueeze(1) if x.dim() == 3 else x.permute(0, 3, 1, 2)
    return x.contiguous().to(torch.float32).div_(255).mul_(high - low).add_(low)

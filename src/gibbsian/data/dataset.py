"""A data set: rows that can be read by index, labels, and batches of floats made from them.

Images are kept as uint8 and become floats (B, C, H, W) in a chosen range only in a batch; points
and other arrays are kept as float32 (N, *event) and pass through as they are. Rows may lie in
memory (`ArrayRows`) or on disk (`ImageFiles` in `folder.py`); the data set does not know which.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from ..core.errors import DataError, UsageError
from ..core.records import Batch
from .factors import Factors


class Rows(Protocol):
    """Rows as stored: uint8 images (H, W) or (H, W, C), or float32 events."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, ...) of all rows as stored."""

    @property
    def is_image(self) -> bool:
        """True for uint8 images."""

    def read(self, index: Tensor) -> Tensor:
        """The rows at `index` (B,), as stored."""

    def select(self, index: Tensor) -> Rows:
        """These rows only."""

    def digest(self) -> bytes:
        """A hash of the contents."""


@dataclass(frozen=True, eq=False)
class ArrayRows:
    """Rows in memory: uint8 (N, H, W) or (N, H, W, C), or float32 (N, *event)."""

    values: Tensor

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, ...)."""
        return tuple(self.values.shape)

    @property
    def is_image(self) -> bool:
        """True for uint8 images."""
        return self.values.dtype == torch.uint8

    def read(self, index: Tensor) -> Tensor:
        """The rows at `index`."""
        return self.values[index]

    def select(self, index: Tensor) -> Rows:
        """These rows only."""
        return ArrayRows(self.values[index])

    def digest(self) -> bytes:
        """SHA-256 of the dtype, the shape and the bytes."""
        return _digest(self.values)


@dataclass(frozen=True, eq=False)
class Dataset:
    """Rows with labels `y` (N,) int64 or None, names of the `classes`, conditions `cond`.

    `factors` are what synthetic rows were rendered from. `split` is "train", "validation" or "test".
    Build one from arrays with `from_arrays`.
    """

    name: str
    split: str
    rows: Rows
    y: Tensor | None = None
    classes: tuple[str, ...] = ()
    cond: Tensor | None = None
    factors: Factors | None = None

    def __len__(self) -> int:
        return self.rows.shape[0]

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
        return self.rows.read(torch.arange(len(self)))

    @cached_property
    def fingerprint(self) -> str:
        """64 hexadecimal digits that change with the rows, labels, conditions, class names or factors.

        Does not depend on `name` and `split`. Streamed folders are identified by the files' relative
        paths and sizes.
        """
        digest = hashlib.sha256(self.rows.digest())
        for extra in (self.y, self.cond):
            digest.update(b"none" if extra is None else _digest(extra))
        digest.update("\0".join(self.classes).encode())
        if self.factors is not None:
            digest.update(self.factors.digest())
        return digest.hexdigest()

    def batch(self, index: Tensor, low: float = -1.0, high: float = 1.0) -> Batch:
        """The rows at `index` (B,): images as float32 (B, C, H, W) in [low, high], others as stored."""
        cond = None if self.cond is None else as_floats(self.cond[index], low, high)
        y = None if self.y is None else self.y[index]
        return Batch(as_floats(self.rows.read(index), low, high), y, cond, index)

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
        """(train, validation) without overlap: a fixed choice of `validation` rows, always the same.

        The choice is the end of `numpy.random.RandomState(0).permutation(N)`; train keeps its order.
        """
        rest, last = carve(len(self), validation, f"{self.name} {self.split}")
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
) -> Dataset:
    """A data set in memory.

    `x`: uint8 images (N, H, W) or (N, H, W, C) with C 1 or 3, or numbers (N, *event), taken as float32.
    `y`: integers (N,) from 0. `classes` default to the numbers as text.
    Raises `DataError` on an empty set, a wrong shape, values that are not finite, bad labels.
    """
    rows = _checked_rows(_tensor(x), name)
    labels = None if y is None else _checked_labels(_tensor(y), len(rows), classes, name)
    if labels is not None and classes is None:
        classes = tuple(str(i) for i in range(int(labels.max()) + 1))
    pairs = None if cond is None else _checked_rows(_tensor(cond), f"{name} (conditions)")
    if pairs is not None and len(pairs) != len(rows):
        raise DataError(f"{name} has {len(rows)} rows but {len(pairs)} conditions")
    if factors is not None and len(factors) != len(rows):
        raise DataError(f"{name} has {len(rows)} rows but factors of {len(factors)}")
    return Dataset(name, split, ArrayRows(rows), labels, classes or (), pairs, factors)


def as_floats(x: Tensor, low: float, high: float) -> Tensor:
    """uint8 images (B, H, W) or (B, H, W, C) to float32 (B, C, H, W) in [low, high]; floats unchanged."""
    if x.dtype != torch.uint8:
        return x
    x = x.unsqueeze(1) if x.dim() == 3 else x.permute(0, 3, 1, 2)
    return x.contiguous().to(torch.float32).div_(255).mul_(high - low).add_(low)


def _tensor(x: np.ndarray | Tensor) -> Tensor:
    """A tensor of any array; uint16 and such, which torch hardly knows, become int64."""
    if isinstance(x, Tensor):
        return x.detach()
    if x.dtype.kind not in "biuf":
        raise DataError(f"the array holds {x.dtype}, not numbers")
    wide = x.astype(np.int64) if x.dtype.kind in "iu" and x.dtype != np.uint8 else x
    return torch.from_numpy(np.require(wide, requirements=["C", "W"]))


def _checked_rows(x: Tensor, name: str) -> Tensor:
    if x.dim() < 2 or 0 in x.shape:
        raise DataError(f"{name} has shape {tuple(x.shape)}: expected (N, ...), at least one row of numbers")
    if x.dtype != torch.uint8 or x.dim() == 2:
        x = x.to(torch.float32)
        if not torch.isfinite(x).all():
            raise DataError(f"{name} holds values that are not finite: remove or replace them")
    elif x.dim() > 4 or (x.dim() == 4 and x.shape[3] not in (1, 3)):
        raise DataError(
            f"{name} holds bytes of shape {tuple(x.shape)}: images are (N, H, W) or (N, H, W, C) with 1 or 3 "
            "channels, channels last"
        )
    return x.squeeze(3) if x.dtype == torch.uint8 and x.dim() == 4 and x.shape[3] == 1 else x


def _checked_labels(y: Tensor, n: int, classes: tuple[str, ...] | None, name: str) -> Tensor:
    if y.shape != (n,):
        raise DataError(f"{name} has {n} rows but labels of shape {tuple(y.shape)}")
    if y.is_floating_point() and bool((y != y.round()).any()):
        raise DataError(f"{name} has labels that are not whole numbers")
    y = y.long()
    if int(y.min()) < 0 or (classes is not None and int(y.max()) >= len(classes)):
        most = "" if classes is None else f" to {len(classes) - 1}"
        raise DataError(f"{name} has labels from {int(y.min())} to {int(y.max())}: expected 0{most} and up")
    return y


def _digest(x: Tensor) -> bytes:
    digest = hashlib.sha256(f"{x.dtype} {tuple(x.shape)}".encode())
    digest.update(x.contiguous().flatten().numpy().data)
    return digest.digest()

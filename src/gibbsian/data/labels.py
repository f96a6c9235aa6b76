"""Labels as they come, made classes 0 to k - 1: words, gaps, rows of zeros and one 1; decisions are lines."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from ..core.errors import DataError

SHOWN = 6
"""Labels that a line names, at most."""


class Labels(NamedTuple):
    """Class numbers `y` `(N,)` int64, names of the classes, and what was decided on the way."""

    y: np.ndarray
    classes: tuple[str, ...]
    notes: tuple[str, ...] = ()


def read_labels(y: np.ndarray, n: int, classes: Sequence[str] | None, name: str) -> Labels:
    """Labels of the `n` rows of `name`; with names of the `classes`, `y` must count these from 0.

    Without, words and whole numbers are counted in their order, rows of zeros and one 1 by where it stands.
    Raises `DataError` for another number of rows, labels that are not whole or not finite, and for -1, which
    may stand for no label, unless it is one of two.
    """
    found = _words(y)
    notes: tuple[str, ...] = ()
    marked = found.dtype.kind in "biuf" and found.ndim == 2 and found.shape[1] > 1
    if marked and ((found == 0) | (found == 1)).all() and (found.sum(1) == 1).all():
        found, notes = found.argmax(1), ("the labels are the places of the 1 in each row",)
    found = found[:, 0] if found.shape == (n, 1) else found
    if found.shape != (n,):
        raise DataError(f"{name} has {n} rows but labels of shape {found.shape}")
    if found.dtype.kind == "U":
        words, numbers = np.unique(found, return_inverse=True)
        return Labels(numbers, tuple(classes or map(str, words)), notes)
    numbers = _whole(found, name)
    if classes is not None:
        _require_known(numbers, len(classes), name)
        return Labels(numbers, tuple(classes), notes)
    known, counted = np.unique(numbers, return_inverse=True)
    if known[0] < 0 and known.tolist() != [-1, 1]:
        raise DataError(
            f"{name} has labels from {known[0]} to {known[-1]}: number the classes from 0; where "
            f"{known[0]} stands for rows without a label, leave these rows out"
        )
    if known.tolist() != list(range(len(known))):
        notes += (f"labels {listed(known)} are counted as classes 0 to {len(known) - 1}",)
    return Labels(counted, tuple(map(str, known)), notes)


def is_condition(y: np.ndarray) -> bool:
    """Whether `y` are finite numbers but no labels: not whole, or rows that are not zeros and one 1."""
    if y.dtype.kind not in "fiu" or y.ndim not in (1, 2) or not np.isfinite(y).all():
        return False
    if y.ndim == 1 or y.shape[1] == 1:
        return bool((y != np.round(y)).any())
    return bool((y != y[0]).any()) and not (((y == 0) | (y == 1)).all() and (y.sum(1) == 1).all())


def _words(y: np.ndarray) -> np.ndarray:
    """Words of any kind as unicode; numbers as they are."""
    if y.dtype.kind == "O" and y.size and all(isinstance(word, str) for word in y.flat):
        return y.astype(str)
    return np.char.decode(y, "utf-8", "replace") if y.dtype.kind == "S" else y


def _whole(y: np.ndarray, name: str) -> np.ndarray:
    """`y` as int64."""
    if y.dtype.kind not in "biuf":
        raise DataError(f"{name} has labels of type {y.dtype}: give whole numbers or words")
    if not np.isfinite(y).all():
        raise DataError(f"{name} has labels that are not finite: leave the rows without a label out")
    if (y != np.round(y)).any():
        raise DataError(f"{name} has labels that are not whole numbers")
    return y.astype(np.int64)


def _require_known(y: np.ndarray, k: int, name: str) -> None:
    if y.min() < 0 or y.max() >= k:
        raise DataError(f"{name} has labels from {y.min()} to {y.max()}: expected 0 to {k - 1}")


def listed(known: Iterable[object]) -> str:
    """Their names, with a gap where they are many."""
    words = [str(v) for v in known]
    return ", ".join(words if len(words) <= SHOWN else [*words[: SHOWN - 2], "...", words[-1]])

"""The small tables that come with scikit-learn, as points: rows of numbers, one row a line.

Each column has mean 0 and deviation 1 over the training part, so that densities of different models
can be compared; in the raw units they differ by `log |det|` of the scaling, the same for all. A fifth
of the rows, not the house's tenth, is the test part: the sets are small.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.errors import unknown
from ..core.optional import scikit_learn
from .dataset import carve
from .names import TABLES
from .readers import Arrays

TEST_SHARE = 5
WITHOUT_DENSITY = {"diabetes": ("sex",)}
"""Columns of two values, on which a density has no upper bound; they are left out."""


def read_table(name: str, split: str) -> Arrays:
    """Part "train" or "test" of a table: `x` (N, D) float32, `y` (N,) its classes if it has any.

    Of `diabetes` the measured outcome is the last column, and `sex` is left out.
    Raises `UsageError` for an unknown name and where scikit-learn is missing.
    """
    if name not in TABLES:
        raise unknown("table", name, TABLES)
    bunch = _bundled(name)
    x, y, classes = _columns(name, bunch)
    train, test = (rows.numpy() for rows in carve(len(x), len(x) // TEST_SHARE, f"table:{name}"))
    mean, deviation = x[train].mean(0), x[train].std(0)
    rows = train if split == "train" else test
    return Arrays(((x[rows] - mean) / deviation).astype(np.float32), None if y is None else y[rows], classes)


def _columns(name: str, bunch: Any) -> tuple[np.ndarray, np.ndarray | None, tuple[str, ...] | None]:
    """Numbers, classes and their names; a continuous target becomes the last column."""
    left_out = WITHOUT_DENSITY.get(name, ())
    x = np.asarray(bunch.data, np.float64)[:, [f not in left_out for f in bunch.feature_names]]
    if "target_names" in bunch:
        return x, np.asarray(bunch.target), tuple(str(label) for label in bunch.target_names)
    return np.column_stack([x, bunch.target]), None, None


def _bundled(name: str) -> Any:
    load = getattr(scikit_learn("datasets", f"table:{name}"), f"load_{name}")
    return load(scaled=False) if name == "diabetes" else load()

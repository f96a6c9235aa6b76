"""Columns of a table as they are written, from text, data frames, Parquet and Feather."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ..core.errors import DataError
from ..core.optional import pandas

MISSING = ("", "na", "n/a", "nan", "null", "none", "?", "-", "#n/a", "<na>", "nat", ".", "--")
ROW_NUMBERS = re.compile(
    r"(.*[_ ])?u?u?id|index|idx|row[_ .]?(id|names?|num|number|index)?|#|n[or]\.?|unnamed: [\d.]+|__index_.*",
    re.IGNORECASE,
)
"""Names of columns that may number or name the rows."""


@dataclass(frozen=True, eq=False)
class Column:
    """A column: its name, "" without one; cells as written; their numbers, NaN where a cell is none."""

    name: str
    cells: Sequence[object] | np.ndarray
    values: np.ndarray

    @cached_property
    def missing(self) -> np.ndarray:
        """Where nothing is written (N,)."""
        missing = np.isnan(self.values)
        if isinstance(self.cells, list):
            missing[missing] = [self.cells[i].lower() in MISSING for i in np.flatnonzero(missing)]
        return missing

    def select(self, rows: np.ndarray) -> Column:
        """The rows where `rows` (N,) is true."""
        cells = np.asarray(self.cells, object)[rows].tolist() if isinstance(self.cells, list) else None
        values = self.values[rows]
        return Column(self.name, values if cells is None else cells, values)


@dataclass(frozen=True, eq=False)
class Frame:
    """Columns of one length, what a row is called in errors, its number there, and notes."""

    what: str
    columns: list[Column]
    numbers: np.ndarray
    row: str = "line"
    notes: list[str] = field(default_factory=list)


def is_number(cell: str) -> bool:
    """Whether a cell is a number as Python reads it, nan and inf among them."""
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell


def numbers_of(cells: Sequence[str]) -> np.ndarray:
    """float64 (N,): the number of every cell, NaN where it is none or not finite."""
    try:
        values = np.array(cells, dtype=str).astype(np.float64)
    except ValueError:
        values = np.array([float(cell) if is_number(cell) else np.nan for cell in cells])
    return np.where(np.isfinite(values), values, np.nan)


def is_words(column: Column) -> bool:
    """Whether most cells that are not missing are no numbers."""
    if not isinstance(column.cells, list):
        return False
    known = ~column.missing
    return bool(known.any()) and 2 * int(np.isfinite(column.values[known]).sum()) < int(known.sum())


def is_row_name(frame: Frame, column: Column) -> bool:
    """A first column without a name, or one named index or id, whose whole numbers or words all differ, or
    begin anew a few times where it has no name."""
    bare = column is frame.columns[0] and not column.name
    if not (bare or ROW_NUMBERS.fullmatch(column.name)):
        return False
    whole = bool((column.values == np.round(column.values)).all())
    if bare and whole and 2 * int((np.diff(column.values) == 1).sum()) > len(column.values):
        return True
    return (whole or is_words(column)) and len(set(column.cells)) == len(column.cells) > 1


def counts_rows(values: np.ndarray) -> bool:
    """Whether numbers go up by one from 0 or 1."""
    return len(values) > 1 and bool((np.diff(values) == 1).all()) and values[0] in (0, 1)


def idle(frame: Frame, column: Column) -> str:
    """Why a column says nothing of a row, "" where it may."""
    if is_row_name(frame, column):
        return "numbers the rows"
    if column.missing.all():
        return "is empty"
    same = is_words(column) and len(set(column.cells)) == 1
    return f"is {column.cells[0]} in every row" if same else ""


def frame_of(table: Any, what: str) -> Frame:
    """The columns of a pandas `DataFrame`, or of what has `columns` and gives a series for each."""
    columns = [_series(str(name), table.iloc[:, i]) for i, name in enumerate(table.columns)]
    if all(column.name == str(i) for i, column in enumerate(columns)):
        columns = [replace(column, name=f"column {i + 1}") for i, column in enumerate(columns)]
    index = [str(name) for name in table.index.names if name is not None]
    notes = [f"the index '{name}' is left out: reset_index() makes it a column" for name in index]
    return Frame(what, columns, np.arange(1, len(table) + 1), "row", notes)


def _series(name: str, series: Any) -> Column:
    """Numbers and truth values as numbers; everything else as words."""
    if getattr(series.dtype, "kind", "O") in "biuf":
        values = series.to_numpy(np.float64, na_value=np.nan)
        values = np.where(np.isfinite(values), values, np.nan)
        return Column(name, values, values)
    gone = series.isna().to_numpy(bool)
    cells = ["" if missing else str(cell) for cell, missing in zip(series, gone, strict=True)]
    return Column(name, cells, np.full(len(cells), np.nan))


def read_packed(path: Path) -> Frame:
    """The columns of a Parquet or Feather file."""
    if not path.is_file():
        raise DataError(f"there is no file {path}")
    library, ending = pandas(f"{path.suffix.lower()[1:]} files"), path.suffix.lower()
    try:
        table = library.read_parquet(path) if ending == ".parquet" else library.read_feather(path)
    except Exception as error:  # parsers of damaged files raise nearly anything
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"{path} cannot be read as {ending} ({reason})") from error
    return frame_of(table, str(path))

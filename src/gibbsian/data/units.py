"""Columns of a person's own on one scale: models see mean 0 and deviation 1 over the training rows.

Chains take one step for all columns and presets suit a scale of about 1, so columns are standardised unless
all have deviations and means of that size; samples come back in the units of the table.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from ..core.errors import DataError
from ..core.optional import pandas
from ..core.spec import Table
from .columns import Choice, arrays_of
from .dataset import Dataset
from .delimited import Column, Frame, read_frame
from .names import entry
from .readers import Arrays
from .recipe import TEXT, DataRecipe

LIKE = 3.0
"""How many times as large or small as 1 a deviation may be, and how large a mean, to stay as it is."""


def read_file(path: Path, recipe: DataRecipe, stored: Table | None = None) -> Arrays:
    """The columns of a table in a file, those of `stored` if it is given.

    Raises `DataError` for one that cannot be read, and `UsageError` where the library that reads it is missing.
    """
    if path.name.lower().endswith(TEXT):
        frame = read_frame(path, recipe.header, recipe.skips)
    else:
        frame = _packed(path)
    return arrays_of(frame, Choice(recipe.columns, recipe.label_column, recipe.skips, stored))


def stored_table(path: Path) -> Table:
    """The columns that a run or model keeps in its JSON file; raises `DataError` where they are damaged."""
    try:
        return Table.read(json.loads(path.read_text())["table"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} does not say how the table was read ({error})") from error


def in_units(data: Dataset, train: Callable[[], Tensor], table: Table | None = None) -> Dataset:
    """`data` with the units in which models see its columns: those of `table`, or by what `recipe` says and
    what `train`, the training rows, are; the decision is noted. Named sets, images and arrays of other shapes
    stay as they are.
    """
    recipe = data.recipe or DataRecipe(data.name)
    if data.is_image or len(data.event_shape) != 1 or entry(recipe.name) is not None:
        return data
    if table is not None:
        return replace(data, table=table)
    rows = train().double()
    mean, deviation = rows.mean(0), rows.std(0, unbiased=False)
    deviation[deviation <= 1e-12 * mean.abs()] = 1.0
    alike = bool(((deviation > 1 / LIKE) & (deviation < LIKE) & (mean.abs() < LIKE)).all())
    wanted = recipe.standardise if recipe.standardise is not None else not alike
    named = data.table or Table((), (0.0,) * len(mean), (1.0,) * len(mean))
    if not wanted:
        return replace(data, table=named)
    table = replace(named, shift=tuple(mean.tolist()), scale=tuple(deviation.tolist()))
    said = f"deviations are {float(deviation.min()):.3g} to {float(deviation.max()):.3g}"
    note = (
        f"columns are standardised for the model ({said}), and samples come back in the units of the data; "
        "--standardise no leaves them"
    )
    kept = data.recipe and replace(recipe, standardise=True)
    return replace(data, table=table, notes=(*data.notes, note), recipe=kept)


def frame_of(table: Any, what: str) -> Frame:
    """The columns of a pandas `DataFrame`, or of what has `columns` and gives a series for each."""
    columns = [_series(str(name), table.iloc[:, i]) for i, name in enumerate(table.columns)]
    if all(column.name == str(i) for i, column in enumerate(columns)):
        columns = [replace(column, name=f"column {i + 1}") for i, column in enumerate(columns)]
    return Frame(what, columns, np.arange(1, len(table) + 1), "row")


def _series(name: str, series: Any) -> Column:
    """Numbers and truth values as numbers; everything else as words."""
    if getattr(series.dtype, "kind", "O") in "biuf":
        values = series.to_numpy(np.float64, na_value=np.nan)
        values = np.where(np.isfinite(values), values, np.nan)
        return Column(name, values, values)
    gone = series.isna().to_numpy(bool)
    cells = ["" if missing else str(cell) for cell, missing in zip(series, gone, strict=True)]
    return Column(name, cells, np.full(len(cells), np.nan))


def _packed(path: Path) -> Frame:
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

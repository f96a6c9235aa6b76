"""Columns of a person's own on one scale: models see mean 0 and deviation 1 over the training rows.

Chains take one step for all columns and presets suit a scale of about 1, so columns are standardised unless
all have deviations and means of that size; samples come back in the units of the table.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from ..core.errors import DataError, UsageError
from ..core.spec import Table
from .columns import Choice, arrays_of
from .dataset import Dataset
from .delimited import read_frame
from .frame import read_packed
from .keyed import read_keyed
from .names import entry
from .readers import Arrays, read_npy
from .recipe import ARRAYS, TEXT, DataRecipe

LIKE = 3.0
"""How many times as large or small as 1 a deviation may be, and how large a mean, to stay as it is."""


def read_file(path: Path, split: str, recipe: DataRecipe, stored: Table | None = None) -> tuple[Arrays, bool]:
    """A person's file of arrays or of a table, with the columns of `stored` if given; and whether it is
    still to be cut into parts.

    Raises `DataError` for one that cannot be read, and `UsageError` where a library for it is missing.
    """
    name = path.name.lower()
    if name.endswith(".npy"):
        return read_npy(path), True
    if name.endswith(ARRAYS):
        return read_keyed(path, split)
    text = name.endswith(TEXT)
    frame = read_frame(path, recipe.header, recipe.skips) if text else read_packed(path)
    return arrays_of(frame, Choice(recipe.columns, recipe.label_column, recipe.skips, stored)), True


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
    ours = entry(recipe.name) is not None or data.transitions is not None
    if data.is_image or len(data.event_shape) != 1 or ours:
        if recipe.standardise is not None:
            raise UsageError(
                f"standardise is for columns of your own, which {recipe.name} is not: leave it out"
            )
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

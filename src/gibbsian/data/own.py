"""A data set from what a person has at hand: a name, a path, an array, a torch `Dataset` or loader."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
from PIL.Image import Image
from torch import Tensor
from torch.utils import data as torch_data

from ..core.errors import UsageError
from ..core.spec import Table
from .collected import collected
from .columns import Choice, arrays_of
from .dataset import Dataset, from_arrays
from .frame import frame_of
from .load import load
from .names import entry
from .options import Channels, Size
from .recipe import DataRecipe, named
from .resized import resized
from .units import in_units


@runtime_checkable
class DataFrame(Protocol):
    """What is read of a pandas `DataFrame`."""

    columns: Any
    iloc: Any
    dtypes: Any


Given: TypeAlias = (
    str
    | Path
    | Dataset
    | np.ndarray
    | Tensor
    | Sequence[Any]
    | Mapping[str, Any]
    | Image
    | torch_data.Dataset
    | torch_data.DataLoader
    | DataFrame
)
"""What `dataset` takes, and with it `gibbsian.fit`."""


def dataset(
    data: Given,
    split: str = "train",
    *,
    name: str = "arrays",
    data_dir: str | Path | None = None,
    size: Size | None = None,
    grey: bool | None = None,
    validation: int | None = None,
    on_error: str | None = None,
    images: bool | None = None,
    channels: Channels | None = None,
    resize: str | None = None,
    background: str | None = None,
    levels: tuple[float, float] | None = None,
    header: bool | None = None,
    label_column: str | None = None,
    columns: Sequence[str] | None = None,
    standardise: bool | None = None,
    table: Table | None = None,
) -> Dataset:
    """A data set, ready to train on. What was decided for you is in its `notes`.

    Args:
        data: a name such as "digits", "mnist" or "toy:ring"; a file (.npz, .npy, .csv, .parquet), a
            folder of images, or one; a pandas `DataFrame`; an array or a tensor `(N, ...)`; a pair (x, y) of
            those, y being labels, or a dictionary of them by their usual names; pictures of Pillow; a torch
            `Dataset` or a sequence whose items are x, (x, y) or such dictionaries; a `DataLoader`, of which
            only the set is used; or a `Dataset` of ours, which is returned as it is.
        split: "train", "validation" or "test" of a name, file or folder; "all" is every row, of a folder the
            images of all folders below, without labels.
        name: what a set from arrays is called.
        data_dir: where public sets are looked for first.
        size: pixels a side, or (height, width): images lose the ends of their longer side and are resampled.
        resize: "pad" fills the shorter side instead, "stretch" does neither; "crop" is the default.
        grey: True for one channel, False for three, None as most files of a folder are.
        background: "white", "black" or "grey": what alpha channels and padding show; white by default.
        levels: the values of black and white of images of more than eight bits, or of arrays.
        validation: rows of a name, file or folder that are set aside (see `data.load.load`).
        on_error: "skip" leaves broken image files of a folder out, and tells which; "stop" is the default.
        images: of arrays, False reads numbers whatever they look like, True images whose white is 255, 4095
            and such, and refuses what cannot be.
        channels: of arrays, "first" or "last", where the rule in `data.arrays` would choose the wrong axis.
        header: of a text table, whether its first line names the columns.
        label_column: of a table, the column of classes, "none" if there is none; columns: those of numbers.
        standardise: whether models see rows of numbers with mean 0 and deviation 1; by default where the
            columns' scales are not about 1. Samples come back in the units of the data.
        table: the columns of a model, its `spec.table`: the same are taken, in the same units.

    Raises:
        UsageError: an unknown name, or an option for other data.
        DataError: data that are missing, damaged, of the wrong shape, or not finite.
    """
    kept = None if columns is None else tuple(columns)
    of_tables: dict[str, Any] = {"header": header, "label_column": label_column, "columns": kept}
    of_images: dict[str, Any] = {"size": size, "resize": resize, "grey": grey}
    of_images |= {"background": background, "levels": levels}
    of_arrays: dict[str, Any] = {"images": images, "channels": channels}
    if isinstance(data, (str, Path)):
        options = {**of_images, **of_arrays, **of_tables, "standardise": standardise, "on_error": on_error}
        return load(named(data), split, data_dir=data_dir, table=table, validation=validation, **options)
    _refuse(split=None if split in ("train", "all") else split, data_dir=data_dir, validation=validation)
    if isinstance(data, Dataset):
        _refuse(**of_images, **of_arrays, **of_tables, standardise=standardise, on_error=on_error)
        return data
    how = DataRecipe(name, standardise=standardise).having(**of_images)
    if isinstance(data, DataFrame):
        _refuse(**of_images, **of_arrays, header=header)
        choice = Choice(kept, label_column, on_error == "skip", table)
        arrays = arrays_of(frame_of(data, "the data frame"), choice)
        read = from_arrays(arrays.x, arrays.y, name=name, classes=arrays.classes)
        read = replace(read, table=arrays.table, notes=(*arrays.notes, *read.notes))
    else:
        _refuse(**of_tables, on_error=on_error)
        x, y, notes = collected(data, how)
        taken: dict[str, Any] = {"levels": how.levels, "background": background}
        read = from_arrays(x, y, name=name, images=images, channels=channels, **taken)
        read = resized(replace(read, notes=(*notes, *read.notes)), how)
    return replace(in_units(replace(read, recipe=how), lambda: read.x, table), recipe=None)


def is_own(data: Dataset) -> bool:
    """Whether a set is a person's own, rather than one with a name here."""
    return entry(data.name) is None


def model_range(data: Dataset, low: float, high: float) -> tuple[float, float] | None:
    """A range for numbers of a person's own that leave `low` to `high`, some twentieth wider on either side,
    in round figures; None where they stay inside, for images, and for sets with a name."""
    if data.is_image or not is_own(data):
        return None
    x = data.x if data.table is None else data.table.standardised(data.x)
    least, most = float(x.min()), float(x.max())
    if low <= least and most <= high:
        return None
    room = 0.05 * (most - least) or 1.0
    places = -math.floor(math.log10(room))
    unit = 10.0**-places
    return round(math.floor((least - room) / unit) * unit, places), round(
        math.ceil((most + room) / unit) * unit, places
    )


def _refuse(**options: object) -> None:
    given = [name for name, value in options.items() if value is not None]
    if given:
        raise UsageError(f"{' and '.join(given)}: no option of data of this kind, leave it out")

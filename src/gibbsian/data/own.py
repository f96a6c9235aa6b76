"""A data set from what a person has at hand: a name, a path, an array, a torch `Dataset` or loader."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from PIL.Image import Image
from torch import Tensor
from torch.utils import data as torch_data

from ..core.errors import DataError, UsageError
from .dataset import Dataset, from_arrays
from .images import as_bytes
from .keyed import keys_of
from .load import brought, load
from .names import entry
from .recipe import Channels, DataRecipe, Size, named

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
) -> Dataset:
    """A data set, ready to train on. What was decided for you is in its `notes`.

    Args:
        data: a name such as "digits", "mnist" or "toy:ring"; a file (.npz, .npy, .csv, .pt, .safetensors), a
            folder of images, or one; an array or a tensor `(N, ...)`; a pair (x, y) of those, y being labels,
            or a dictionary of them by their usual names; pictures of Pillow; a torch `Dataset` or a sequence
            whose items are x, (x, y) or such dictionaries; a `DataLoader`, of which only the set is used;
            or a `Dataset` of ours, which is returned as it is.
        split: "train", "validation" or "test" of a name, file or folder.
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

    Raises:
        UsageError: an unknown name, or an option for other data.
        DataError: data that are missing, damaged, of the wrong shape, or not finite.
    """
    kept: dict[str, Any] = {
        "size": size,
        "resize": resize,
        "grey": grey,
        "background": background,
        "levels": levels,
    }
    arrays: dict[str, Any] = {"images": images, "channels": channels}
    if isinstance(data, (str, Path)):
        others: dict[str, Any] = {"validation": validation, "on_error": on_error}
        return load(named(data), split, data_dir=data_dir, **kept, **arrays, **others)
    _refuse(split=None if split == "train" else split, data_dir=data_dir, validation=validation)
    _refuse(on_error=on_error)
    if isinstance(data, Dataset):
        _refuse(**kept, **arrays)
        return data
    how = DataRecipe(name).having(**kept)
    x, y, notes = _arrays(data, how)
    read = from_arrays(x, y, name=name, images=images, channels=channels, levels=how.levels)
    return brought(_noted(read, notes), how)


def is_own(data: Dataset) -> bool:
    """Whether a set is a person's own, rather than one with a name here."""
    return entry(data.name) is None


def model_range(data: Dataset, low: float, high: float) -> tuple[float, float] | None:
    """A range for numbers of a person's own that leave `low` to `high`, some twentieth wider on either side,
    in round figures; None where they stay inside, for images, and for sets with a name."""
    if data.is_image or not is_own(data):
        return None
    least, most = float(data.x.min()), float(data.x.max())
    if low <= least and most <= high:
        return None
    room = 0.05 * (most - least) or 1.0
    places = -math.floor(math.log10(room))
    unit = 10.0**-places
    return round(math.floor((least - room) / unit) * unit, places), round(
        math.ceil((most + room) / unit) * unit, places
    )


def _arrays(data: Any, how: DataRecipe) -> tuple[Any, Any, tuple[str, ...]]:
    """x, y or None, and what there is to say."""
    if isinstance(data, torch_data.DataLoader):
        x, y, notes = _arrays(data.dataset, how)
        said = "of the DataLoader only its data set is used, not its batches, order or sampler"
        return x, y, (said, *notes)
    if isinstance(data, torch_data.TensorDataset):
        return _pair(data.tensors)
    if isinstance(data, Mapping):
        parts, notes = keys_of(map(str, data), "the dictionary")
        return *_pair([data[name] for name in parts["train"] if name])[:2], notes
    if isinstance(data, Image):
        return as_bytes(data, how)[None], None, ()
    if isinstance(data, tuple):
        return _pair(data)
    if isinstance(data, torch_data.Dataset) or _is_sequence(data):
        return _items(data, how)
    return _array(data), None, ()


def _is_sequence(data: Any) -> bool:
    """Whether data are items of a kind that no array is made of: pictures, pairs, dictionaries."""
    if isinstance(data, (np.ndarray, Tensor, str, bytes)) or not hasattr(data, "__getitem__"):
        return False
    try:
        return len(data) > 0 and isinstance(data[0], (tuple, Mapping, Image))
    except (TypeError, KeyError, IndexError):
        return False


def _pair(parts: Sequence[Any]) -> tuple[Any, Any, tuple[str, ...]]:
    if len(parts) not in (1, 2):
        raise DataError(f"the data are {len(parts)} arrays: give x, or a pair (x, y) with labels y")
    labelled = len(parts) == 2 and parts[1] is not None
    return _array(parts[0]), _array(parts[1]) if labelled else None, ()


def _array(x: Any) -> np.ndarray | Tensor:
    """`x` as an array or a tensor; raises `DataError` for what holds no numbers."""
    if isinstance(x, (np.ndarray, Tensor)):
        return x
    try:
        array = np.asarray(x)
    except (ValueError, TypeError, RuntimeError) as error:
        raise DataError(f"a {type(x).__name__} cannot be read as an array ({error})") from error
    if array.dtype == object or array.ndim == 0:
        raise DataError(
            f"a {type(x).__name__} is no data: give an array, a tensor, a pair (x, y), a torch Dataset or "
            "DataLoader, a path or a name"
        )
    return array


def _items(data: Any, how: DataRecipe) -> tuple[Any, Any, tuple[str, ...]]:
    """All items of a map-style data set or a sequence, each read once."""
    what = type(data).__name__
    if isinstance(data, torch_data.IterableDataset) or not hasattr(data, "__len__"):
        raise DataError(f"{what} has no fixed number of rows: collect its items in a list or an array first")
    items: list[Any] = []
    try:
        for i in range(len(data)):
            items.append(data[i])
    except Exception as error:  # it is a person's own code
        raise DataError(
            f"item {len(items)} of {what} cannot be read: {type(error).__name__}: {error}"
        ) from error
    if not items:
        raise DataError(f"{what} is empty")
    said = f"{len(items)} items were read once, each as its transform made it then"
    notes: tuple[str, ...] = ()
    if all(isinstance(item, Mapping) for item in items):
        parts, notes = keys_of(map(str, items[0]), "an item")
        names = [name for name in parts["train"] if name]
        pairs: list[Sequence[Any]] = [tuple(item.get(name) for name in names) for item in items]
    else:
        pairs = [item if isinstance(item, (tuple, list)) else (item,) for item in items]
    widths = {len(pair) for pair in pairs}
    if len(widths) > 1 or not widths <= {1, 2}:
        raise DataError(f"items are {type(items[0]).__name__} of {sorted(widths)} parts: give x, or (x, y)")
    x = _stacked([pair[0] for pair in pairs], how)
    y = _stacked([pair[1] for pair in pairs], how) if widths == {2} else None
    return x, y, (said, *notes)


def _stacked(parts: list[Any], how: DataRecipe) -> np.ndarray:
    """Items of one shape as one array; raises `DataError` for others."""
    arrays = [_item(part, how) for part in parts]
    odd = next((i for i, a in enumerate(arrays) if a.shape != arrays[0].shape), None)
    if odd is not None:
        raise DataError(
            f"item {odd} has shape {arrays[odd].shape} where the first has {arrays[0].shape}: make all alike "
            "(or give size= and grey= for pictures)"
        )
    return np.stack(arrays)


def _item(part: Any, how: DataRecipe) -> np.ndarray:
    if isinstance(part, Image):
        return as_bytes(part, how)
    part = part.detach().cpu() if isinstance(part, Tensor) else part
    return np.asarray(part.float() if isinstance(part, Tensor) and part.dtype == torch.bfloat16 else part)


def _noted(data: Dataset, notes: tuple[str, ...]) -> Dataset:
    return replace(data, notes=(*notes, *data.notes))


def _refuse(**options: object) -> None:
    given = [name for name, value in options.items() if value is not None]
    if given:
        raise UsageError(f"{' and '.join(given)}: no option of data of this kind, leave it out")

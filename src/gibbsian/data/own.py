"""A data set from what a person has at hand: a name, a path, an array, a torch `Dataset` or loader."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from torch import Tensor
from torch.utils import data as torch_data

from ..core.errors import DataError, UsageError
from .dataset import Dataset, from_arrays
from .images import fit_all
from .load import load
from .names import entry
from .recipe import Channels, Size, named, sides

Given: TypeAlias = (
    str | Path | Dataset | np.ndarray | Tensor | tuple[Any, Any] | torch_data.Dataset | torch_data.DataLoader
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
) -> Dataset:
    """A data set, ready to train on. What was decided for you is in its `notes`.

    Args:
        data: a name such as "digits", "mnist" or "toy:ring"; a file (.npz, .npy, .csv) or a folder of images;
            an array or a tensor `(N, ...)`; a pair (x, y) of those, y being labels; a torch `Dataset` whose
            items are x or (x, y); a `DataLoader`, of which only the data set is used; or a `Dataset` of ours,
            which is returned as it is.
        split: "train", "validation" or "test" of a name, file or folder.
        name: what a set from arrays is called.
        data_dir: where public sets are looked for first.
        size: pixels a side, or (height, width): images lose the ends of their longer side and are resampled.
        grey: True for one channel, False for three, None as they are.
        validation: rows of a name, file or folder that are set aside (see `data.load.load`).
        on_error: "skip" leaves broken image files of a folder out, and tells which; "stop" is the default.
        images: of arrays, False reads numbers whatever they look like, True refuses what cannot be images.
        channels: of arrays, "first" or "last", where the rule in `data.arrays` would choose the wrong axis.

    Raises:
        UsageError: an unknown name, or an option for other data.
        DataError: data that are missing, damaged, of the wrong shape, or not finite.
    """
    if isinstance(data, (str, Path)):
        options = {"size": size, "grey": grey, "validation": validation, "on_error": on_error}
        options |= {"images": images, "channels": channels}
        return load(named(data), split, data_dir=data_dir, **options)  # type: ignore[arg-type]
    _refuse(split=None if split == "train" else split, data_dir=data_dir, validation=validation)
    _refuse(on_error=on_error)
    if isinstance(data, Dataset):
        _refuse(size=size, grey=grey, images=images, channels=channels)
        return data
    x, y, notes = _arrays(data)
    read = from_arrays(x, y, name=name, images=images, channels=channels)
    return _fitted(_noted(read, notes), size, grey)


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


def _arrays(data: Any) -> tuple[Any, Any, tuple[str, ...]]:
    """x, y or None, and what there is to say."""
    if isinstance(data, torch_data.DataLoader):
        x, y, notes = _arrays(data.dataset)
        said = "of the DataLoader only its data set is used, not its batches, order or sampler"
        return x, y, (said, *notes)
    if isinstance(data, torch_data.TensorDataset):
        return _pair(data.tensors)
    if isinstance(data, torch_data.Dataset):
        return _items(data)
    if isinstance(data, tuple):
        return _pair(data)
    return _array(data), None, ()


def _pair(parts: Sequence[Any]) -> tuple[Any, Any, tuple[str, ...]]:
    if len(parts) not in (1, 2):
        raise DataError(f"the data are {len(parts)} arrays: give x, or a pair (x, y) with labels y")
    return _array(parts[0]), _array(parts[1]) if len(parts) == 2 else None, ()


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


def _items(data: torch_data.Dataset[Any]) -> tuple[Any, Any, tuple[str, ...]]:
    """All items of a map-style data set, each read once."""
    if isinstance(data, torch_data.IterableDataset):
        raise DataError("an IterableDataset has no fixed rows: collect its items in an array first")
    items = [data[i] for i in range(len(data))]  # type: ignore[arg-type]
    if not items:
        raise DataError("the torch data set is empty")
    pairs = [item if isinstance(item, (tuple, list)) else (item,) for item in items]
    widths = {len(pair) for pair in pairs}
    if len(widths) > 1 or not widths <= {1, 2} or isinstance(items[0], dict):
        raise DataError(f"items are {type(items[0]).__name__} of {sorted(widths)} parts: give x, or (x, y)")
    x = _stacked([pair[0] for pair in pairs])
    y = _stacked([pair[1] for pair in pairs]) if widths == {2} else None
    return x, y, (f"{len(items)} items were read once, each as its transform made it then",)


def _stacked(parts: list[Any]) -> np.ndarray:
    """Items of one shape as one array; raises `DataError` for others."""
    arrays = [np.asarray(part.detach().cpu() if isinstance(part, Tensor) else part) for part in parts]
    odd = next((i for i, a in enumerate(arrays) if a.shape != arrays[0].shape), None)
    if odd is not None:
        raise DataError(
            f"item {odd} has shape {arrays[odd].shape} where the first has {arrays[0].shape}: make them alike"
        )
    return np.stack(arrays)


def _fitted(data: Dataset, size: Size | None, grey: bool | None) -> Dataset:
    """Images of another size or colour, if asked for."""
    if size is None and grey is None:
        return data
    if not data.is_image:
        raise UsageError(f"size and grey are for images, but {data.name} holds {data.event_shape}")
    x = fit_all(data.x.numpy(), None if size is None else sides(size), grey)
    return _noted(from_arrays(x, data.y, name=data.name, classes=data.classes or None), data.notes)


def _noted(data: Dataset, notes: tuple[str, ...]) -> Dataset:
    return replace(data, notes=(*notes, *data.notes))


def _refuse(**options: object) -> None:
    given = [name for name, value in options.items() if value is not None]
    if given:
        raise UsageError(f"{' and '.join(given)}: no option of data of this kind, leave it out")

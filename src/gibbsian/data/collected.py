"""Data at hand as arrays x and labels y: arrays, pairs, dictionaries, pictures, torch data sets, loaders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Sized
from typing import Any

import numpy as np
import torch
from PIL.Image import Image
from torch import Tensor
from torch.utils import data as torch_data

from ..core.errors import DataError
from .images import as_bytes
from .keyed import keys_of
from .recipe import DataRecipe


def collected(data: Any, how: DataRecipe) -> tuple[Any, Any, tuple[str, ...]]:
    """x, y or None, and what there is to say."""
    if isinstance(data, torch_data.DataLoader):
        x, y, notes = collected(data.dataset, how)
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
    if isinstance(data, (np.ndarray, Tensor, str, bytes)):
        return False
    try:
        return len(data) > 0 and isinstance(data[0], (tuple, Mapping, Image))
    except (TypeError, KeyError, IndexError, AttributeError):
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
        why = "its parts are of unlike shapes" if "inhomogeneous" in str(error) else str(error)
        said = f"a {type(x).__name__} cannot be read as an array ({why})"
        raise DataError(
            f"{said}: give one array of all rows, or a pair (x, y), y being their labels"
        ) from error
    if array.dtype == object or array.ndim == 0:
        raise DataError(
            f"a {type(x).__name__} is no data: give an array, a tensor, a pair (x, y), a torch Dataset or "
            "DataLoader, a path or a name"
        )
    return array


def _items(data: Any, how: DataRecipe) -> tuple[Any, Any, tuple[str, ...]]:
    """All items of a map-style data set or a sequence, each read once."""
    what = type(data).__name__
    if isinstance(data, torch_data.IterableDataset) or not isinstance(data, Sized):
        raise DataError(f"{what} has no fixed number of rows: collect its items in a list or an array first")
    items: list[Any] = []
    rows: Any = data
    try:
        for i in range(len(rows)):
            items.append(rows[i])
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

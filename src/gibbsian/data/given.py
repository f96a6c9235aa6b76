"""Images that a person hands to a model: a file, or a folder of files, in the shape the model takes.

A change of size or colour is made only when asked for: what a model restores or translates should be what was
given.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..core.errors import DataError, UsageError
from .dataset import as_floats
from .images import read_image
from .recipe import SUFFIXES, DataRecipe


def given_images(
    place: Path | str,
    event_shape: tuple[int, ...],
    *,
    low: float = -1.0,
    high: float = 1.0,
    fit: bool = False,
) -> tuple[Tensor, list[str]]:
    """The images at `place` as `(N, *event_shape)` in [low, high], and a name each for what is made of them:
    that of the file without its ending, or with it where two would be alike.

    With `fit` they are cropped to the largest centred box, resampled and coloured as the model needs.
    Raises `DataError` for a path without images or a file that is none, and `UsageError` for images of
    another size or colour, and for models of data that are no images.
    """
    if len(event_shape) != 3:
        raise UsageError(
            f"this model takes data of shape {tuple(event_shape)}, not image files: name a data set"
        )
    paths = _paths(Path(place).expanduser())
    arrays = [_one(path, event_shape, fit) for path in paths]
    return as_floats(torch.from_numpy(np.stack(arrays)), low, high), _names(paths)


def _names(paths: list[Path]) -> list[str]:
    stems = [path.stem for path in paths]
    return stems if len(set(stems)) == len(stems) else [path.name.replace(".", "-") for path in paths]


def _paths(place: Path) -> list[Path]:
    if place.is_file():
        return [place]
    if not place.is_dir():
        raise DataError(f"there is no image file or folder {place}")
    found = sorted(p for p in place.iterdir() if p.suffix.lower() in SUFFIXES and not p.name.startswith("."))
    if not found:
        raise DataError(f"{place} holds no images ({', '.join(sorted(SUFFIXES))})")
    return found


def _one(path: Path, event_shape: tuple[int, ...], fit: bool) -> np.ndarray:
    channels, height, width = event_shape
    if fit:
        return read_image(path, DataRecipe("", (height, width), channels == 1))
    image = read_image(path)
    if image.shape[:2] != (height, width):
        raise UsageError(
            f"{path} is {image.shape[1]} x {image.shape[0]} pixels and this model takes {width} x {height}: "
            "add --fit to crop and resample it"
        )
    if (image.ndim == 2) != (channels == 1):
        here, there = ("grey", "colour") if image.ndim == 2 else ("in colour", "grey images")
        raise UsageError(f"{path} is {here} and this model takes {there}: add --fit to convert it")
    return image

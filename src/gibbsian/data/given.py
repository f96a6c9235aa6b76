"""Images that a person hands to a model: a file, or a folder of files, in the shape the model takes.

A change of size or colour of what a model restores or translates is made only when asked for: it should be
what was given. Sets of images to measure with are brought to the model's shape, and that is told.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..core.errors import DataError, UsageError
from .dataset import Dataset, as_floats
from .images import fit_all, read_head, read_holes, read_image, read_mask
from .listing import all_images
from .options import shape_name
from .recipe import SUFFIXES, DataRecipe
from .rows import ArrayRows

ALPHA = "alpha"
"""The mask of a photo's own transparent pixels."""


def given_images(
    place: Path | str,
    event_shape: tuple[int, ...],
    *,
    low: float = -1.0,
    high: float = 1.0,
    fit: bool = False,
    like: DataRecipe | str = "",
) -> tuple[Tensor, list[str]]:
    """The images at `place` as `(N, *event_shape)` in [low, high], and a name each for what is made of them:
    that of the file without its ending, or with it where two would be alike.

    Their levels and background are those of `like`, how the model's own data were read.
    With `fit` they are cropped to the largest centred box, resampled and coloured as the model needs.
    Raises `DataError` for a path without images or a file that is none, and `UsageError` for images of
    another size or colour, and for models of data that are no images.
    """
    if len(event_shape) != 3:
        raise UsageError(
            f"this model takes data of shape {tuple(event_shape)}, not image files: name a data set"
        )
    paths = image_paths(place)
    own = DataRecipe.parse(like) if isinstance(like, str) else like
    how = DataRecipe("", levels=own.levels, background=own.background)
    arrays = [_one(path, event_shape, fit, how) for path in paths]
    return as_floats(torch.from_numpy(np.stack(arrays)), low, high), _names(paths)


def changes(place: Path | str, event_shape: tuple[int, ...]) -> str:
    """What `fit` does to the images at `place`, in words; "" where all have the shape already."""
    channels, height, width = event_shape
    heads = [read_head(path) for path in image_paths(place)]
    sizes = {head.size for head in heads if head.size != (height, width)}
    words = [f"cut in the middle and resampled to {shape_name((height, width))}"] if sizes else []
    if any(head.grey != (channels == 1) for head in heads):
        words.append("made grey" if channels == 1 else "grey repeated in 3 channels")
    many = f"{len(heads)} images" if len(heads) > 1 else str(place)
    return f"{many}: {', '.join(words)}" if words else ""


def painted(
    mask: str, photos: Sequence[Path], event_shape: tuple[int, ...], *, fit: bool = False
) -> np.ndarray:
    """Pixels that are unknown in each of the `photos`, bool `(n, H, W)`; `(1, H, W)` without photos.

    `mask` is a file, white where they are, of the size of the model's images or of the photo; a folder with
    one of the same name for each photo; or "alpha" for the transparent pixels of the photos themselves.
    Raises `UsageError` for masks that are missing or of another size.
    """
    height, width = event_shape[-2:]
    if mask == ALPHA:
        if not photos:
            raise UsageError("mask alpha means the transparent pixels of --image: give images of your own")
        return np.stack([read_holes(path, height, width) for path in photos])
    place = Path(mask).expanduser()
    if not photos:
        return read_mask(place, height, width, fit=fit)[None]
    masks = [_mask_of(place, path) for path in photos]
    sizes = [read_head(path).size for path in photos]
    found = [read_mask(m, height, width, fit=fit, photo=s) for m, s in zip(masks, sizes, strict=True)]
    return np.stack(found)


def _mask_of(place: Path, photo: Path) -> Path:
    if not place.is_dir():
        return place
    return next((p for p in image_paths(place) if p.stem == photo.stem), place / f"{photo.stem}.png")


def shaped(data: Dataset, event_shape: tuple[int, ...]) -> Dataset:
    """Images in the size and colour (C, H, W) = `event_shape`, which a note tells, rows of a table
    standardised; others as they are, also rows with more or fewer columns than the table.
    """
    if data.table is not None and data.event_shape != (len(data.table.scale),):
        return data
    if data.table is not None:
        return replace(data, rows=ArrayRows(data.table.standardised(data.x), data.rows.names), table=None)
    if not data.is_image or len(event_shape) != 3 or data.event_shape == tuple(event_shape):
        return data
    (channels, *size), (own, *sides) = event_shape, data.event_shape
    if channels not in (1, 3):
        return data
    height, width = size
    told = []
    if size != sides:
        cut = "" if sides[0] * width == sides[1] * height else "cut to that shape and "
        told.append(f"{shape_name((sides[0], sides[1]))} {cut}resampled to {shape_name((height, width))}")
    if own != channels:
        told.append("made grey" if channels == 1 else "grey repeated in 3 channels")
    x = np.ascontiguousarray(fit_all(data.x.numpy(), (height, width), channels == 1))
    note = ", ".join(told)
    rows = ArrayRows(torch.from_numpy(np.array(x)), data.rows.names)
    return replace(data, rows=rows, notes=(*data.notes, note))


def _names(paths: list[Path]) -> list[str]:
    below = Path(os.path.commonpath([path.parent for path in paths]))
    ways = (
        [path.stem for path in paths],
        [path.name.replace(".", "-") for path in paths],
        ["-".join(path.relative_to(below).parts).replace(".", "-") for path in paths],
    )
    return next((names for names in ways if len(set(names)) == len(names)), ways[-1])


def image_paths(place: Path | str) -> list[Path]:
    """The image file `place`, or those of the folder, or else of the folders below; raises `DataError` where
    there are none."""
    place = Path(place).expanduser()
    if place.is_file():
        return [place]
    if not place.is_dir():
        raise DataError(f"there is no image file or folder {place}")
    found = sorted(p for p in place.iterdir() if p.suffix.lower() in SUFFIXES and not p.name.startswith("."))
    return found or all_images(place, skip=True).paths


def _one(path: Path, event_shape: tuple[int, ...], fit: bool, how: DataRecipe) -> np.ndarray:
    channels, height, width = event_shape
    if fit:
        return read_image(path, replace(how, size=(height, width), grey=channels == 1))
    image = read_image(path, how)
    if image.shape[:2] != (height, width):
        raise UsageError(
            f"{path} is {image.shape[1]} x {image.shape[0]} pixels and this model takes {width} x {height}: "
            "add --fit to crop and resample it"
        )
    if (image.ndim == 2) != (channels == 1):
        here, there = ("grey", "colour") if image.ndim == 2 else ("in colour", "grey images")
        raise UsageError(f"{path} is {here} and this model takes {there}: add --fit to convert it")
    return image

"""Image files as a model takes them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ...core.errors import UsageError
from ...data.dataset import as_floats
from ...data.images import SUFFIXES, read_image
from ...systems.base import System


def read_images(system: System, path: Path, *, fit: bool = False) -> tuple[Tensor, list[str]]:
    """The image file at `path`, or those in the folder, `(N, C, H, W)` in the model's range, and their names.

    Images of another size are cropped to the centred square and resampled, colour becomes grey for a grey
    model. A grey image for a colour model has its channel repeated only with `fit`.

    Raises:
        UsageError: nothing there, or a grey image for a colour model.
        DataError: a file that is no image.
    """
    paths = _listed(path)
    channels, height, width = _image_shape(system)
    read = [_read(p, channels == 1, height, width, fit) for p in paths]
    stems = [p.stem for p in paths]
    names = stems if len(set(stems)) == len(stems) else [p.name.replace(".", "-") for p in paths]
    pixels = system.config.pixels
    return as_floats(torch.from_numpy(np.stack(read)), pixels.low, pixels.high), names


def _listed(path: Path) -> list[Path]:
    if path.is_dir():
        found = sorted(p for p in path.iterdir() if p.suffix.lower() in SUFFIXES)
        if not found:
            raise UsageError(f"{path} holds no images ({', '.join(sorted(SUFFIXES))}): give another folder")
        return found
    if not path.is_file():
        raise UsageError(f"there is no image {path}: give a file, or a folder of images")
    return [path]


def _image_shape(system: System) -> tuple[int, int, int]:
    shape = system.event_shape
    if len(shape) != 3 or shape[0] not in (1, 3):
        raise UsageError(f"this model takes data of shape {shape}, no images: --image does not fit it")
    return shape[0], shape[1], shape[2]


def _read(path: Path, grey: bool, height: int, width: int, fit: bool) -> np.ndarray:
    image = read_image(path, None, None)
    if image.ndim == 2 and not grey and not fit:
        raise UsageError(f"{path} is grey, and this model knows colour: add --fit to repeat its channel")
    if image.shape[:2] == (height, width):
        return read_image(path, None, grey)
    if height != width:
        raise UsageError(
            f"{path} is {image.shape[1]} x {image.shape[0]} pixels, and this model takes {width} x {height}: "
            "bring it to that size"
        )
    return read_image(path, height, grey)

"""dSprites: 737,280 white shapes on black, one for every combination of five factors.

The file is 3 GB unpacked, so it is read in slices and only the rows that are wanted are kept. The
arrays are taken out of it by name: the original's pickled `metadata` is never touched. Halved to
32 x 32, the images are kept in the cache folder, since unpacking takes longer than reading.

L. Matthey, I. Higgins, D. Hassabis, A. Lerchner, 2017. Orientations 0 and 39 are the same angle, so
that every such pair of rows is the same image.
"""

from __future__ import annotations

import os
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np
import torch

from ..core.errors import DataError
from ..core.files import as_other_files, cache_folder
from .dataset import carve
from .factors import Factors
from .readers import Arrays

FACTORS = ("shape", "scale", "orientation", "x", "y")
SIZES = (3, 6, 40, 32, 32)
SLICE = 8192
IMAGES, CLASSES = "imgs.npy", "latents_classes.npy"


def read_sprites(path: Path, split: str, side: int = 64, *, cache: Path | None = None) -> Arrays:
    """The train part (nine tenths, by the house's fixed permutation) or the test part, with factors.

    `x` is uint8 (N, 64, 64), 0 or 255; with `side` 32 each pixel is the rounded mean of four, and the
    whole set is kept in `cache` (default: the cache folder), 755 MB. Memory stays below that of the
    rows themselves, plus as much again for 32 pixels.
    Raises `DataError` for a file that is missing, damaged or of another kind.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            known = _factors(archive)
            train, test = carve(len(known), max(1, len(known) // 10), path.name)
            index = (train if split == "train" else test).numpy()
            x = _halved(archive, index, cache) if side == 32 else _rows(archive, index)
    except FileNotFoundError as error:
        raise DataError(f"there is no file {path}") from error
    except (OSError, zipfile.BadZipFile, zlib.error, EOFError, KeyError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"{path} is not a dSprites file, or is damaged ({reason}): fetch it again") from error
    values = torch.from_numpy(known[index, -len(FACTORS) :].astype(np.int64))
    return Arrays(x, factors=Factors(values, FACTORS, SIZES))


def halve(images: np.ndarray) -> np.ndarray:
    """Means of 2 x 2 pixels of uint8 images (N, H, W) in {0, 1}, rounded to uint8 in [0, 255]."""
    rows = images[:, ::2] + images[:, 1::2]
    return LEVELS.take(rows[:, :, ::2] + rows[:, :, 1::2])


LEVELS = np.round(np.arange(5) * (255 / 4)).astype(np.uint8)
"""What 0 to 4 white pixels of four become."""


def _rows(archive: zipfile.ZipFile, index: np.ndarray) -> np.ndarray:
    """The images at `index`, 0 or 255, in that order."""
    with archive.open(IMAGES) as member:
        shape = _header(member)
        place = np.full(shape[0], -1)
        place[index] = np.arange(len(index))
        out = np.empty((len(index), *shape[1:]), np.uint8)
        for start, images in _slices(member, shape):
            to = place[start : start + len(images)]
            out[to[to >= 0]] = images[to >= 0] * np.uint8(255)
    return out


def _halved(archive: zipfile.ZipFile, index: np.ndarray, cache: Path | None) -> np.ndarray:
    """The halved images at `index`, from the cache where it has them."""
    folder = cache or cache_folder() / "sprites"
    path = folder / f"{archive.getinfo(IMAGES).CRC:08x}-32.npy"
    if not path.is_file():
        whole = _halve_all(archive)
        _keep(whole, path)
        return whole[index]
    return np.load(path, mmap_mode="r", allow_pickle=False)[index]


def _halve_all(archive: zipfile.ZipFile) -> np.ndarray:
    with archive.open(IMAGES) as member:
        n, height, width = shape = _header(member)
        out = np.empty((n, height // 2, width // 2), np.uint8)
        for start, images in _slices(member, shape):
            out[start : start + len(images)] = halve(images)
    return out


def _keep(array: np.ndarray, path: Path) -> None:
    """Write aside, then rename. A cache that cannot be written costs only time."""
    part = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".part-", delete=False) as sink:
            part = sink.name
            np.save(sink, array)
        os.replace(as_other_files(Path(part)), path)
    except OSError:
        if part is not None:
            Path(part).unlink(missing_ok=True)


def _slices(member: IO[bytes], shape: tuple[int, ...]) -> Iterator[tuple[int, np.ndarray]]:
    """Successive images, with the number of the first of each slice."""
    size = shape[1] * shape[2]
    for start in range(0, shape[0], SLICE):
        n = min(SLICE, shape[0] - start)
        images = np.frombuffer(member.read(n * size), np.uint8).reshape(n, *shape[1:])
        if images.max() > 1:
            raise ValueError("the images hold other bytes than 0 and 1")
        yield start, images
    if member.read(1):
        raise ValueError("there are more bytes than the header tells")


def _header(member: IO[bytes]) -> tuple[int, ...]:
    """The shape (N, H, W) of an open .npy of uint8."""
    version = np.lib.format.read_magic(member)
    read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    if version not in read:
        raise ValueError(f"{IMAGES} is of .npy version {version}")
    shape, by_column, dtype = read[version](member)
    if dtype != np.uint8 or by_column or len(shape) != 3 or shape[1] % 2 or shape[2] % 2:
        raise ValueError(f"{IMAGES} holds {dtype} of shape {shape}")
    return tuple(shape)


def _factors(archive: zipfile.ZipFile) -> np.ndarray:
    """Class numbers of the colour, which is always 0, and the five factors, one row an image."""
    with archive.open(IMAGES) as images, archive.open(CLASSES) as member:
        n, known = _header(images)[0], np.lib.format.read_array(member, allow_pickle=False)
    if known.shape != (n, 1 + len(FACTORS)):
        raise ValueError(f"{CLASSES} has shape {known.shape} for {n} images")
    return known

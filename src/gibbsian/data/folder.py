"""A folder of images, in memory where it fits and read by index where it does not.

    DIR/*.png                      one part, no labels
    DIR/CLASS/*.png                one part, labels from the sub-folders' sorted names
    DIR/train/..., DIR/test/...    two parts, each as above; val instead of test will do

One part is cut in two by the caller. Hidden files are passed over; any other file that is no image
is an error, and so is a folder without one.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..core.errors import DataError
from .dataset import ArrayRows, Dataset, Rows
from .images import SUFFIXES, is_grey, read_image
from .recipe import Size

MEMORY_LIMIT = 1 << 30
LOOKED_AT = 1000
"""Files whose colour is looked at, evenly spaced."""
HELD_OUT = dict.fromkeys(("test", "val", "valid", "validation"))
"""Names of the folder beside train, the first of them that is there being the test part."""


@dataclass(frozen=True, eq=False)
class ImageFiles:
    """Image files read when asked for: uint8 rows (H, W) or (H, W, 3), all of one size.

    `event` is the shape of the first image after `size` and `grey`; another one raises `DataError`.
    """

    root: Path
    paths: tuple[Path, ...]
    size: Size | None
    grey: bool
    event: tuple[int, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, H, W) or (N, H, W, 3)."""
        return (len(self.paths), *self.event)

    @property
    def is_image(self) -> bool:
        """Always true."""
        return True

    def read(self, index: Tensor) -> Tensor:
        """Decode the images at `index` (B,)."""
        return torch.from_numpy(np.stack([self._one(self.paths[i]) for i in index.tolist()]))

    def select(self, index: Tensor) -> Rows:
        """These files only."""
        return replace(self, paths=tuple(self.paths[i] for i in index.tolist()))

    def digest(self) -> bytes:
        """SHA-256 of the files' relative paths and sizes, `size` and `grey`: nothing is decoded."""
        digest = hashlib.sha256(f"{self.size} {self.grey}".encode())
        for path in self.paths:
            digest.update(f"{path.relative_to(self.root)}\0{path.stat().st_size}\0".encode())
        return digest.digest()

    def _one(self, path: Path) -> np.ndarray:
        image = read_image(path, self.size, self.grey)
        if image.shape != self.event:
            raise DataError(
                f"{path} is {image.shape[1]} x {image.shape[0]} pixels where {self.paths[0].name} is "
                f"{self.event[1]} x {self.event[0]}: give a size, so that all are cropped and resampled to it"
            )
        return image


def read_folder(root: Path, split: str, size: Size | None, grey: bool | None) -> tuple[Dataset, bool]:
    """The images of `split` below `root`, and whether they are the whole (no folders train and test).

    They are in colour unless `grey` says otherwise or no file of either part is. Raises `DataError` on a
    missing or empty folder and on files that are no images.
    """
    if not root.is_dir():
        raise DataError(f"there is no folder {root}: give the folder that holds the images")
    parts = _parts(root)
    classes = sorted({folder.name for part in parts.values() for folder in _folders(part)})
    listed = {name: _listing(part, classes) for name, part in parts.items()}
    paths, labels = listed[split] if split in listed else listed["train"]
    notes: tuple[str, ...] = ()
    if grey is None:
        grey, notes = _colours([path for found, _ in listed.values() for path in found])
    rows = _rows(root, paths, size, grey)
    labelled = len(classes) > 1
    y = torch.tensor(labels) if labelled else None
    names = tuple(classes) if labelled else ()
    return Dataset(f"folder:{root}", split, rows, y, names, notes=notes), len(parts) == 1


def _parts(root: Path) -> dict[str, Path]:
    """The folders of "train" and "test", the latter also called val, in capitals or not; or one for all."""
    named = {folder.name.lower(): folder for folder in _folders(root)}
    train = named.pop("train", None)
    if train is None or not named.keys() <= HELD_OUT.keys():
        return {"train": root}
    held = next((named[name] for name in HELD_OUT if name in named), None)
    return {"train": train} if held is None else {"train": train, "test": held}


def _colours(paths: list[Path]) -> tuple[bool, tuple[str, ...]]:
    """Whether all of up to `LOOKED_AT` files are grey, and a line where some are."""
    looked = [is_grey(path) for path in paths[:: -(-len(paths) // LOOKED_AT)]]
    if all(looked) or not any(looked):
        return looked[0], ()
    return False, (
        f"{sum(looked)} of {len(looked)} files are grey: all are read in colour, as the others are",
    )


def _listing(part: Path, classes: list[str]) -> tuple[list[Path], list[int]]:
    """Image files with the number of the class folder each lies in."""
    folders, loose = _folders(part), _images(part, "*")
    if folders and loose:
        raise DataError(f"{part} holds both images ({loose[0].name}, ...) and folders: use one or the other")
    found = [(path, classes.index(f.name)) for f in folders for path in _images(f, "**/*")]
    found = found or [(path, 0) for path in loose]
    if not found:
        raise DataError(f"{part} holds no images ({', '.join(sorted(SUFFIXES))})")
    return [path for path, _ in found], [label for _, label in found]


def _folders(part: Path) -> list[Path]:
    return sorted(f for f in part.iterdir() if f.is_dir() and not f.name.startswith("."))


def _images(folder: Path, pattern: str) -> list[Path]:
    files = sorted(f for f in folder.glob(pattern) if f.is_file() and not f.name.startswith("."))
    stray = next((f for f in files if f.suffix.lower() not in SUFFIXES), None)
    if stray is not None:
        raise DataError(f"{stray} is not an image ({', '.join(sorted(SUFFIXES))}): remove it from the folder")
    return files


def _rows(root: Path, paths: list[Path], size: Size | None, grey: bool) -> Rows:
    first = read_image(paths[0], size, grey)
    files = ImageFiles(root, tuple(paths), size, first.ndim == 2, first.shape)
    if len(paths) * first.size > MEMORY_LIMIT:
        return files
    return ArrayRows(files.read(torch.arange(len(paths))))

"""A folder of images, in memory where it fits and read by index where it does not.

    DIR/*.png                      one part, no labels
    DIR/CLASS/*.png                one part, labels from the sub-folders' sorted names
    DIR/train/..., DIR/test/...    two parts, each as above

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
from .images import SUFFIXES, read_image

MEMORY_LIMIT = 1 << 30


@dataclass(frozen=True, eq=False)
class ImageFiles:
    """Image files read when asked for: uint8 rows (H, W) or (H, W, 3), all of one size.

    `event` is the shape of the first image after `size` and `grey`; another one raises `DataError`.
    """

    root: Path
    paths: tuple[Path, ...]
    size: int | None
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


def read_folder(root: Path, split: str, size: int | None, grey: bool | None) -> tuple[Dataset, bool]:
    """The images of `split` below `root`, and whether they are the whole (no folders train and test).

    Raises `DataError` on a missing or empty folder and on files that are no images.
    """
    if not root.is_dir():
        raise DataError(f"there is no folder {root}: give the folder that holds the images")
    halves = (root / "train").is_dir() and (root / "test").is_dir()
    parts = [root / "train", root / "test"] if halves else [root]
    classes = sorted({folder.name for part in parts for folder in _folders(part)})
    paths, labels = _listing(root / split if halves else root, classes)
    rows = _rows(root, paths, size, grey)
    labelled = len(classes) > 1
    y = torch.tensor(labels) if labelled else None
    return Dataset(f"folder:{root}", split, rows, y, tuple(classes) if labelled else ()), not halves


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


def _rows(root: Path, paths: list[Path], size: int | None, grey: bool | None) -> Rows:
    first = read_image(paths[0], size, grey)
    files = ImageFiles(root, tuple(paths), size, first.ndim == 2, first.shape)
    if len(paths) * first.size > MEMORY_LIMIT:
        return files
    return ArrayRows(files.read(torch.arange(len(paths))))

"""A folder of images, in memory where it fits and read by index where it does not.

Which files are its images is told in `listing.py`. One part is cut in two by the caller.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..core.errors import DataError
from ..core.explain import warn
from .dataset import Dataset
from .images import Head, read_head, read_image
from .listing import Listing, list_images, read_listing
from .recipe import DataRecipe, shape_name
from .rows import ArrayRows, BrokenRow, Rows

MEMORY_LIMIT = 1 << 30
LOOKED_AT = 1000
"""Files whose size and colour are looked at, evenly spaced."""
ADVICE = ", or leave it out with --on-error skip"


@dataclass(frozen=True, eq=False)
class ImageFiles:
    """Image files read when asked for: uint8 rows (H, W) or (H, W, 3), all of one size.

    `event` is the shape of the first image after `size` and `grey`; another one raises `DataError`. A file
    that cannot be read raises `BrokenRow`, with leave to take another row in its place where `skip` is set;
    each is told once, and stands in `broken`, which all selections share.
    """

    root: Path
    paths: tuple[Path, ...]
    size: tuple[int, int] | None
    grey: bool
    event: tuple[int, ...]
    listing: Listing
    skip: bool = False
    broken: set[Path] = field(default_factory=set)

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
        return torch.from_numpy(np.stack([self._one(i) for i in index.tolist()]))

    def select(self, index: Tensor) -> Rows:
        """These files only."""
        return replace(self, paths=tuple(self.paths[i] for i in index.tolist()))

    def digest(self) -> bytes:
        """SHA-256 of the files' paths and sizes when a run began, `size` and `grey`: nothing is decoded."""
        digest = hashlib.sha256(f"{self.size} {self.grey}".encode())
        for path in self.paths:
            digest.update(f"{path.relative_to(self.root)}\0{self.listing.size(path)}\0".encode())
        return digest.digest()

    def readable(self) -> Tensor:
        """Numbers of the rows that can be read, by reading all; the others are told."""
        return torch.tensor([i for i in range(len(self.paths)) if self._is_whole(i)], dtype=torch.long)

    def _is_whole(self, row: int) -> bool:
        try:
            self._one(row)
        except BrokenRow:
            return False
        return True

    def _one(self, row: int) -> np.ndarray:
        path = self.paths[row]
        try:
            if path in self.broken:
                raise BrokenRow(f"{path} is gone, or could not be read before", row, True)
            image = read_image(path, self.size, self.grey)
        except BrokenRow:
            raise
        except DataError as error:
            if self.skip:
                warn(f"{str(error).rpartition(': ')[0]}: it is left out")
                self.broken.add(path)
            raise BrokenRow(f"{error}{ADVICE}", row, self.skip) from error
        if image.shape != self.event:
            raise DataError(
                f"{path} is {image.shape[1]} x {image.shape[0]} pixels where {self.paths[0].name} is "
                f"{self.event[1]} x {self.event[0]}: give a size (--size 32), so that all are cropped and "
                "resampled to it"
            )
        return image


def read_folder(root: Path, split: str, recipe: DataRecipe) -> tuple[Dataset, bool]:
    """The images of `split` below `root`, and whether they are the whole (no folders train and test).

    They are in colour unless the recipe says otherwise or no file of either part is. Raises `DataError` on a
    missing or empty folder, on files that are no images, and on broken ones unless they are to be skipped.
    """
    listing, notes = _listing(root, recipe)
    paths, labels = listing.parts.get(split, listing.parts["train"])
    gone = listing.gone()
    heads = _heads([path for path in listing.paths if path not in gone], recipe.skips)
    grey, colours = _colours(heads) if recipe.grey is None else (recipe.grey, ())
    notes = (*notes, *colours, *_sizes(heads, len(listing.paths), recipe.size), *_kinds(heads))
    files = _files(root, paths, listing, replace(recipe, grey=grey))
    y = torch.tensor(labels) if len(listing.classes) > 1 else None
    names = tuple(listing.classes) if y is not None else ()
    data = Dataset(f"folder:{root}", split, files, y, names, notes=notes)
    return _held(data, files, recipe.skips), len(listing.parts) == 1


def _listing(root: Path, recipe: DataRecipe) -> tuple[Listing, tuple[str, ...]]:
    """The files of the folder, or those that a run began with, and what there is to say."""
    if recipe.files is None:
        found = list_images(root)
        return found, found.notes()
    if not Path(recipe.files).is_file():
        found = list_images(root)
        return found, (f"{recipe.files} is gone: the folder is read as it is now", *found.notes())
    return read_listing(Path(recipe.files), root)


def _held(data: Dataset, files: ImageFiles, skip: bool) -> Dataset:
    """The rows in memory, where they fit; those that cannot be read are left out if they are to be."""
    if len(files.paths) * int(np.prod(files.event)) > MEMORY_LIMIT:
        return data
    if skip or files.broken:
        data = data.subset(files.readable())
    return replace(data, rows=ArrayRows(data.rows.read(torch.arange(len(data)))))


def _heads(paths: list[Path], skip: bool) -> list[Head]:
    """Size and colour of up to `LOOKED_AT` files; raises `DataError` for a broken one unless `skip`."""
    found: list[Head] = []
    for path in paths[:: -(-len(paths) // LOOKED_AT)]:
        try:
            found.append(read_head(path))
        except DataError as error:
            if not skip:
                raise DataError(f"{error}{ADVICE}") from error
    if not found:
        raise DataError(f"{paths[0].parent} holds no image that can be read")
    return found


def _colours(heads: list[Head]) -> tuple[bool, tuple[str, ...]]:
    """Whether all files are grey, and a line where some are."""
    looked = [head.grey for head in heads]
    if all(looked) or not any(looked):
        return looked[0], ()
    return False, (
        f"{sum(looked)} of {len(looked)} files are grey: all are read in colour, as the others are",
    )


def _kinds(heads: list[Head]) -> tuple[str, ...]:
    """Lines on alpha channels and on files of several pictures."""
    alpha, more = sum(head.alpha for head in heads), sum(head.more for head in heads)
    lines = (
        (alpha, "have an alpha channel: laid over white"),
        (more, "are animated or have several pages: the first picture is read"),
    )
    return tuple(f"{n} of {len(heads)} files {what}" for n, what in lines if n)


def _sizes(heads: list[Head], n: int, size: tuple[int, int] | None) -> tuple[str, ...]:
    """A line on how images of other sizes were brought to `size`."""
    found = {head.size for head in heads}
    if size is None or found == {size}:
        return ()
    many = f"{len(found)} size{'s' if len(found) > 1 else ''}"
    if n > len(heads):
        many = f"{many} among {len(heads)} looked at"
    small = sum(head.size[0] < size[0] or head.size[1] < size[1] for head in heads)
    grown = f", {small} of them enlarged" if small else ""
    cut = "the centred square" if size[0] == size[1] else "the largest centred box of that shape"
    return (f"{n} images of {many} brought to {shape_name(size)}: {cut} is cut out, then resampled{grown}",)


def _files(root: Path, paths: list[Path], listing: Listing, recipe: DataRecipe) -> ImageFiles:
    """The files as rows; the first that can be read says what shape they have."""
    gone = listing.gone()
    for path in (path for path in paths if path not in gone):
        try:
            first = read_image(path, recipe.size, recipe.grey)
        except DataError as error:
            if not recipe.skips:
                raise DataError(f"{error}{ADVICE}") from error
        else:
            grey = first.ndim == 2
            return ImageFiles(root, tuple(paths), recipe.size, grey, first.shape, listing, recipe.skips, gone)
    raise DataError(f"{root} holds no image that can be read")

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
from .images import Head, levels_of, read_head, read_image
from .listing import Listing, all_images, list_images, read_listing
from .options import shape_name
from .recipe import DataRecipe
from .rows import ArrayRows, BrokenRow, Rows

MEMORY_LIMIT = 1 << 30
LOOKED_AT = 1000
"""Files whose size and colour are looked at, evenly spaced."""
ADVICE = ", or leave it out: --on-error skip, or folder:DIR@on_error=skip where there is no such flag"


@dataclass(frozen=True, eq=False)
class ImageFiles:
    """Image files read when asked for: uint8 rows (H, W) or (H, W, 3), all of one size.

    `event` is the shape of the first image, read by `how`; another one raises `DataError`. A file that cannot
    be read raises `BrokenRow`, with leave to take another row in its place where `how` skips; each is told
    once, and stands in `broken`, which all selections share.
    """

    root: Path
    paths: tuple[Path, ...]
    how: DataRecipe
    event: tuple[int, ...]
    listing: Listing
    broken: set[Path] = field(default_factory=set)

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, H, W) or (N, H, W, 3)."""
        return (len(self.paths), *self.event)

    @property
    def is_image(self) -> bool:
        """Always true."""
        return True

    @property
    def names(self) -> tuple[str, ...]:
        """Paths below the folder."""
        return tuple(str(path.relative_to(self.root)) for path in self.paths)

    def read(self, index: Tensor) -> Tensor:
        """Decode the images at `index` (B,)."""
        return torch.from_numpy(np.stack([self._one(i) for i in index.tolist()]))

    def select(self, index: Tensor) -> Rows:
        """These files only."""
        return replace(self, paths=tuple(self.paths[i] for i in index.tolist()))

    def digest(self) -> bytes:
        """SHA-256 of the files' paths and sizes when a run began, and of how they are read, undecoded."""
        digest = hashlib.sha256(str(replace(self.how, name="", on_error=None, files=None)).encode())
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
            image = read_image(path, self.how)
        except BrokenRow:
            raise
        except DataError as error:
            if self.how.skips:
                warn(f"{str(error).rpartition(': ')[0]}: it is left out")
                self.broken.add(path)
            raise BrokenRow(f"{error}{ADVICE}", row, self.how.skips) from error
        if image.shape != self.event:
            raise DataError(
                f"{path} is {image.shape[1]} x {image.shape[0]} pixels where {self.paths[0].name} is "
                f"{self.event[1]} x {self.event[0]}: give a size (--size 32), so that all are cropped and "
                "resampled to it"
            )
        return image


def read_folder(root: Path, split: str, recipe: DataRecipe) -> tuple[Dataset, bool]:
    """The images of `split` below `root`, and whether they are the whole (no folders train and test). Of the
    split "all" they are those of every folder below, without labels; `root` may then be a single file.

    Colour and levels are those of the recipe, else what suits the files of both parts, and then stand in the
    recipe of the set. Raises `DataError` on a missing or empty folder, on files that are no images, and on
    broken ones unless they are to be skipped.
    """
    listing, notes = _listing(root, recipe, split)
    root = root if root.is_dir() else root.parent
    paths, labels = listing.parts[split if split in listing.parts else "train"]
    gone = listing.gone()
    heads = _heads([path for path in listing.paths if path not in gone], recipe.skips)
    grey, colours = _colours(heads) if recipe.grey is None else (recipe.grey, ())
    levels, depths = _levels(heads, root) if recipe.levels is None else (recipe.levels, ())
    recipe = replace(recipe, grey=grey if colours else recipe.grey, levels=levels)
    notes = (*notes, *colours, *depths, *_sizes(heads, len(listing.paths), recipe), *_kinds(heads, recipe))
    files = _files(root, paths, listing, replace(recipe, grey=grey))
    y = torch.tensor(labels) if len(listing.classes) > 1 else None
    names = tuple(listing.classes) if y is not None else ()
    data = Dataset(f"folder:{root}", split, files, y, names, notes=notes, recipe=recipe)
    return _held(data, files, recipe.skips), len(listing.parts) == 1


def _listing(root: Path, recipe: DataRecipe, split: str) -> tuple[Listing, tuple[str, ...]]:
    """The files of the folder, or those that a run began with, and what there is to say."""
    if split == "all":
        found = all_images(root, recipe.skips)
        return found, found.notes()
    if recipe.files is not None and Path(recipe.files).is_file():
        return read_listing(Path(recipe.files), root)
    found = list_images(root, recipe.skips)
    gone = () if recipe.files is None else (f"{recipe.files} is gone: the folder is read as it is now",)
    return found, (*gone, *found.notes())


def _held(data: Dataset, files: ImageFiles, skip: bool) -> Dataset:
    """The rows in memory, where they fit; those that cannot be read are left out if they are to be."""
    if len(files.paths) * int(np.prod(files.event)) > MEMORY_LIMIT:
        return data
    if skip or files.broken:
        whole = data.subset(files.readable())
        lost = sorted(set(data.rows.names) - set(whole.rows.names))
        note = f"{len(lost)} of {len(data)} files could not be read and are left out: {', '.join(lost[:3])}"
        data = replace(whole, notes=(*data.notes, note + ", ..." * (len(lost) > 3))) if lost else whole
    return replace(data, rows=ArrayRows(data.rows.read(torch.arange(len(data))), data.rows.names))


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
    """Whether most files are grey, and a line where some are."""
    n, grey = len(heads), sum(head.grey for head in heads)
    if grey in (0, n):
        return grey == n, ()
    if 2 * grey > n:
        return True, (
            f"{grey} of {n} files are grey: all are read in grey, as most are (--grey no: in colour)",
        )
    return False, (f"{grey} of {n} files are grey: all are read in colour, as the others are",)


def _levels(heads: list[Head], root: Path) -> tuple[tuple[float, float] | None, tuple[str, ...]]:
    """The values of black and white for files that are no bytes, and a line on them."""
    spans = [head.span for head in heads if head.span is not None]
    if not spans:
        return None, ()
    low, high = min(low for low, _ in spans), max(high for _, high in spans)
    try:
        black, white = levels_of(low, high)
    except ValueError as error:
        raise DataError(f"{root} holds pixels that are no bytes: {error}") from error
    said = f"{black:g} to {white:g} are black to white (--levels LOW:HIGH)"
    return (black, white), (
        f"{len(spans)} of {len(heads)} files hold values from {low:g} to {high:g}: {said}",
    )


def _kinds(heads: list[Head], recipe: DataRecipe) -> tuple[str, ...]:
    """Lines on alpha channels, on files of several pictures and on those of deep colours."""
    alpha, more, cut = (sum(getattr(head, key) for head in heads) for key in ("alpha", "more", "cut"))
    lines = (
        (alpha, f"have an alpha channel: laid over {recipe.background or 'white'}"),
        (more, "are animated or have several pages: the first picture is read"),
        (cut, "have 16 bits a colour: the upper 8 are read"),
    )
    return tuple(f"{n} of {len(heads)} files {what}" for n, what in lines if n)


def _sizes(heads: list[Head], n: int, recipe: DataRecipe) -> tuple[str, ...]:
    """A line on how images of other sizes were brought to that of the recipe."""
    found, size = {head.size for head in heads}, recipe.size
    if size is None or found == {size}:
        return ()
    many = f"{len(found)} size{'s' if len(found) > 1 else ''}{' or more' if n > len(heads) else ''}"
    small = sum(head.size[0] < size[0] or head.size[1] < size[1] for head in heads)
    grown = f", {small} of them enlarged" if small else ""
    box = "the centred square" if size[0] == size[1] else "the largest centred box of that shape"
    ways = {"pad": f"padded with {recipe.background or 'white'}", "stretch": "stretched"}
    way = ways.get(recipe.resize or "crop", f"{box} is cut out, then resampled")
    return (f"{n} images of {many} brought to {shape_name(size)}: {way}{grown}",)


def _files(root: Path, paths: list[Path], listing: Listing, recipe: DataRecipe) -> ImageFiles:
    """The files as rows; the first that can be read says what shape they have."""
    gone = listing.gone()
    for path in (path for path in paths if path not in gone):
        try:
            first = read_image(path, recipe)
        except DataError as error:
            if not recipe.skips:
                raise DataError(f"{error}{ADVICE}") from error
        else:
            return ImageFiles(root, tuple(paths), recipe, first.shape, listing, gone)
    raise DataError(f"{root} holds no image that can be read")

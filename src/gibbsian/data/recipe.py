"""How a data set was read, in one line that reads it again: `NAME@size=32x32@grey=yes@validation=100`.

A run stores this line as its `data`, so that every command finds the same rows. Imports no torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..core.errors import DataError, UsageError, unknown
from .names import EPISODES, entry
from .options import CHOICES, OPTIONS, READ, Channels, rising, sides, written

WORD = ":to:"
"""Between the two sets of a translation."""
ARRAYS = (".npz", ".npy", ".safetensors")
"""Endings of files that are arrays by name, or one."""
PACKED = (".csv.gz", ".tsv.gz", ".txt.gz")
TEXT = (".csv", ".tsv", ".tab", ".txt", ".dat", *PACKED)
TABLES = (*TEXT, ".parquet", ".feather")
"""Endings of files that are tables."""
ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar")
FILES = (*ARRAYS, *TABLES)
"""Endings of files that are data sets."""
SUFFIXES = frozenset(
    ".png .apng .jpg .jpeg .jpe .jfif .jp2 .bmp .gif .webp .avif .tif .tiff .tga .pbm .pgm .ppm .pnm".split()
)
"""Endings of image files."""


@dataclass(frozen=True)
class DataRecipe:
    """A data set with what was decided in reading it; `str` is a name that `load` takes.

    `size` (height, width) brings images to that shape, by `resize`: crop (by default) cuts the ends of the
    longer side off, pad fills the shorter one with the `background`, stretch keeps neither; all resample.
    `background` shows through alpha channels, white by default. `grey` is one channel, or three if False.
    `levels` are the values of black and white in files of more than eight bits, floats and arrays; others
    are clipped. `images` and `channels` say what arrays are, as `data.arrays` does by itself.
    `validation` is the number of training rows that are set aside; `on_error` is "skip" where broken image
    files and incomplete rows are left out; `files` is the list that a run made of a large folder as it began.

    Of tables, `header` says whether the first line names the columns, `columns` which are kept,
    `label_column` which holds the classes ("none" where none does), `standardise` whether models see columns
    of mean 0 and deviation 1; `table` is a JSON file whose key "table" holds what a run read of its columns.
    """

    name: str
    size: tuple[int, int] | None = None
    grey: bool | None = None
    validation: int | None = None
    on_error: str | None = None
    files: str | None = None
    resize: str | None = None
    background: str | None = None
    levels: tuple[float, float] | None = None
    images: bool | None = None
    channels: Channels | None = None
    header: bool | None = None
    label_column: str | None = None
    columns: tuple[str, ...] | None = None
    standardise: bool | None = None
    table: str | None = None

    @classmethod
    def parse(cls, text: str) -> DataRecipe:
        """The recipe that a text writes down; raises `UsageError` for values that are none."""
        found = OPTIONS.search(text)
        if not found and OPTIONS.search(text[:-1]) and text.endswith("/"):
            return cls(text[:-1])  # so are names written that end in what looks like an option
        recipe = cls(text[: found.start()] if found else text)
        for option in found[1][1:].split("@") if found else ():
            key, _, value = option.partition("=")
            recipe = recipe.reading({key: value})
        return recipe

    def __str__(self) -> str:
        end = "/" if OPTIONS.search(self.name) else ""
        given = {key: value for key in READ if (value := getattr(self, key)) is not None}
        return self.name + end + "".join(f"@{key}={written(key, value)}" for key, value in given.items())

    def reading(self, texts: Mapping[str, str | None]) -> DataRecipe:
        """With these options as they are written, None leaving one as it is; raises as `having`."""
        return self.having(**{key: READ[key](text) for key, text in texts.items() if text is not None})

    def having(self, **options: Any) -> DataRecipe:
        """With these options, None leaving one as it is; raises `UsageError` where it has another value."""
        given: dict[str, Any] = {k: v for k, v in options.items() if v is not None}
        if "size" in given:
            given["size"] = sides(given["size"])
        if "levels" in given:
            given["levels"] = rising(given["levels"])
        for key in CHOICES.keys() & given.keys():
            if given[key] not in CHOICES[key]:
                raise unknown(key, str(given[key]), CHOICES[key])
        for key, value in given.items():
            if getattr(self, key) not in (None, value):
                said = f"{key} is {written(key, value)}, but '{self}' says {written(key, getattr(self, key))}"
                raise UsageError(f"{said}: give it once")
        return replace(self, **given)

    def like(self, other: DataRecipe) -> DataRecipe:
        """With the options of `other`, where this has none of its own and is a set of the same kind; with the
        list of a folder's files in any case."""
        if self.name != other.name and not (self.places and other.places):
            return self
        if all(getattr(self, key) in (None, getattr(other, key)) for key in READ):
            return replace(other, name=self.name)
        return replace(self, files=self.files or other.files, table=self.table or other.table)

    @property
    def title(self) -> str:
        """The line without the files of a run that it names, for people."""
        return str(replace(self, files=None, table=None))

    @property
    def skips(self) -> bool:
        """Whether broken image files are left out."""
        return self.on_error == "skip"

    @property
    def table_option(self) -> str | None:
        """The name of an option that only tables have, if one is set."""
        return next((k for k in ("header", "label_column", "columns") if getattr(self, k) is not None), None)

    @property
    def places(self) -> tuple[Path, ...]:
        """The files and folders of a person's own that it names."""
        return tuple(path for part in self.name.split(WORD) if (path := _place(part)) is not None)

    def placed(self) -> DataRecipe:
        """With absolute paths, so that it reads the same from every folder."""
        return replace(self, name=WORD.join(_absolute(part) for part in self.name.split(WORD)))

    def require_there(self, flag: str = "--data") -> None:
        """Raise `DataError` where a file or folder is missing, with what to give, by `flag`, if moved."""
        gone = next((path for path in self.places if not path.exists()), None)
        if gone is None:
            return
        folder = _absolute(self.name).startswith("folder:")
        moved = replace(
            self, name="folder:DIR" if folder else f"{_episodes(self.name)}FILE{gone.suffix}", table=None
        )
        kind, what = ("folder", "images") if folder else ("file", "data")
        gone, here = gone.absolute(), Path.cwd()
        why = f"relative paths begin at {here}; " if gone.is_relative_to(here) else ""
        raise DataError(
            f"there is no {kind} {gone}: {why}give the {kind} that holds the {what}, {flag} {moved} if moved"
        )


def named(data: str | Path) -> str:
    """The name under which `load` knows a path; names of public sets come before folders of that name."""
    there = Path(data).expanduser()
    whole = OPTIONS.search(str(data)) is not None and there.exists()
    recipe = DataRecipe(str(data)) if whole else DataRecipe.parse(str(data))
    return str(replace(recipe, name=WORD.join(_named(part) for part in recipe.name.split(WORD))))


def _named(name: str) -> str:
    if entry(name) is not None or name.startswith("folder:"):
        return name
    path = Path(name).expanduser()
    image = path.suffix.lower() in SUFFIXES
    return f"folder:{name}" if path.is_dir() or image else name


def unread(path: Path) -> UsageError | None:
    """The error for what is a path rather than a name, with what to do."""
    if not path.exists():
        known = "/" not in str(path) and not path.suffix
        return None if known else UsageError(f"there is no file or folder {path}")
    if path.suffix.lower() in ARCHIVES:
        return UsageError(f"{path} is packed: unpack it, and give the folder")
    return UsageError(f"{path} is no file that is read: save it as one of {', '.join(FILES)}")


def is_table(name: str) -> bool:
    """Whether a name is that of a file that holds a table."""
    return name.lower().endswith(TABLES)


def _place(name: str) -> Path | None:
    if name.startswith("folder:"):
        return Path(name.removeprefix("folder:")).expanduser()
    own = name.lower().endswith(FILES) and entry(name) is None
    return Path(name.removeprefix(_episodes(name))).expanduser() if own else None


def _episodes(name: str) -> str:
    """The word before the file of a set of episodes, else ""."""
    return next((word for word in EPISODES if name.startswith(word)), "")


def _absolute(name: str) -> str:
    path = _place(name)
    if path is None:
        return name
    return f"{'folder:' if name.startswith('folder:') else _episodes(name)}{path.absolute()}"

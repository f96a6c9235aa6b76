"""How a data set was read, in one line that reads it again: `NAME@size=32x32@grey=yes@validation=100`.

A run stores this line as its `data`, so that every command finds the same rows. Imports no torch.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import quote, unquote

from ..core.errors import DataError, UsageError, unknown
from .names import entry

Size: TypeAlias = int | tuple[int, int]
"""Pixels a side, or (height, width)."""
WORD = ":to:"
"""Between the two sets of a translation."""
FILES = (".npz", ".npy", ".csv", ".tsv")
"""Endings of files that are data sets."""
POLICIES = ("stop", "skip")
"""What is done about a broken image file."""
OPTIONS = re.compile(r"((?:@(?:(?:size|grey|validation|on_error)=[^@/]*|files=[^@]*))+)$")


def sides(size: Size) -> tuple[int, int]:
    """(height, width) in pixels; raises `UsageError` unless both are whole numbers above 0."""
    both = (size, size) if isinstance(size, int) else tuple(size)
    if len(both) != 2 or not all(isinstance(n, int) and n > 0 for n in both):
        raise UsageError(f"size is {size}: it must be a number of pixels above 0, or height and width")
    return both[0], both[1]


def read_size(text: str) -> tuple[int, int]:
    """(height, width) of a text such as "32" or "24x32"; raises `UsageError` for others."""
    found = re.fullmatch(r"(\d+)(?:x(\d+))?", text.strip().lower())
    if found is None:
        raise UsageError(f"size is '{text}': write pixels as N, or as HxW for height and width")
    return sides((int(found[1]), int(found[2] or found[1])))


@dataclass(frozen=True)
class DataRecipe:
    """A data set with what was decided in reading it; `str` is a name that `load` takes.

    `size` (height, width) crops to that shape and resamples; `grey` is one channel, or three if False;
    `validation` is the number of training rows that are set aside; `on_error` is "skip" where broken image
    files are left out; `files` is the list that a run made of a large folder when it began.
    """

    name: str
    size: tuple[int, int] | None = None
    grey: bool | None = None
    validation: int | None = None
    on_error: str | None = None
    files: str | None = None

    @classmethod
    def parse(cls, text: str) -> DataRecipe:
        """The recipe that a text writes down; raises `UsageError` for values that are none."""
        found = OPTIONS.search(text)
        recipe = cls(text[: found.start()] if found else text)
        for option in found[1][1:].split("@") if found else ():
            key, _, value = option.partition("=")
            recipe = recipe.having(**{key: READ[key](value)})
        return recipe

    def __str__(self) -> str:
        size = None if self.size is None else "{}x{}".format(*self.size)
        grey = None if self.grey is None else "yes" if self.grey else "no"
        options = {
            "size": size,
            "grey": grey,
            "validation": self.validation or None,
            "on_error": self.on_error,
            "files": None if self.files is None else quote(self.files),
        }
        return self.name + "".join(f"@{key}={value}" for key, value in options.items() if value is not None)

    def having(self, **options: Any) -> DataRecipe:
        """With these options, None leaving one as it is; raises `UsageError` where it has another value."""
        given: dict[str, Any] = {k: v for k, v in options.items() if v is not None}
        if "size" in given:
            given["size"] = sides(given["size"])
        if "on_error" in given:
            _read_policy(given["on_error"])
        for key, value in given.items():
            if getattr(self, key) not in (None, value):
                said = f"{key} is {_shown(value)}, but '{self}' says {_shown(getattr(self, key))}"
                raise UsageError(f"{said}: give it once")
        return replace(self, **given)

    def like(self, other: DataRecipe) -> DataRecipe:
        """With the options of `other`, where this has none of its own and is a set of the same kind; with the
        list of a folder's files in any case."""
        if self.name != other.name and not (self.places and other.places):
            return self
        if self == DataRecipe(self.name):
            return replace(other, name=self.name)
        return replace(self, files=self.files or other.files)

    @property
    def skips(self) -> bool:
        """Whether broken image files are left out."""
        return self.on_error == "skip"

    @property
    def places(self) -> tuple[Path, ...]:
        """The files and folders of a person's own that it names."""
        return tuple(path for part in self.name.split(WORD) if (path := _place(part)) is not None)

    def placed(self) -> DataRecipe:
        """With absolute paths, so that it reads the same from every folder."""
        return replace(self, name=WORD.join(_absolute(part) for part in self.name.split(WORD)))

    def require_there(self) -> None:
        """Raise `DataError` where a file or folder is missing, with what to give if it was moved."""
        gone = next((path for path in self.places if not path.exists()), None)
        if gone is None:
            return
        folder = _absolute(self.name).startswith("folder:")
        moved = replace(self, name="folder:DIR" if folder else f"FILE{gone.suffix}")
        kind, what = ("folder", "images") if folder else ("file", "data")
        gone, here = gone.absolute(), Path.cwd()
        why = f"relative paths begin at {here}; " if gone.is_relative_to(here) else ""
        raise DataError(
            f"there is no {kind} {gone}: {why}give the {kind} that holds the {what}, --data {moved} if moved"
        )


def named(data: str | Path) -> str:
    """The name under which `load` knows a path; names of public sets come before folders of that name."""
    recipe = DataRecipe.parse(str(data))
    name = recipe.name
    if name.lower().endswith(FILES) or entry(name) is not None or not Path(name).expanduser().is_dir():
        return str(recipe)
    return str(replace(recipe, name=f"folder:{name}"))


def shape_name(size: tuple[int, int]) -> str:
    """Height x width, as a person reads it."""
    return f"{size[0]}x{size[1]}"


def _shown(value: object) -> str:
    return shape_name(value) if isinstance(value, tuple) else str(value)


def _place(name: str) -> Path | None:
    if name.startswith("folder:"):
        return Path(name.removeprefix("folder:")).expanduser()
    own = name.lower().endswith(FILES) and entry(name) is None
    return Path(name).expanduser() if own else None


def _absolute(name: str) -> str:
    path = _place(name)
    if path is None:
        return name
    return f"{'folder:' if name.startswith('folder:') else ''}{path.absolute()}"


def _read_grey(text: str) -> bool:
    if text not in ("yes", "no"):
        raise UsageError(f"grey is '{text}': write yes or no")
    return text == "yes"


def _read_rows(text: str) -> int:
    if not text.isdecimal():
        raise UsageError(f"validation is '{text}': write a number of rows")
    return int(text)


def _read_policy(text: str) -> str:
    if text not in POLICIES:
        raise unknown("on_error", text, POLICIES)
    return text


READ: dict[str, Callable[[str], Any]] = {
    "size": read_size,
    "grey": _read_grey,
    "validation": _read_rows,
    "on_error": _read_policy,
    "files": unquote,
}

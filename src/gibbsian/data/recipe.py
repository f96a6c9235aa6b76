"""How a data set was read, in one line that reads it again: `NAME@size=32x32@grey=yes@validation=100`.

A run stores this line as its `data`, so that every command finds the same rows. Imports no torch.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias
from urllib.parse import quote, unquote

from ..core.errors import DataError, UsageError, unknown
from .names import entry

Size: TypeAlias = int | tuple[int, int]
"""Pixels a side, or (height, width)."""
Channels: TypeAlias = Literal["first", "last"]
WORD = ":to:"
"""Between the two sets of a translation."""
ARRAYS = (".npz", ".npy", ".pt", ".pth", ".safetensors")
FILES = (*ARRAYS, ".csv", ".tsv")
"""Endings of files that are data sets."""
SUFFIXES = frozenset(
    ".png .apng .jpg .jpeg .jpe .jfif .jp2 .bmp .gif .webp .avif .tif .tiff .tga .pbm .pgm .ppm .pnm".split()
)
"""Endings of image files."""
CHOICES: dict[str, tuple[str, ...]] = {
    "resize": ("crop", "pad", "stretch"),
    "background": ("white", "black", "grey"),
    "channels": ("first", "last"),
    "on_error": ("stop", "skip"),
}
"""How images come to another size; what transparent pixels and padding show; where channels stand in arrays;
what is done about a broken image file."""


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


def read_levels(text: str) -> tuple[float, float]:
    """The values of black and white of a text such as "0:4095"; raises `UsageError` for others."""
    try:
        low, high = (float(part) for part in text.split(":"))
    except ValueError as error:
        raise UsageError(f"levels is '{text}': write LOW:HIGH, the values of black and white") from error
    return low, high


@dataclass(frozen=True)
class DataRecipe:
    """A data set with what was decided in reading it; `str` is a name that `load` takes.

    `size` (height, width) brings images to that shape, by `resize`: crop (by default) cuts the ends of the
    longer side off, pad fills the shorter one with the `background`, stretch keeps neither; all resample.
    `background` shows through alpha channels, white by default. `grey` is one channel, or three if False.
    `levels` are the values of black and white in files of more than eight bits, floats and arrays; others
    are clipped. `images` and `channels` say what arrays are, as `data.arrays` does by itself.
    `validation` is the number of training rows that are set aside; `on_error` is "skip" where broken image
    files are left out; `files` is the list that a run made of a large folder when it began.
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
        shown = {key: quote(value) if key in PATHS else _shown(value) for key, value in given.items()}
        return self.name + end + "".join(f"@{key}={text}" for key, text in shown.items())

    def reading(self, texts: Mapping[str, str | None]) -> DataRecipe:
        """With these options as they are written, None leaving one as it is; raises as `having`."""
        return self.having(**{key: READ[key](text) for key, text in texts.items() if text is not None})

    def having(self, **options: Any) -> DataRecipe:
        """With these options, None leaving one as it is; raises `UsageError` where it has another value."""
        given: dict[str, Any] = {k: v for k, v in options.items() if v is not None}
        if "size" in given:
            given["size"] = sides(given["size"])
        if "levels" in given:
            given["levels"] = _rising(given["levels"])
        for key in CHOICES.keys() & given.keys():
            if given[key] not in CHOICES[key]:
                raise unknown(key, str(given[key]), CHOICES[key])
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
        if all(getattr(self, key) in (None, getattr(other, key)) for key in READ):
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
        raise DataError(
            f"there is no {kind} {gone}: give the {kind} that holds the {what}, --data {moved} if moved"
        )


def named(data: str | Path) -> str:
    """The name under which `load` knows a path; names of public sets come before folders of that name."""
    there = Path(data).expanduser()
    whole = OPTIONS.search(str(data)) is not None and there.exists()
    recipe = DataRecipe(str(data)) if whole else DataRecipe.parse(str(data))
    if entry(recipe.name) is not None:
        return str(recipe)
    path = Path(recipe.name).expanduser()
    if path.is_dir() or (path.suffix.lower() in SUFFIXES and not recipe.name.startswith("folder:")):
        recipe = replace(recipe, name=f"folder:{recipe.name}")
    return str(recipe)


def shape_name(size: tuple[int, int]) -> str:
    """Height x width, as a person reads it."""
    return f"{size[0]}x{size[1]}"


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        whole = all(isinstance(part, int) for part in value)
        return shape_name(value) if whole else ":".join(f"{part:.12g}" for part in value)
    return str(value)


def _rising(levels: tuple[float, float]) -> tuple[float, float]:
    low, high = (float(level) for level in levels)
    if not -float("inf") < low < high < float("inf"):
        raise UsageError(f"levels are {low:g} to {high:g}: black must lie below white")
    return low, high


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


def _yes(key: str) -> Callable[[str], bool]:
    def read(text: str) -> bool:
        if text not in ("yes", "no"):
            raise UsageError(f"{key} is '{text}': write yes or no")
        return text == "yes"

    return read


def _read_rows(text: str) -> int:
    if not text.isdecimal():
        raise UsageError(f"validation is '{text}': write a number of rows")
    return int(text)


READ: dict[str, Callable[[str], Any]] = {
    "size": read_size,
    "resize": str,
    "grey": _yes("grey"),
    "background": str,
    "levels": read_levels,
    "images": _yes("images"),
    "channels": str,
    "validation": _read_rows,
    "on_error": str,
    "files": unquote,
}
"""How each option is read from its text, in the order in which they are written."""
PATHS = ("files",)
"""Options whose text may hold a slash."""
_PLAIN = "|".join(key for key in READ if key not in PATHS)
OPTIONS = re.compile(rf"((?:@(?:(?:{_PLAIN})=[^@/]*|(?:{'|'.join(PATHS)})=[^@]*))+)$")

"""Options on how data are read: what they may be, and how they are written behind a name. No torch."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Literal, TypeAlias
from urllib.parse import quote, unquote

from ..core.errors import UsageError

Size: TypeAlias = int | tuple[int, int]
"""Pixels a side, or (height, width)."""
Channels: TypeAlias = Literal["first", "last"]
CHOICES: dict[str, tuple[str, ...]] = {
    "resize": ("crop", "pad", "stretch"),
    "background": ("white", "black", "grey"),
    "channels": ("first", "last"),
    "on_error": ("stop", "skip"),
}
"""How images come to another size; what transparent pixels and padding show; where channels stand in arrays;
what is done about a broken image file, or a row of a table that lacks a number."""


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


def rising(levels: tuple[float, float]) -> tuple[float, float]:
    """Two finite numbers, the second above the first; raises `UsageError` for others."""
    low, high = (float(level) for level in levels)
    if not -float("inf") < low < high < float("inf"):
        raise UsageError(f"levels are {low:g} to {high:g}: black must lie below white")
    return low, high


def read_levels(text: str) -> tuple[float, float]:
    """The values of black and white of a text such as "0:4095"; raises `UsageError` for others."""
    try:
        low, high = (float(part) for part in text.split(":"))
    except ValueError as error:
        raise UsageError(f"levels is '{text}': write LOW:HIGH, the values of black and white") from error
    return rising((low, high))


def read_columns(text: str) -> tuple[str, ...]:
    """Names between commas, those with a comma in them quoted as in an address."""
    return tuple(unquote(name.strip()) for name in text.split(",") if name.strip())


def shape_name(size: tuple[int, int]) -> str:
    """Height x width, as a person reads it."""
    return f"{size[0]}x{size[1]}"


def written(key: str, value: Any) -> str:
    """The text of an option, as `READ` takes it."""
    if key == "columns":
        return ",".join(quote(name, safe="") for name in value)
    if key in FREE:
        return quote(value)
    if key == "levels":
        return ":".join(f"{level:.12g}" for level in value)
    if key == "size":
        return shape_name(value)
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)


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
    "header": _yes("header"),
    "label_column": unquote,
    "columns": read_columns,
    "standardise": _yes("standardise"),
    "table": unquote,
}
"""How each option is read from its text, in the order in which they are written."""
FREE = ("files", "label_column", "columns", "table")
"""Those whose text may hold a slash."""
_PLAIN = "|".join(key for key in READ if key not in FREE)
OPTIONS = re.compile(rf"((?:@(?:(?:{_PLAIN})=[^@/]*|(?:{'|'.join(FREE)})=[^@]*))+)$")

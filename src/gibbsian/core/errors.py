"""Errors that a user can mend: one line saying what, the value, why, and what to try.

Exit codes of the command line: 1 expected failure, 2 usage, 4 diverged, 130 interrupted.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping


class GibbsianError(Exception):
    """An expected failure. Its text is one line that a user can act upon."""

    exit_code = 1

    def __init__(self, text: str = "") -> None:
        super().__init__(" ".join(text.split()) if "\n" in text else text)


class UsageError(GibbsianError, ValueError):
    """A wrong argument: unknown name, value out of range, options that exclude each other."""

    exit_code = 2


class DataError(GibbsianError):
    """A data set that is missing, unreadable or of the wrong shape."""


class CheckpointError(GibbsianError):
    """A checkpoint that is missing, truncated, or belongs to another model."""


class DivergedError(GibbsianError):
    """Training or sampling left the finite world, and the policy was to stop."""

    exit_code = 4


class Interrupted(GibbsianError):
    """Ctrl-C or SIGTERM; the state was saved."""

    exit_code = 130


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out, on whatever device."""
    words = str(error).lower() if isinstance(error, RuntimeError) else ""
    said = ("can't allocate memory", "not enough memory", "out of memory")
    return isinstance(error, MemoryError) or any(line in words for line in said)


def did_you_mean(name: str, options: Iterable[str]) -> str:
    """A hint ending for an unknown `name`: the nearest of `options`, or all, many of one "kind:" as one.

    >>> did_you_mean("igebn", ["igebm", "jem"])
    "did you mean 'igebm'?"
    """
    options = sorted(options)
    near = difflib.get_close_matches(name, options, n=1, cutoff=0.6)
    return f"did you mean '{near[0]}'?" if near else f"choose from {', '.join(_kinds(options))}"


def _kinds(options: list[str], most: int = 3) -> list[str]:
    """The options, "kind:..." standing for more than `most` that begin so."""
    kinds = [option.partition(":")[0] if ":" in option else "" for option in options]
    crowded = {kind for kind in kinds if kind and kinds.count(kind) > most}
    shown = (f"{k}:..." if k in crowded else o for k, o in zip(kinds, options, strict=True))
    return list(dict.fromkeys(shown))


def unknown(what: str, name: str, options: Iterable[str]) -> UsageError:
    """The error for an unknown name among known `options`, with the nearest one suggested."""
    return UsageError(f"unknown {what} '{name}': {did_you_mean(str(name), options)}")


def require_positive(**values: float) -> None:
    """Raise `UsageError` unless every keyword value is a finite number above zero."""
    for name, value in values.items():
        if not 0 < value < float("inf"):
            raise UsageError(f"{name} is {value}: it must be a positive finite number")


def require_some(values: Mapping[str, int | None], least: int = 1) -> None:
    """Raise `UsageError` unless every value that is given is `least` or more."""
    few = [f"{name} is {value}" for name, value in values.items() if value is not None and value < least]
    if few:
        raise UsageError(f"{' and '.join(few)}: it must be at least {least}")


def require_not_negative(**values: float) -> None:
    """Raise `UsageError` unless every keyword value is a finite number, zero or above."""
    for name, value in values.items():
        if not 0 <= value < float("inf"):
            raise UsageError(f"{name} is {value}: it must be a finite number, 0 or more")

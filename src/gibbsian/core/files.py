"""Files that are whole or absent, whatever kills the process, and readable by whom others are."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from pathlib import Path

from .errors import UsageError


def cache_folder() -> Path:
    """`$XDG_CACHE_HOME/gibbsian`, or `~/.cache/gibbsian`; it may not exist yet."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "gibbsian"


def own_path(path: Path | str) -> Path:
    """A path that a person gave, with `~` for the home folder.

    Raises `UsageError` for what is no path.
    """
    if not isinstance(path, (str, os.PathLike)) or not str(path):
        raise UsageError(f"path is {path!r}: give the name of a file or folder")
    return Path(path).expanduser()


def write_whole(path: Path, text: str) -> None:
    """Write `text` aside, sync and rename it over `path`; on an `OSError`, `path` is as it was."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """The same of bytes."""
    aside = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.tmp")
    try:
        with aside.open("wb") as handle:
            handle.write(content)
            handle.flush()
            os.fsync(handle.fileno())
        aside.replace(path)
    except OSError:
        with suppress(OSError):
            aside.unlink()
        raise


def as_other_files(path: Path) -> Path:
    """Give a file that a library wrote for its owner alone the mode of any new file; returns `path`."""
    mask = os.umask(0o077)
    os.umask(mask)
    path.chmod(0o666 & ~mask)
    return path

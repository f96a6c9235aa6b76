"""The folder in which packages are kept: whose it must be, and what is removed from it."""

from __future__ import annotations

import os
import shutil
import stat
import time
from contextlib import suppress
from pathlib import Path

from ...core.files import cache_folder

BUILDING = "building-"
LEFT = 3600.0
"""Seconds after which nobody builds any more."""
HELD = 64
"""Packages in memory, and in the folder; those used last stay."""


class NotBuilt(RuntimeError):
    """A package that could not be built, or not be kept, and why."""


def kept_folder() -> Path:
    """`$GIBBSIAN_CACHE`, or a folder of the user's cache."""
    named = os.environ.get("GIBBSIAN_CACHE")
    return Path(named).expanduser().absolute() if named else cache_folder() / "packages"


def own_folder(folder: Path) -> Path:
    """A folder, made if it is not there; raises `NotBuilt` if it is not the user's own, closed to others."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.stat()
    except OSError as error:
        raise NotBuilt(f"packages cannot be kept in {folder}: {error.strerror or error}") from error
    if not owned(found, 0o022):
        raise NotBuilt(f"others may write to {folder}: chmod 700 it, or set GIBBSIAN_CACHE to another folder")
    return folder


def owned(found: os.stat_result, others: int = 0o077) -> bool:
    """Whether a file or folder is the user's own, and others may do none of `others` with it."""
    return os.name != "posix" or (found.st_uid == os.getuid() and not stat.S_IMODE(found.st_mode) & others)


def sweep(folder: Path) -> None:
    """Remove what builders have left that ended long ago without a word."""
    for room in folder.glob(f"{BUILDING}*"):
        with suppress(OSError):
            if time.time() - room.stat().st_mtime > LEFT:
                removed(room)


def prune(folder: Path) -> None:
    """Keep the packages that were used last."""
    kept = [p for p in folder.iterdir() if p.is_dir() and not p.name.startswith(BUILDING)]
    places = sorted(kept, key=lambda p: p.stat().st_mtime)
    for old in places[:-HELD]:
        removed(old)


def removed(place: Path) -> None:
    """Remove a file, or a folder with what is in it, whether it is there or not."""
    shutil.rmtree(place, ignore_errors=True)
    with suppress(OSError):
        place.unlink()

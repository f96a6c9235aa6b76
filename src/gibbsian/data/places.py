"""Where data sets and things made from them are kept on disk. Imports no torch."""

from __future__ import annotations

import os
from pathlib import Path

from ..core.files import cache_folder


def data_folders(data_dir: str | Path | None = None) -> list[Path]:
    """The folders searched for data, in order: `data_dir`, `$GIBBSIAN_DATA`, the cache's `data`."""
    named = [data_dir, os.environ.get("GIBBSIAN_DATA")]
    return [Path(f).expanduser() for f in named if f] + [cache_folder() / "data"]


def download_folder(data_dir: str | Path | None = None) -> Path:
    """Where a missing set is written: the first of `data_folders` that is writable or can be made."""
    folders = data_folders(data_dir)
    return next((f for f in folders if _writable(f)), folders[-1])


def _writable(folder: Path) -> bool:
    """Whether `folder`, or else its nearest existing parent, can be written to."""
    there = next((f for f in (folder, *folder.parents) if f.exists()), None)
    return there is not None and there.is_dir() and os.access(there, os.W_OK)

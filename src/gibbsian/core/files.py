"""Text files that are whole or absent, whatever kills the process."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from pathlib import Path


def write_whole(path: Path, text: str) -> None:
    """Write `text` aside, sync and rename it over `path`; on an `OSError`, `path` is as it was."""
    aside = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.tmp")
    try:
        with aside.open("w") as handle:
            handle.write(text)
            handle.flush()
            os.fsync(handle.fileno())
        aside.replace(path)
    except OSError:
        with suppress(OSError):
            aside.unlink()
        raise

"""The records of finished seeds, a file each, so that an interrupted comparison goes on where it was."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ...core.errors import UsageError
from ...core.files import write_whole
from ..cache import is_current
from .report import Run


def stored(file: Path | None, wanted: dict[str, Any]) -> Run | None:
    """The record of a seed, if it is there and of the same data and settings."""
    if file is None or not file.is_file():
        return None
    try:
        record = json.loads(file.read_text())
        accuracy = [[float(a) for a in row] for row in record["accuracy"]]
        return Run(accuracy, float(record["seconds"])) if is_current(record, wanted) else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None  # a damaged record: that seed is run again


def store(file: Path | None, wanted: dict[str, Any], run: Run) -> None:
    """Keep the record of a seed; raises `UsageError` where it cannot be written."""
    if file is None:
        return
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        record = {**wanted, "accuracy": run.accuracy, "seconds": run.seconds}
        write_whole(file, json.dumps(record, indent=1) + "\n")
    except OSError as error:
        raise UsageError(f"cannot write {file}: {error.strerror}; choose another folder") from error

"""Small networks that tasks train for themselves and keep: one safetensors file, with a record of how."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ..core.errors import UsageError
from ..core.files import as_other_files

UNREADABLE = (OSError, SafetensorError, KeyError, TypeError, ValueError, RuntimeError)
"""What a file that is missing, damaged or of another kind may raise until its weights are in a network."""


def save_cached(path: Path, weights: Mapping[str, Tensor], record: Mapping[str, Any]) -> None:
    """Write `weights` with `record` as metadata: aside first, then renamed.

    Raises `UsageError` where the folder cannot be written.
    """
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        plain = {key: value.cpu().contiguous() for key, value in weights.items()}
        save_file(plain, aside, {"record": json.dumps(record)})
        os.replace(as_other_files(aside), path)
    except (OSError, SafetensorError) as error:
        with suppress(OSError):
            aside.unlink()
        raise UsageError(f"cannot write {path}: {error}; choose another folder") from error


def read_cached(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Weights and record of a file; raises one of UNREADABLE."""
    with safe_open(path, "pt") as file:
        record = json.loads(file.metadata()["record"])
        return {key: file.get_tensor(key) for key in file.keys()}, record  # noqa: SIM118


def is_current(record: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether a record says all that is `wanted`, as JSON has it."""
    plain = json.loads(json.dumps(wanted))
    return {key: record.get(key) for key in plain} == plain

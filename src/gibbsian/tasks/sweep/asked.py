"""What a sweep is asked for, checked before its first run: values, rows to set aside, the folder."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...core.errors import CheckpointError, UsageError
from ...core.plain import plain
from ...data.dataset import Dataset
from ...data.load import load_recipe
from ..pages.about import said

FOUND = "sweep.json"
HELD = 500
"""Rows set aside at most, a fifth being taken of fewer."""


def checked_values(settings: Mapping[str, Sequence[Any]]) -> dict[str, list[Any]]:
    """Values by name; raises `UsageError` where there are none, or one twice."""
    swept = {name: [_frozen(value) for value in values] for name, values in settings.items()}
    for name, values in swept.items():
        words = [said(value) for value in values]
        if not values or len(set(words)) < len(words):
            raise UsageError(f"{name} is to take {words}: give one or more values, each once")
        if name == "train.seed":
            raise UsageError("train.seed is swept by seeds: leave it out of the settings")
    return swept


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, (list, tuple)) else value


def set_aside(given: Dataset, data_dir: str | Path | None) -> tuple[Dataset, Dataset | None]:
    """Rows to train on, and those to measure against: the same ones whenever the data are read again; None
    for toys, whose exact draws are endless.
    """
    if given.name.startswith("toy:"):
        return given, None
    held = min(HELD, len(given) // 5)
    if held < 5:
        raise UsageError(f"{given.name} has {len(given)} rows: at least 25 are needed to set some aside")
    if given.recipe is None:
        return given.split_off(held)
    recipe = given.recipe if given.recipe.validation else replace(given.recipe, validation=held)
    parts = (load_recipe(recipe, part, data_dir=data_dir) for part in ("train", "validation"))
    train, rows = parts
    return train, rows


def require_same(folder: Path, asked: Mapping[str, Any]) -> None:
    """Make the folder; raises `UsageError` where it holds another sweep, or something else."""
    try:
        before = json.loads((folder / FOUND).read_text())["asked"]
    except (FileNotFoundError, NotADirectoryError):
        before = None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{folder / FOUND} is no sweep's: choose another --out") from error
    if before is not None and (other := [k for k, v in plain(asked).items() if before.get(k) != v]):
        key = other[0]
        raise UsageError(
            f"{folder} holds a sweep with {key} {before.get(key)}, not {asked[key]}: choose another --out"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot make folder {folder}: {error.strerror}; choose another --out") from error

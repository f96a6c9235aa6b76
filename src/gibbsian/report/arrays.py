"""Samples as arrays in files: .npz, .npy, .csv."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from ..core.errors import UsageError
from ..core.files import write_bytes
from .pictures import to_uint8


def arrays(x: Tensor, low: float, high: float, **more: Tensor | None) -> dict[str, Any]:
    """`x` `(N, *event)` as uint8 for images in [low, high], else float32; and what is given of `more`."""
    image = x.dim() == 4 and x.shape[1] in (1, 3)
    named = {"x": to_uint8(x, low, high) if image else _numpy(x)}
    return named | {name: _numpy(values) for name, values in more.items() if values is not None}


def write(path: Path, named: Mapping[str, Any]) -> None:
    """Write `x` and the rest as .npz, rows of numbers with a header as .csv, or `x` alone as .npy.

    Raises `UsageError` where that fails.
    """
    packed = io.BytesIO()
    if path.suffix == ".npz":
        np.savez_compressed(packed, **named)
    elif path.suffix == ".npy":
        np.save(packed, named["x"])
    else:
        packed.write(separated(_rows(named)).encode())
    _put(path, packed.getvalue())


def write_table(
    path: Path, x: Sequence[Sequence[float]], names: Sequence[str], y: Sequence[str], label: str
) -> None:
    """Write rows `x` under `names` as text, with tabs in a .tsv; with labels `y`, if any, in a last column.

    Raises `UsageError` where that fails.
    """
    rows = ([*(f"{v:.9g}" for v in row), *y[i : i + 1]] for i, row in enumerate(x))
    mark = "\t" if path.suffix.lower() == ".tsv" else ","
    _put(path, separated([[*names, *([label] if y else [])], *rows], mark).encode())


def separated(rows: Iterable[Iterable[object]], mark: str = ",") -> str:
    """Rows of cells as text, those that hold a mark in quotes."""
    text = io.StringIO()
    csv.writer(text, delimiter=mark, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _put(path: Path, packed: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, packed)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}; choose a folder you can write") from error


def _rows(named: Mapping[str, Any]) -> list[list[str]]:
    flat = {name: values.reshape(len(values), -1) for name, values in named.items()}
    wide = {name: range(v.shape[1]) for name, v in flat.items()}
    head = [f"{name}{i}" if name == "x" else name for name, columns in wide.items() for i in columns]
    cells = zip(*(column.tolist() for v in flat.values() for column in v.T), strict=True)
    return [head, *([f"{c:.9g}" for c in row] for row in cells)]


def _numpy(values: Tensor) -> Any:
    values = values.detach().cpu()
    return (values.float() if values.is_floating_point() else values).numpy()

"""Read the files that data sets come in: idx, CIFAR's binary records, .npz, .npy.

Each raises one `DataError` line for a file that is missing, cut short or of another kind. No pickle
is ever loaded.
"""

from __future__ import annotations

import gzip
import math
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..core.errors import DataError
from ..core.spec import Table
from .factors import Factors


@dataclass(frozen=True, eq=False)
class Arrays:
    """What a reader returns: `x` (N, ...), labels `y` (N,), class names, conditions (N, ...), factors,
    columns of a table, notes, lengths of the blocks of conditions. Of a file of two parts the first `rows`
    are those of the part."""

    x: np.ndarray
    y: np.ndarray | None = None
    classes: tuple[str, ...] | None = None
    cond: np.ndarray | None = None
    factors: Factors | None = None
    table: Table | None = None
    notes: tuple[str, ...] = ()
    blocks: tuple[int, ...] = ()
    rows: int | None = None


def read_bytes(path: Path) -> bytes:
    """The contents, unpacked if the file is gzip."""
    try:
        raw = path.read_bytes()
        return gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be read ({error}): delete it and fetch it again") from error


def read_idx(path: Path) -> np.ndarray:
    """An idx file of bytes (LeCun's format), packed or not: uint8 of the shape in its header."""
    raw = read_bytes(path)
    start = 4 + 4 * raw[3] if len(raw) > 3 else 4
    if len(raw) < start or raw[:3] != b"\0\0\x08":
        raise DataError(f"{path} is not an idx file of bytes, or was cut short: fetch it again")
    shape = tuple(int(n) for n in np.frombuffer(raw[4:start], ">u4"))
    if len(raw) - start != math.prod(shape):
        raise DataError(f"{path} is cut short or too long: {len(raw)} bytes for {shape}; fetch it again")
    return np.frombuffer(raw, np.uint8, offset=start).reshape(shape)


def read_idx_pair(images: Path, labels: Path) -> Arrays:
    """Images (N, H, W) and labels (N,) from two idx files."""
    return Arrays(read_idx(images), read_idx(labels))


def read_cifar(paths: list[Path]) -> Arrays:
    """CIFAR-10 binary batches (a label byte, then 3 x 32 x 32 bytes): images (N, 32, 32, 3)."""
    raw = [read_bytes(path) for path in paths]
    for path, part in zip(paths, raw, strict=True):
        if not part or len(part) % 3073:
            raise DataError(f"{path} is {len(part)} bytes, not a multiple of 3073: cut short, fetch it again")
    table = np.frombuffer(b"".join(raw), np.uint8).reshape(-1, 3073)
    return Arrays(table[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), table[:, 0])


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """Every array of an .npz; arrays of Python objects are refused."""
    try:
        with open(path, "rb") as handle, np.load(handle, allow_pickle=False) as archive:
            return {key: archive[key] for key in archive.files}
    except FileNotFoundError as error:
        raise DataError(f"there is no file {path}") from error
    except Exception as error:  # a damaged archive can make its parsers raise nearly anything
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"{path} cannot be read as .npz ({reason})") from error


def read_npy(path: Path) -> Arrays:
    """The rows of an .npy; an array of Python objects is refused."""
    try:
        return Arrays(np.load(path, allow_pickle=False))
    except FileNotFoundError as error:
        raise DataError(f"there is no file {path}") from error
    except (OSError, ValueError, EOFError, MemoryError) as error:
        raise DataError(f"{path} cannot be read as .npy ({str(error).splitlines()[0]})") from error


def read_split_npz(path: Path, split: str, *, x: str = "x", cond: str | None = None) -> Arrays:
    """Arrays `{split}_x`, `{split}_y` of one file, with `label_names` where it has them."""
    arrays = read_npz(path)
    if f"{split}_{x}" not in arrays:
        raise DataError(f"{path} holds no array {split}_{x}: it holds {', '.join(arrays) or 'nothing'}")
    names = arrays.get("label_names")
    classes = None if names is None else tuple(str(name) for name in names)
    other = None if cond is None else arrays[f"{split}_{cond}"]
    return Arrays(arrays[f"{split}_{x}"], arrays.get(f"{split}_y"), classes, other)

"""Arrays of numbers from MATLAB 5 files (.mat), packed or not: what the public files of SVHN are.

A file is 128 bytes of header, then elements: a tag (type, length) and the data, padded to 8 bytes. A tag of
one word holds up to 4 bytes of data itself. A packed element is zlib around another; a matrix is four
elements: flags with its class, dimensions, name, and the numbers, column by column, in the smallest type that
holds them. Text, structures, sparse and complex matrices are skipped, as is the newer kind of file (7.3).

Source: MathWorks, "MAT-File Format" (level 5).
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ..core.errors import DataError
from .readers import Arrays

HEADER = 128
MATRIX, PACKED = 14, 15
STORED = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
"""Types of elements that hold numbers."""
CLASSES = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8"}
"""Classes of matrices, as which the numbers are to be read."""
COMPLEX = 0x800


def read_mat(path: Path) -> dict[str, np.ndarray]:
    """The numeric arrays of a file by name, their axes in MATLAB's order.

    Raises `DataError` for a file that is missing, cut short or of another kind.
    """
    try:
        raw = path.read_bytes()
        return dict(_matrices(raw, _order(raw)))
    except FileNotFoundError as error:
        raise DataError(f"there is no file {path}") from error
    except (OSError, ValueError, KeyError, IndexError, MemoryError, zlib.error) as error:
        raise DataError(
            f"{path} is not a MATLAB 5 file, or was cut short ({error}): fetch it again"
        ) from error


def read_svhn(paths: list[Path], split: str) -> Arrays:
    """House numbers (Y. Netzer and others, 2011): images X (32, 32, 3, N) and labels y, where 10 means 0."""
    arrays = read_mat(paths[0])
    x, y = (arrays.get(name, np.empty(0)) for name in ("X", "y"))
    if x.dtype != np.uint8 or x.shape[:-1] != (32, 32, 3) or y.size != x.shape[-1]:
        raise DataError(
            f"{paths[0]} holds X {x.dtype} {x.shape} and y {y.shape}: expected bytes (32, 32, 3, N) and N "
            "labels; fetch it again"
        )
    return Arrays(x.transpose(3, 0, 1, 2), y.reshape(-1).astype(np.int64) % 10, tuple("0123456789"))


def _order(raw: bytes) -> str:
    """Which end of a number comes first, as numpy writes it."""
    mark = raw[HEADER - 2 : HEADER]
    if mark not in (b"IM", b"MI") or 1 not in raw[HEADER - 4 : HEADER - 2]:
        raise ValueError("no header of version 5")
    return "<" if mark == b"IM" else ">"


def _matrices(raw: bytes, order: str) -> Iterator[tuple[str, np.ndarray]]:
    """Name and array of every numeric matrix among the elements of a file."""
    for kind, data in _elements(raw[HEADER:], order):
        inner = _elements(zlib.decompress(data), order) if kind == PACKED else iter([(kind, data)])
        for kind, data in inner:
            if kind == MATRIX and (found := _matrix(data, order)):
                yield found


def _elements(raw: bytes, order: str) -> Iterator[tuple[int, bytes]]:
    """Type and data of the elements that follow one another."""
    place, view = 0, memoryview(raw)
    while place < len(raw):
        kind, size = (int(n) for n in np.frombuffer(view[place : place + 8], f"{order}u4"))
        start, end = place + 8, place + 8 + size
        if kind >> 16:
            kind, size, start, end = kind & 0xFFFF, kind >> 16, place + 4, place + 8
        elif kind != PACKED:
            end += -size % 8
        # The last element may lack its padding.
        if start + size > len(raw):
            raise ValueError(f"an element of {size} bytes, of which {len(raw) - start} are there")
        yield kind, bytes(view[start : start + size])
        place = end


def _matrix(raw: bytes, order: str) -> tuple[str, np.ndarray] | None:
    """Name and array of a matrix; none if it does not hold real numbers."""
    parts = _elements(raw, order)
    flags = int(np.frombuffer(next(parts)[1], f"{order}u4")[0])
    if flags & 0xFF not in CLASSES or flags & COMPLEX:
        return None
    shape = tuple(int(n) for n in np.frombuffer(next(parts)[1], f"{order}i4"))
    name = next(parts)[1].decode("ascii")
    kind, data = next(parts, (0, b""))
    values = np.frombuffer(data, order + STORED[kind])
    if len(values) != math.prod(shape):
        raise ValueError(f"{name} has {len(values)} numbers for {shape}")
    return name, values.astype(CLASSES[flags & 0xFF]).reshape(shape, order="F")

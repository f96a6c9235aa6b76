"""Rows of a data set as they are stored: what a data set asks of them, and rows in memory."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from ..core.errors import DataError


class BrokenRow(DataError):
    """A row that cannot be read; with `skip` another is to be taken in its place."""

    def __init__(self, text: str, row: int, skip: bool) -> None:
        super().__init__(text)
        self.row, self.skip = row, skip


class Rows(Protocol):
    """Rows as stored: uint8 images (H, W) or (H, W, C), or float32 events."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, ...) of all rows as stored."""

    @property
    def is_image(self) -> bool:
        """True for uint8 images."""

    @property
    def names(self) -> tuple[str, ...]:
        """What each row is called, such as its file below the folder; empty where rows only have numbers."""

    def read(self, index: Tensor) -> Tensor:
        """The rows at `index` (B,), as stored."""

    def select(self, index: Tensor) -> Rows:
        """These rows only."""

    def digest(self) -> bytes:
        """A hash of the contents."""


@dataclass(frozen=True, eq=False)
class ArrayRows:
    """Rows in memory: uint8 (N, H, W) or (N, H, W, C), or float32 (N, *event)."""

    values: Tensor
    names: tuple[str, ...] = ()

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, ...)."""
        return tuple(self.values.shape)

    @property
    def is_image(self) -> bool:
        """True for uint8 images."""
        return self.values.dtype == torch.uint8

    def read(self, index: Tensor) -> Tensor:
        """The rows at `index`."""
        return self.values[index]

    def select(self, index: Tensor) -> Rows:
        """These rows only."""
        return ArrayRows(
            self.values[index], tuple(self.names[i] for i in index.tolist()) if self.names else ()
        )

    def digest(self) -> bytes:
        """SHA-256 of the dtype, the shape and the bytes."""
        return digest_of(self.values)


def digest_of(x: Tensor) -> bytes:
    """SHA-256 of the dtype, the shape and the bytes of `x`."""
    digest = hashlib.sha256(f"{x.dtype} {tuple(x.shape)}".encode())
    digest.update(x.contiguous().flatten().numpy().data)
    return digest.digest()

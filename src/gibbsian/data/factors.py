"""Known factors of variation: what each row of a synthetic set was rendered from."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import torch
from torch import Tensor

from ..core.errors import DataError


@dataclass(frozen=True, eq=False)
class Factors:
    """`values` (N, F) int64; column f is the factor `names[f]`, counted from 0 to `sizes[f]` - 1.

    Raises `DataError` if the three do not fit together.
    """

    values: Tensor
    names: tuple[str, ...]
    sizes: tuple[int, ...]

    def __post_init__(self) -> None:
        shape, sizes = tuple(self.values.shape), torch.tensor(self.sizes)
        if (
            self.values.dtype != torch.int64
            or len(shape) != 2
            or not len(self.names) == len(sizes) == shape[1]
        ):
            raise DataError(
                f"factors are {self.values.dtype} of shape {shape} with {len(self.names)} names and "
                f"{len(self.sizes)} sizes: expected int64 (N, F), F names and F sizes"
            )
        if bool(((self.values < 0) | (self.values >= sizes)).any()):
            raise DataError(f"factors leave their ranges of {self.sizes} values from 0")

    def __len__(self) -> int:
        return len(self.values)

    def select(self, index: Tensor) -> Factors:
        """The factors of the rows at `index` (M,)."""
        return Factors(self.values[index], self.names, self.sizes)

    def digest(self) -> bytes:
        """SHA-256 of names, sizes and values."""
        digest = hashlib.sha256(f"{self.names} {self.sizes}".encode())
        digest.update(self.values.contiguous().flatten().numpy().data)
        return digest.digest()

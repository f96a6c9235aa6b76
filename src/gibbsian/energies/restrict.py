"""An energy restricted to the unknown pixels: inpainting as conditioning.

For x = (known, unknown), p(unknown | known) is proportional to exp(-E(known, unknown)) with the known
pixels held exactly. No noise or tolerance is assumed on them; for noisy ones use a `Tether`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..core.energy import Energy
from ..core.errors import UsageError
from ..core.position import Position
from ..core.show import one_line
from .context import Index, aligned, rows, single, take


@dataclass(frozen=True, eq=False)
class Restricted:
    """E(where(mask, known, x)): `energy` as a function of the pixels where the bool `mask` is False.

    The position keeps its full shape `(B, *event)`; `known` and `mask` are `(B, *event)`, or `(1, *event)`
    shared by all chains, and may broadcast inside the event (a mask `(B, 1, H, W)` for all channels).
    The energy does not depend on x at the known pixels: their gradient is exactly 0, chains move them by
    noise alone, and what they hold there is to be ignored. Read results through `impose`, and leave the
    known coordinates out of chain diagnostics. The density of the unknown pixels is not touched by this.
    Raises `UsageError` if the mask is not boolean, or on other shapes.
    """

    energy: Energy
    known: Tensor
    mask: Tensor

    __repr__ = one_line

    def __post_init__(self) -> None:
        if self.mask.dtype != torch.bool:
            raise UsageError(f"mask has dtype {self.mask.dtype}: it must be bool, True at known pixels")

    def __call__(self, x: Position) -> Tensor:
        return self.energy(self.impose(x))

    def impose(self, x: Position) -> Tensor:
        """The full position `(B, *event)`: `known` bit for bit where the mask is True, else `x`.

        Bit for bit holds when `known` has the dtype of `x`; it is converted to it otherwise.
        """
        x = single(x)
        known, mask = aligned(self.known, x, "known"), aligned(self.mask, x, "mask")
        return torch.where(mask, known.to(x.dtype), x)

    def rows(self, index: Index) -> Restricted:
        """The restriction of the chains at `index`."""
        return Restricted(rows(self.energy, index), take(self.known, index), take(self.mask, index))

"""What a start is: it says where chains begin, and takes back where they ended.

    drawn = start.draw(n, rng, batch=batch, y=y)
    ...run the chains from drawn.position...
    start.write(drawn, position)

Starts without memory ignore what is written.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from ..core.errors import UsageError
from ..core.position import Position
from ..core.records import Batch
from ..core.show import one_line


@dataclass(frozen=True, eq=False)
class BufferSample:
    """Where B chains begin.

    Fields:
        position: `(B, *event)`, or a tuple of such leaves, without a graph.
        y: labels of the chains, `(B,)` class numbers or `(B, C)`; None if there are none.
        slots: rows of the start's memory, `(B,)` int64; None without memory.
        restarted: `(B,)` bool, true where the chain begins anew rather than going on from an earlier one.
    """

    position: Position
    y: Tensor | None
    slots: Tensor | None
    restarted: Tensor

    __repr__ = one_line


class Start(Protocol):
    """A place where chains begin."""

    def draw(
        self, n: int, rng: torch.Generator, *, batch: Batch | None = None, y: Tensor | None = None
    ) -> BufferSample:
        """Where `n` chains begin.

        Args:
            n: number of chains.
            rng: the only source of randomness; positions are made on its device.
            batch: the data of the update, for starts that look at them.
            y: labels that the chains should have, `(n,)` class numbers or `(n, C)`; None leaves them open.
        """
        ...

    def write(self, drawn: BufferSample, position: Position) -> None:
        """Give back where drawn chains ended: `position` `(n, *event)` in the order of the draw."""
        ...


def chain_labels(n: int, y: Tensor | None) -> Tensor | None:
    """`y` as it is; raises `UsageError` unless it labels `n` chains."""
    if y is not None and len(y) != n:
        raise UsageError(f"{n} chains were asked for with {len(y)} labels: give one label a chain")
    return y


def all_restarted(n: int, rng: torch.Generator) -> Tensor:
    """The mask `restarted` of a start without memory, `(n,)` on the device of `rng`."""
    return torch.ones(n, dtype=torch.bool, device=rng.device)

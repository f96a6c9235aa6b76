"""What a start is: it hands out positions on a ticket, and takes back where the chains ended.

    ticket = start.draw(n, rng, batch=batch, y=y)
    ...run the chains from ticket.position...
    start.write(ticket, position)

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


@dataclass(frozen=True, eq=False)
class Ticket:
    """Where B chains begin.

    `position` `(B, *event)`, no graph. `y`: labels of the chains, `(B,)` class numbers or `(B, C)`; None
    if there are none. `slots` `(B,)` int64: rows of the start's memory, None without memory. `fresh`
    `(B,)` bool: the chain begins anew here, rather than going on from an earlier one.
    """

    position: Position
    y: Tensor | None
    slots: Tensor | None
    fresh: Tensor


class Start(Protocol):
    """A place where chains begin."""

    def draw(
        self, n: int, rng: torch.Generator, *, batch: Batch | None = None, y: Tensor | None = None
    ) -> Ticket:
        """Begin `n` chains; `batch` is the data of the step, `y` the labels that the chains should have."""
        ...

    def write(self, ticket: Ticket, position: Position) -> None:
        """Give back where the chains of a ticket ended, in the ticket's order."""
        ...


def chain_labels(n: int, y: Tensor | None) -> Tensor | None:
    """`y` as it is; raises `UsageError` unless it labels `n` chains."""
    if y is not None and len(y) != n:
        raise UsageError(f"{n} chains were asked for with {len(y)} labels: give one label a chain")
    return y


def all_fresh(n: int, rng: torch.Generator) -> Tensor:
    """The `fresh` mask of a start without memory, `(n,)` on the device of `rng`."""
    return torch.ones(n, dtype=torch.bool, device=rng.device)

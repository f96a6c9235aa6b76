"""A reservoir of chain ends: an even sample of all that were ever written, however long training runs.

End number t (from 0) fills row t while there is room; later it replaces a row drawn from 0 .. t, if that is
one of the buffer's. After T ends each of them is held with probability capacity / T (Algorithm R: J. Vitter,
ACM TOMS 11, 1985). A replay buffer holds the newest end of each chain; here old ends stay beside the new
ones, so the buffer remembers what the sampler did before.

Source: Y. Du, S. Li, J. Tenenbaum, I. Mordatch, ICML 2021, arXiv 2012.01316, who start 5 % of the chains from
noise (their released code: .1 %). Non-finite ends are never stored and counted in `rejected`. Not assumed:
that every draw is written.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..core.errors import UsageError, require_positive
from ..core.position import Position, finite, where
from ..core.random import RngLike, as_generator
from ..core.records import Batch
from .base import BufferSample, Start
from .slots import SlotBuffer

LOTS = 2**62


class ReservoirBuffer(SlotBuffer):
    """A fixed number of rows for chain ends as module state, empty at first.

    A draw takes distinct rows that no other open draw holds, so that the draws of one update are disjoint;
    where too few ends are stored yet, and with probability `reinit` anywhere else, chains begin at noise.

    Buffers: `stored` (capacity, *event), of which the first `filled` rows mean something; `written` and
    `rejected`, int64 scalars, count the finite and the other ends.

    Args:
        init_noise: the start where chains begin that do not go on from a stored end.
        capacity: number of rows, at least 1.
        rng: a generator, a seed or None, for the one draw that tells the shape of an event.
        reinit: probability in [0, 1] that a chain begins at noise although an end is stored.

    Raises `UsageError` for values out of range.
    """

    kind, places = "a reservoir", "rows"

    def __init__(
        self, init_noise: Start, capacity: int, rng: RngLike = None, *, reinit: float = 0.05
    ) -> None:
        super().__init__(init_noise, capacity, reinit)
        require_positive(capacity=capacity)
        rng = as_generator(rng)
        one = self._single(init_noise.draw(1, rng).position)[0]
        slots = torch.arange(capacity, device=one.device)
        self.written: Tensor
        self.lot: Tensor
        self.register_buffer("stored", one.new_zeros(capacity, *one.shape))
        self.register_buffer("written", torch.zeros((), dtype=torch.int64, device=one.device))
        self.register_buffer("rejected", torch.zeros((), dtype=torch.int64, device=one.device))
        self.register_buffer("held", torch.zeros_like(slots, dtype=torch.bool), persistent=False)
        self.register_buffer("lot", torch.zeros_like(slots), persistent=False)

    @property
    def filled(self) -> int:
        """How many rows hold a chain end; waits for the device."""
        return min(int(self.written), self.capacity)

    def draw(
        self, n: int, rng: RngLike, *, batch: Batch | None = None, y: Tensor | None = None
    ) -> BufferSample:
        """`n` chains, held until `write` or `release`; the lots by which their ends enter are drawn here.

        Raises `UsageError` if fewer rows are free, and for labels, of which this buffer has none.
        """
        rng = as_generator(rng, self.stored.device)
        if y is not None:
            raise UsageError("a reservoir has no labels: leave out y, or use a replay buffer")
        filled = self.filled
        free = self._free(n, rng)
        slots = free[(free >= filled).int().argsort(stable=True)][:n]  # those that hold an end come first
        restarted = (torch.rand(n, generator=rng, device=rng.device) < self.reinit) | (slots >= filled)
        self.lot[slots] = torch.randint(LOTS, (n,), generator=rng, device=rng.device)
        self.held[slots] = True
        position = where(restarted, self.init_noise.draw(n, rng, batch=batch).position, self.stored[slots])
        return BufferSample(position, None, slots, restarted)

    def extra_repr(self) -> str:
        """Rows, their shape and how many ends they stand for, for `repr`."""
        return (
            f"{self.filled} of {self.capacity} rows of shape {tuple(self.stored.shape[1:])}, begun by "
            f"{self.init_noise!r}, {self.reinit:.3g} restart, written {int(self.written)}, "
            f"rejected {int(self.rejected)}"
        )

    @torch.no_grad()
    def write(self, drawn: BufferSample, position: Position) -> None:
        """Let the ends of drawn chains enter, in the order in which they were drawn, and free their rows.

        Raises `UsageError` for a draw that is already closed or a position of another shape.
        """
        slots, x = self._ends(drawn, position)
        good = finite(x)
        self._enter(x[good], self.lot[slots[good]])
        self.rejected += (~good).sum()
        self.held[slots] = False

    def rows(self, n: int, rng: torch.Generator) -> Tensor:
        """`n` distinct stored ends in random order, or all if there are fewer; none of them is held."""
        return self.stored[torch.randperm(self.filled, generator=rng, device=rng.device)[:n]]

    def _enter(self, x: Tensor, lots: Tensor) -> None:
        """One end after the other: where two meet in a row, the later one stays."""
        order = torch.arange(len(x), device=x.device)
        number = self.written + order
        place = torch.where(number < self.capacity, number, lots % (number + 1))
        inside = place < self.capacity
        # Writing to one row twice has no fixed order on a GPU, so the last end of each row is found first.
        last = torch.full_like(self.lot, -1).scatter_reduce(0, place[inside], order[inside], "amax")
        taken = last >= 0
        self.stored[taken] = x[last[taken]].to(self.stored.dtype)
        self.written += len(x)

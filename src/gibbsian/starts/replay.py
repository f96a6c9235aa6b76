"""Persistent chains: a replay buffer from which chains are drawn, and to which they return.

A draw takes distinct slots that no other open draw holds; `write` puts the chains back into those
slots and frees them, `release` frees them without writing. Each drawn chain restarts from noise with
probability `reinit`, independently of the others. The buffer starts filled with noise. Non-finite
chains are never stored: their slots are counted in `rejected` and restart at their next draw.

Sources: T. Tieleman, ICML 2008 (persistent chains); Y. Du and I. Mordatch, NeurIPS 2019, arXiv
1903.08689 (buffer with 5 % restarts, 8-bit storage). Not assumed: that every draw is written.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import torch
from torch import Tensor

from ..core.errors import UsageError, require_positive, unknown
from ..core.position import Position, finite, where
from ..core.random import RngLike, as_generator
from ..core.records import Batch
from .base import BufferSample, Start, chain_labels
from .classes import slots_of_classes
from .slots import SlotBuffer

Labels: TypeAlias = Literal["stored", "batch"]


class ReplayBuffer(SlotBuffer):
    """A fixed number of chains as module state, of which a few are drawn and written back at every update.

    Buffers: `stored` (capacity, *event) of the noise's dtype or uint8, `age` int64 (writes since the last
    restart), `due` bool (restarts at its next draw), `rejected` int64 scalar, and with stored labels
    `label` int64. `.to(dtype)` leaves the integer ones as they are. Open draws are not part of the
    state: loading a state closes them.

    Args:
        init_noise: the start that fills the buffer at construction, and where chains restart: with the
            batch of their draw, if there is one.
        capacity: number of chains, at least 1.
        rng: a generator, a seed or None, for the noise that fills the buffer.
        reinit: probability in [0, 1] that a drawn chain restarts; it may be set between draws.
        uint8: whether numbers of 256 equal bins of `bounds` are stored, a quarter of the memory. A draw
            adds uniform noise inside the bin (U(0, 1/256) on [0, 1]), a write clamps to the bounds.
        bounds: the range of the data, `(low, high)`, which only `uint8` reads.
        classes: number of classes, 0 for unconditional chains.
        labels: "stored": a slot keeps its label, and asking for labels `y` draws chains of those classes,
            so that a chain never changes class (JEM's class ranges); where a class has too few free
            chains, slots of others restart from noise under the label asked for. "batch": labels are `y`
            or the batch's, whatever chain they meet (IGEBM's code).

    Raises `UsageError` for values out of range.
    """

    kind, places = "a replay buffer", "slots"

    def __init__(
        self,
        init_noise: Start,
        capacity: int,
        rng: RngLike = None,
        *,
        reinit: float = 0.05,
        uint8: bool = False,
        bounds: tuple[float, float] = (0.0, 1.0),
        classes: int = 0,
        labels: Labels = "stored",
    ) -> None:
        super().__init__(init_noise, capacity, reinit)
        rng = as_generator(rng)
        require_positive(capacity=capacity, width_of_bounds=bounds[1] - bounds[0])
        if labels not in ("stored", "batch"):
            raise unknown("label policy", labels, ("stored", "batch"))
        self.bounds, self.uint8, self.classes = bounds, uint8, classes
        self.keeps_labels = bool(classes) and labels == "stored"
        self.register_buffer("stored", self._encode(self._single(init_noise.draw(capacity, rng).position)))
        self._register_counters(self.stored.device)

    def draw(
        self, n: int, rng: RngLike, *, batch: Batch | None = None, y: Tensor | None = None
    ) -> BufferSample:
        """`n` chains from distinct free slots, held until `write` or `release`.

        Raises `UsageError` if fewer slots are free, or for labels the buffer cannot serve.
        """
        rng = as_generator(rng, self.stored.device)
        y = self._wanted(n, rng, batch, y)
        free = self._free(n, rng)
        if self.keeps_labels and y is not None:
            slots, relabelled = slots_of_classes(free, self.label, y, self.classes)
        else:
            slots, relabelled = free[:n], torch.zeros(n, dtype=torch.bool, device=free.device)
        restart = torch.rand(n, generator=rng, device=rng.device) < self.reinit
        restart = restart | self.due[slots] | relabelled
        # Noise for all chains, also for those that go on: the stream must not depend on how many restart.
        noise = self.init_noise.draw(n, rng, batch=batch).position
        position = where(restart, noise, self._decode(self.stored[slots], rng))
        self.held[slots] = True
        if self.keeps_labels and y is None:
            y = self.label[slots]
        return BufferSample(position, y, slots, restart)

    @torch.no_grad()
    def write(self, drawn: BufferSample, position: Position) -> None:
        """Store where drawn chains ended, in the order in which they were drawn, and free their slots.

        A non-finite chain is left out and its slot restarts at its next draw. Raises `UsageError` for a
        draw that is already closed or a position of another shape.
        """
        slots, x = self._ends(drawn, position)
        good = finite(x)
        kept = slots[good]
        self.stored[kept] = self._encode(x[good]).to(self.stored.dtype)
        self.age[slots] = torch.where(drawn.restarted, 0, self.age[slots]) + 1
        self.age[slots[~good]] = 0
        # Until then the slot keeps its last finite chain, for pictures and measures.
        self.due[slots] = ~good
        self.rejected += (~good).sum()
        if self.keeps_labels and drawn.y is not None:
            self.label[slots] = drawn.y
        self.held[slots] = False

    def contents(self, slots: Tensor | slice = slice(None)) -> tuple[Tensor, Tensor | None]:
        """Stored positions (bin centres if uint8) and labels, as they lie, for pictures and measures."""
        x = self._from_bins(self.stored[slots] + 0.5) if self.uint8 else self.stored[slots].clone()
        return x, self.label[slots].clone() if self.keeps_labels else None

    def extra_repr(self) -> str:
        """Chains, their shape and age, for `repr`."""
        old = f"{float(self.age.float().mean()):.3g} (most {int(self.age.max())})"
        kept = " in 8 bits" if self.uint8 else ""
        labelled = f", {self.classes} classes" if self.classes else ""
        return (
            f"{self.capacity} chains of shape {tuple(self.stored.shape[1:])}{kept}{labelled}, begun by "
            f"{self.init_noise!r}, {self.reinit:.3g} restart, mean age {old}, rejected {int(self.rejected)}"
        )

    def _register_counters(self, device: torch.device) -> None:
        slots = torch.arange(self.capacity, device=device)
        self.register_buffer("age", torch.zeros_like(slots))
        self.register_buffer("due", torch.zeros_like(slots, dtype=torch.bool))
        self.register_buffer("rejected", torch.zeros((), dtype=torch.int64, device=device))
        # Not saved: a checkpoint is made between updates, when no draw is open.
        self.register_buffer("held", torch.zeros_like(slots, dtype=torch.bool), persistent=False)
        if self.keeps_labels:
            self.register_buffer("label", slots % self.classes)
        self.age: Tensor
        self.due: Tensor
        self.label: Tensor

    def _wanted(self, n: int, rng: torch.Generator, batch: Batch | None, y: Tensor | None) -> Tensor | None:
        if not self.classes:
            if y is not None:
                raise UsageError("labels were asked of a buffer without classes: leave out y, or set classes")
            return None
        if y is None and not self.keeps_labels:
            if batch is None or batch.y is None:
                return torch.randint(self.classes, (n,), generator=rng, device=rng.device)
            y = batch.y[:n]
        if y is not None and self.keeps_labels:
            self._check_classes(y)
        return chain_labels(n, y)

    def _check_classes(self, y: Tensor) -> None:
        if y.is_floating_point():
            raise UsageError("stored labels are class numbers: for soft ones use labels 'batch'")
        if len(y) and not 0 <= int(y.min()) <= int(y.max()) < self.classes:
            raise UsageError(f"labels run from {int(y.min())} to {int(y.max())}: use 0 to {self.classes - 1}")

    def _encode(self, x: Tensor) -> Tensor:
        if not self.uint8:
            return x
        low, high = self.bounds
        return ((x - low) * (256 / (high - low))).floor().clamp(0, 255).to(torch.uint8)

    def _decode(self, stored: Tensor, rng: torch.Generator) -> Tensor:
        if not self.uint8:
            return stored
        return self._from_bins(stored + torch.rand(stored.shape, generator=rng, device=rng.device))

    def _from_bins(self, bins: Tensor) -> Tensor:
        low, high = self.bounds
        return low + bins * ((high - low) / 256)

"""What buffers of chains share: slots that open draws hold, and the noise where chains begin."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ..core.errors import UsageError
from ..core.position import Position
from .base import BufferSample, Start


class SlotBuffer(nn.Module):
    """Chains `stored` (capacity, *event) as module state; a draw holds its slots until it is closed.

    Open draws are no part of the state: loading a state closes them. Raises `UsageError` for a `reinit`
    outside [0, 1].
    """

    kind: ClassVar[str]
    places: ClassVar[str]
    stored: Tensor
    held: Tensor
    rejected: Tensor

    def __init__(self, init_noise: Start, capacity: int, reinit: float) -> None:
        super().__init__()
        if not 0 <= reinit <= 1:
            raise UsageError(f"reinit is {reinit}: a probability lies in [0, 1]; papers use .05")
        self.init_noise, self.capacity, self.reinit = init_noise, capacity, reinit
        self.register_load_state_dict_post_hook(_free_all_slots)

    def release(self, drawn: BufferSample) -> None:
        """Free the slots of a draw without writing; raises `UsageError` if it is already closed."""
        self.held[self._open(drawn)] = False

    def _single(self, position: Position) -> Tensor:
        if isinstance(position, tuple):
            raise UsageError(f"{self.kind} holds one tensor: use one start for each part of a tuple position")
        return position

    def _free(self, n: int, rng: torch.Generator) -> Tensor:
        """All free slots in random order, `n` of them at least."""
        order = torch.randperm(self.capacity, generator=rng, device=rng.device)
        free = order[~self.held[order]]
        if n > len(free):
            raise UsageError(
                f"{n} chains from a buffer of {self.capacity} with {len(free)} free {self.places}: draw "
                "fewer, enlarge the buffer, or write or release the open draws first"
            )
        return free

    def _open(self, drawn: BufferSample) -> Tensor:
        if drawn.slots is None or not bool(self.held[drawn.slots].all()):
            raise UsageError(
                "the draw is not open in this buffer: write or release it once, in its own buffer"
            )
        return drawn.slots

    def _ends(self, drawn: BufferSample, position: Position) -> tuple[Tensor, Tensor]:
        """The slots of an open draw and where its chains ended."""
        slots, x = self._open(drawn), self._single(position)
        if x.shape != (len(slots), *self.stored.shape[1:]):
            raise UsageError(
                f"chains of shape {tuple(x.shape)} were written for a draw of {len(slots)} of "
                f"{tuple(self.stored.shape[1:])}: write all chains of the draw, in its order"
            )
        return slots, x


def _free_all_slots(buffer: Any, keys: Any) -> None:
    """After loading a state no draw is open."""
    buffer.held.zero_()

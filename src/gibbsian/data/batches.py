"""Endless batches from a data set, reshuffled every epoch, with a state that resumes bit for bit.

An epoch visits every row once; a batch that meets the end of one is filled from the next, so all
batches have one size. The state is the current order and the place in it; the generator is the
caller's stream `data` and is saved with the other streams.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from ..core.errors import CheckpointError, DataError, require_positive
from ..core.position import expand
from ..core.records import Batch
from ..core.spec import DataSpec
from .dataset import Dataset


class Batches:
    """Batches of `batch_size` rows without end.

    `rng` is a CPU generator. `flip` mirrors each image left to right with probability 1/2 (with its
    condition, if that is an image). `spec` is that of a model: with conditions, these come as `y`, their
    blocks left out (zeros) with the probability that it says. `epoch` counts the epochs begun.
    """

    def __init__(
        self,
        dataset: Dataset,
        batch_size: int,
        rng: torch.Generator,
        *,
        flip: bool = False,
        spec: DataSpec | None = None,
    ) -> None:
        require_positive(batch_size=batch_size)
        self.condition = spec.condition if spec else ()
        self.dropout = spec.condition_dropout if spec else 0.0
        self.dataset = dataset
        self.batch_size = batch_size
        self.rng = rng
        self.flip = flip
        self.epoch = 0
        self._order = torch.empty(0, dtype=torch.long)
        self._place = 0

    def next(self, low: float = -1.0, high: float = 1.0) -> Batch:
        """The next batch, images in [low, high]; a `DataError` leaves the place where it was."""
        before = self._order, self._place, self.epoch, self.rng.get_state()
        try:
            batch = self.dataset.batch(self._next_index(), low, high)
        except DataError:
            self._order, self._place, self.epoch = before[:3]
            self.rng.set_state(before[3])
            raise
        batch = self._flipped(batch) if self.flip and self.dataset.is_image else batch
        return replace(batch, y=self._left_out(batch.cond)) if self.condition else batch

    def state_dict(self) -> dict[str, Tensor]:
        """Tensors only: the order of this epoch (N,), the place in it, the number of epochs begun."""
        return {
            "order": self._order,
            "place": torch.tensor(self._place),
            "epoch": torch.tensor(self.epoch),
        }

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Go on from a saved place; raises `CheckpointError` if the data set has another length."""
        order = state["order"]
        if len(order) not in (0, len(self.dataset)):
            raise CheckpointError(
                f"the saved data position is for {len(order)} rows, but {self.dataset.name} has "
                f"{len(self.dataset)}: resume with the data set that the run was started with"
            )
        self._order = order
        self._place = int(state["place"])
        self.epoch = int(state["epoch"])

    def _next_index(self) -> Tensor:
        """The next `batch_size` row numbers, across the end of an epoch where need be."""
        parts: list[Tensor] = []
        missing = self.batch_size
        while missing:
            if self._place == len(self._order):
                self._order = torch.randperm(len(self.dataset), generator=self.rng)
                self._place = 0
                self.epoch += 1
            piece = self._order[self._place : self._place + missing]
            self._place += len(piece)
            missing -= len(piece)
            parts.append(piece)
        return torch.cat(parts)

    def _left_out(self, cond: Tensor | None) -> Tensor | None:
        """Conditions `(B, D)` some blocks of which are zeros."""
        if cond is None or not self.dropout:
            return cond
        kept = torch.rand(len(cond), len(self.condition), generator=self.rng) >= self.dropout
        return cond * kept.repeat_interleave(torch.tensor(self.condition), dim=1)

    def _flipped(self, batch: Batch) -> Batch:
        mirror = torch.rand(len(batch), generator=self.rng) < 0.5
        cond = batch.cond
        if cond is not None and cond.dim() == 4:
            cond = _mirrored(cond, mirror)
        return Batch(_mirrored(batch.x, mirror), batch.y, cond, batch.index)


def _mirrored(x: Tensor, mirror: Tensor) -> Tensor:
    """`x` (B, C, H, W) with the rows where `mirror` (B,) is true reversed in W."""
    return torch.where(expand(mirror, x), x.flip(-1), x)

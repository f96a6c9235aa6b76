"""Chain strips: some chains of a sampler at a few times, one chain a row, to see how it travels."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from PIL import Image
from torch import Tensor

from ..core.errors import UsageError
from ..core.position import Position, rows
from ..mcmc.reports import ChainInfo
from ..mcmc.state import ChainState
from ..models.model import EnergyModel
from ..models.sampler import Sampler, Stages, WrappedSampler, next_stage
from ..report.pictures import beside
from .film import decoded, painter

SHOWN, KEPT = 6, 128


class Strip(WrappedSampler):
    """Keeps the first `n` chains of a sampler at some times: hand it and its `observe` to `draw_samples`.

    Steps are counted over all stages of the first chunk of chains. Without `times` the length of the chain
    need not be known: up to 128 positions are kept (when there are more, every second is dropped and the
    stride doubles), and the strip shows six of them, as evenly spaced as they allow, start and end included.
    With `every` it shows every so many steps, start and end included.

    Raises `UsageError` for n below 1 and times that do not rise; its `picture` for times that the chain does
    not reach, and for data that have no picture.
    """

    def __init__(
        self,
        inner: Sampler,
        n: int,
        times: Sequence[int] | None = None,
        *,
        every: int | None = None,
    ) -> None:
        if n < 1:
            raise UsageError(f"a strip of {n} chains: it must have at least 1")
        if every is not None and every < 1:
            raise UsageError(f"a strip of every {every} steps: it must be at least 1")
        if times is not None and not _rising(times):
            raise UsageError(f"times of a strip are {tuple(times)}: they must rise, from 0 or later")
        super().__init__(inner)
        self.n, self.every = n, every
        self.times = None if times is None else tuple(times)
        self.kept: dict[int, Position] = {}
        self._last: Position | None = None
        self._chunk, self._made, self._stride = 0, 0, every or 1

    def stages(
        self, n: int, rng: torch.Generator, *, y: Tensor | None = None, steps: int | None = None
    ) -> Stages:
        """The stages themselves, their start noted."""
        self._chunk += 1
        stages = self.make(n, rng, y=y, steps=steps)
        stage = next(stages, None)
        if stage is not None and self._chunk == 1:
            self._see(stage.position)
        while stage is not None:
            stage = next_stage(stages, (yield stage))

    def observe(self, step: int, state: ChainState, info: ChainInfo) -> None:
        """Called after every step of every stage."""
        if self._chunk == 1:
            self._made += 1
            self._see(state.position)

    def picture(self, model: EnergyModel) -> Image.Image:
        """The strip; raises `UsageError` if a time was not reached or the data have no picture."""
        shown = self.shown()
        data = decoded(model, list(shown.values()), self.n)
        paint = painter(model, data[-1], columns=1)
        return beside([paint(x) for x in data], [f"t = {t}" for t in shown])

    def shown(self) -> dict[int, Position]:
        """The positions of the strip by time."""
        if self.times is None:
            assert self._last is not None
            known = {**self.kept, self._made: self._last}
            if self.every is not None:
                return known
            return {t: known[t] for t in _spread(list(known), SHOWN)}
        missed = [t for t in self.times if t not in self.kept]
        if missed:
            raise UsageError(
                f"the chain ended after {self._made} steps, without a position at {missed[0]}: "
                "ask for earlier times"
            )
        return {t: self.kept[t] for t in self.times}

    def _see(self, x: Position) -> None:
        self._last = rows(x, slice(0, self.n))
        if self._made in self.times if self.times is not None else self._made % self._stride == 0:
            self.kept[self._made] = self._last
        if self.times is None and self.every is None and len(self.kept) > KEPT:
            self._stride *= 2
            self.kept = {t: x for t, x in self.kept.items() if t % self._stride == 0}


def _rising(times: Sequence[int]) -> bool:
    return bool(times) and times[0] >= 0 and all(a < b for a, b in zip(times, times[1:], strict=False))


def _spread(times: list[int], count: int) -> list[int]:
    """The `count` >= 2 of rising `times`, or fewer, that are nearest to an even spacing; both ends are in."""
    even = (times[-1] * k / (count - 1) for k in range(count))
    return sorted({min(times, key=lambda t: abs(t - goal)) for goal in even})

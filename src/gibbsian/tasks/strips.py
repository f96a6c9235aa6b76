"""Chain strips: some chains of a sampler at a few times, one chain a row, to see how it travels."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from PIL import Image
from torch import Tensor

from ..core.errors import UsageError
from ..core.position import Position, rows
from ..mcmc.state import ChainInfo, ChainState
from ..report.pictures import beside
from ..systems.base import Plan, System, advance, sample
from .film import decoded, painter

TIMES = (0, 20, 40, 60, 80, 100)
SHOWN, KEPT = 6, 128


def strip(
    system: System,
    n: int,
    times: Sequence[int] = TIMES,
    *,
    rng: torch.Generator,
    plan: Callable[..., Plan] | None = None,
    y: Tensor | None = None,
) -> Image.Image:
    """`n` chains at `times`, labelled above: for images a row a chain and a column a time, for points of the
    plane all chains on their energy, a column a time.

    Args:
        times: steps made, counted over all legs, rising from 0 (the start) or later; the chain has as many
            steps as the last one says, if its plan lets itself be told.
        plan: another plan than the system's own, such as `system.drawn_by(...)` of a latent system.
        y: classes `(n,)` of a conditional model.

    Raises:
        UsageError: for n below 1, times that do not rise or that the chain does not reach, and data that have
            no picture.
    """
    watched = Strip(plan or system.plan, n, times)
    sample(
        system,
        n,
        rng=rng,
        y=y,
        steps=times[-1] or None,
        chunk=n,
        plan=watched.planned,
        observe=watched.observe,
    )
    return watched.picture(system)


def stage_strip(
    system: System, n: int, *, rng: torch.Generator, plan: Callable[..., Plan] | None = None
) -> Image.Image:
    """`n` chains at the end of every leg of their plan, a column a leg, such as the image sizes of a
    coarse-to-fine model, all enlarged to that of the data.

    Raises `UsageError` for n below 1 and data that have no picture.
    """
    if n < 1:
        raise UsageError(f"a strip of {n} chains: it must have at least 1")
    drawn = sample(system, n, rng=rng, chunk=n, plan=plan)
    ends = [chain.position for chain in drawn.chains]
    data = decoded(system, ends, n)
    paint = painter(system, data[-1], columns=1)
    return beside([paint(x) for x in data], [_measure(x, k) for k, x in enumerate(ends, 1)])


def step_strip(
    system: System,
    n: int,
    every: int = 1,
    *,
    rng: torch.Generator,
    plan: Callable[..., Plan] | None = None,
    steps: int | None = None,
) -> Image.Image:
    """`n` chains at their start, at every `every`-th step over all legs, and at their end, a column a time.

    Raises `UsageError` for n or `every` below 1 and data that have no picture.
    """
    watched = Strip(plan or system.plan, n, every=every)
    sample(system, n, rng=rng, steps=steps, chunk=n, plan=watched.planned, observe=watched.observe)
    return watched.picture(system)


class Strip:
    """Keeps the first `n` chains at some times: hand `planned` and `observe` to `systems.base.sample`.

    Steps are counted over all legs of the first chunk of chains. Without `times` the length of the chain need
    not be known: up to 128 positions are kept (when there are more, every second is dropped and the stride
    doubles), and the strip shows six of them, as evenly spaced as they allow, start and end included. With
    `every` it shows every so many steps, start and end included.

    Raises `UsageError` as `strip` does.
    """

    def __init__(
        self,
        plan: Callable[..., Plan],
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
        self.plan, self.n, self.every = plan, n, every
        self.times = None if times is None else tuple(times)
        self.kept: dict[int, Position] = {}
        self._last: Position | None = None
        self._chunk, self._made, self._stride = 0, 0, every or 1

    def planned(
        self, n: int, rng: torch.Generator, *, y: Tensor | None = None, steps: int | None = None
    ) -> Plan:
        """The plan itself, its start noted."""
        self._chunk += 1
        legs = self.plan(n, rng, y=y, steps=steps)
        leg = next(legs, None)
        if leg is not None and self._chunk == 1:
            self._see(leg.position)
        while leg is not None:
            leg = advance(legs, (yield leg))

    def observe(self, step: int, state: ChainState, info: ChainInfo) -> None:
        """Called after every step of every leg."""
        if self._chunk == 1:
            self._made += 1
            self._see(state.position)

    def picture(self, system: System) -> Image.Image:
        """The strip; raises `UsageError` if a time was not reached or the data have no picture."""
        shown = self.shown()
        data = decoded(system, list(shown.values()), self.n)
        paint = painter(system, data[-1], columns=1)
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


def _measure(x: Position, leg: int) -> str:
    """What a column of `stage_strip` shows: the size of images, else the number of the leg."""
    return f"{x.shape[2]}x{x.shape[3]}" if isinstance(x, Tensor) and x.dim() == 4 else f"leg {leg}"


def _rising(times: Sequence[int]) -> bool:
    return bool(times) and times[0] >= 0 and all(a < b for a, b in zip(times, times[1:], strict=False))


def _spread(times: list[int], count: int) -> list[int]:
    """The `count` >= 2 of rising `times`, or fewer, that are nearest to an even spacing; both ends are in."""
    even = (times[-1] * k / (count - 1) for k in range(count))
    return sorted({min(times, key=lambda t: abs(t - goal)) for goal in even})

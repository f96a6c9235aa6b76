"""A budget of time that keeps the shape of its recipe.

A recipe is `whole` updates in parts, such as a base and then the energy on it; `position` is how much of it
is done. Where the time pays for another number, every setting that counts updates goes with it: an update
moves the position by more or less than 1, and learners read it by `Learner.planned`. What an update costs in
each part is measured before, so that the time left is divided as the recipe's updates would divide it, and
divided anew as the pace changes: other work on the machine comes and goes, and the last part comes all the
same.
"""

from __future__ import annotations

import sys
import time
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import pairwise
from statistics import median
from typing import Any

from ..core.errors import UsageError

SOONEST, FEW, DUE = 10, 3, 0.1
"""Updates before the first estimate, before one where a part ends, and the share of the time left between two
elsewhere."""


def scaled(settings: Mapping[str, Any], factor: float) -> dict[str, Any]:
    """Settings that count updates, times `factor`: at least 1, and in lists entry for entry.

    >>> scaled({"freeze_base_at": 20_000, "stages.fade": (3, 1)}, 0.25)
    {'freeze_base_at': 5000, 'stages.fade': (1, 1)}
    """
    return {name: _times(value, factor) for name, value in settings.items()}


def told(settings: Mapping[str, Any], factor: float) -> str:
    """What becomes of settings that count updates, in words."""
    changed = [
        f"{k} {_word(v)} -> {_word(new)}" for k, v in settings.items() if (new := _times(v, factor)) != v
    ]
    return f", and so of what counts them: {', '.join(changed)}" if changed else ""


def _times(value: Any, factor: float) -> Any:
    if isinstance(value, (tuple, list)):
        return type(value)(_times(n, factor) for n in value)
    return max(round(value * factor), 1) if value else value


def _word(value: Any) -> str:
    return str(list(value)) if isinstance(value, tuple) else str(value)


class Budget:
    """`minutes` from now (None for no limit); raises `UsageError` unless positive.

    `milestones` are the positions at which parts of the recipe begin, and `costs` what an update takes in
    each part, relative to each other.
    """

    def __init__(
        self,
        minutes: float | None,
        step: int = 0,
        milestones: Sequence[int] = (),
        costs: Sequence[float] = (),
    ) -> None:
        if minutes is not None and not 0 < minutes < float("inf"):
            raise UsageError(f"minutes is {minutes}: it must be a positive number")
        self.minutes, self.milestones, self.costs = minutes, milestones, costs
        self.begun = time.monotonic()
        self.restart(step)

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.begun

    @property
    def left(self) -> float:
        """Seconds to go, infinite without a limit."""
        return float("inf") if self.minutes is None else 60 * self.minutes - self.seconds

    def restart(self, step: int) -> None:
        """Count anew from `step`, to which a rollback has led or at which a part begins: the updates before
        it say nothing of the pace."""
        self._mark, self._place, self._part = (step, time.monotonic()), 0.0, 0
        self._first: list[float] | None = [time.monotonic()]
        self._due, self._soonest = DUE * self.left, step + SOONEST

    def estimate(self, step: int, position: float, whole: float) -> int | None:
        """The step at which the time will be up, if what is left of the recipe is spread over the time left,
        by the pace since the last estimate; None between estimates.

        One is also made before a part ends, which may have been planned by a pace of long ago.
        """
        if self.minutes is None:
            return None
        part = bisect_right(self.milestones, position)
        if part != self._part:
            self.restart(step)
            self._part, self._place = part, position
        made, spent = step - self._mark[0], time.monotonic() - self._mark[1]
        if self._first is not None and made:
            self._first.append(time.monotonic())
        if not made or (spent < self._due and step < self._soonest and not self._ends(position, made)):
            return None
        self._mark, self._place = (step, time.monotonic()), position
        self._due, self._soonest = DUE * self.left, sys.maxsize
        seconds = self._pace(spent / made)
        return self.reach(step, position, whole, max(seconds, 1e-9))

    def _pace(self, mean: float) -> float:
        """Seconds of an update: their median at first, as some of the first wait for memory and files."""
        if self._first is None:
            return mean
        found, self._first = median(b - a for a, b in pairwise(self._first)), None
        return found

    def _ends(self, position: float, made: int) -> bool:
        """Whether the part may end with the next update, and there were enough for an estimate."""
        part = bisect_right(self.milestones, position)
        pace = (position - self._place) / made
        return made >= FEW and part < len(self.milestones) and position + pace >= self.milestones[part]

    def reach(self, step: int, position: float, whole: float, seconds: float) -> int:
        """The step at which the time will be up where an update takes so many `seconds` now."""
        return step + int(max(self.left, 0.0) / seconds * self._thrift(position, whole))

    def _thrift(self, position: float, whole: float) -> float:
        """What an update costs now, over its mean in all that is left of the recipe."""
        marks = [position, *(m for m in self.milestones if position < m < whole), whole]
        lengths = [b - a for a, b in pairwise(marks)]
        part = bisect_right(self.milestones, position)
        costs = self.costs[part : part + len(lengths)]
        if len(costs) < len(lengths) or whole <= position:
            return 1.0
        return costs[0] * (whole - position) / sum(n * c for n, c in zip(lengths, costs, strict=True))

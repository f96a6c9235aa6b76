"""A budget of time, turned into a number of updates after the first few, and anew as the pace changes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from operator import attrgetter
from typing import Any

from ..core.errors import UsageError

SOONEST = 10
"""Updates before the first estimate."""


def rescaled(config: object, step_counted: Sequence[str], factor: float) -> dict[str, Any]:
    """The settings of `config` that count updates, times `factor`; those that are 0 stay out.

    >>> from gibbsian.models.gebm.config import GEBMConfig
    >>> rescaled(GEBMConfig(freeze_base_at=20_000), ["freeze_base_at"], 2.5)
    {'freeze_base_at': 50000}
    """
    values = {name: attrgetter(name)(config) for name in step_counted}
    return {
        name: tuple(round(n * factor) for n in value) if isinstance(value, tuple) else round(value * factor)
        for name, value in values.items()
        if value
    }


def advice(config: object, step_counted: Sequence[str], total: int, own: int) -> str:
    """How to divide `total` updates as a recipe does its `own`; empty where it makes little difference."""
    asked = rescaled(config, step_counted, total / own) if own else {}
    if not asked or abs(total - own) <= 0.25 * own:
        return ""
    options = " ".join(f"--{name} {_shell_word(value)}" for name, value in asked.items())
    return f", {total / own:.2g} times the recipe's: {options} would divide them as it does"


def _shell_word(value: int | tuple[int, ...]) -> str:
    return f"'{list(value)}'" if isinstance(value, tuple) else str(value)


class Budget:
    """`minutes` from now (None for no limit); raises `UsageError` unless positive.

    `first` is the step at which the run begins or goes on; at each of `milestones` the pace may change.
    """

    def __init__(self, minutes: float | None, first: int, milestones: tuple[int, ...] = ()) -> None:
        if minutes is not None and not 0 < minutes < float("inf"):
            raise UsageError(f"minutes is {minutes}: it must be a positive number")
        self.minutes, self.milestones = minutes, milestones
        self.begun = time.monotonic()
        self._first, self._next, self._mark = first, first + SOONEST, (first, 0.0)

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.begun

    @property
    def over(self) -> bool:
        """Whether the time is up."""
        return self.minutes is not None and self.seconds > 60 * self.minutes

    def restart(self, step: int) -> None:
        """Count anew from `step`, which is a milestone or to which a rollback has led: the updates before it
        say nothing of the pace."""
        self._first, self._next, self._mark = step, step + SOONEST, (step, self.seconds)

    def estimate(self, step: int) -> int | None:
        """The step at which the time will be up, by the pace since the last estimate; None between estimates.

        They come 10, 100 and 1,000 updates after the start and after every milestone (the first updates of
        adversarial training may be of one kind only), then each half as far again as the one before: other
        work on the machine comes and goes.
        """
        if self.minutes is None:
            return None
        if step in self.milestones:
            self.restart(step)
        if step < self._next:
            return None
        now = self.seconds
        pace = (step - self._mark[0]) / (now - self._mark[1])
        made = step - self._first
        self._mark, self._next = (step, now), self._first + (made * 10 if made < 1000 else made * 3 // 2)
        return step + max(int(pace * (60 * self.minutes - now)), 0)

"""A budget of time, turned into a number of updates after the first few, and anew as the pace settles."""

from __future__ import annotations

import time

from ..core.errors import UsageError

MARKS = (10, 100, 1000)


class Budget:
    """`minutes` from now (None for no limit); raises `UsageError` unless positive.

    `first` is the step at which the run begins or goes on; at each of `stages` the pace may change.
    """

    def __init__(self, minutes: float | None, first: int, stages: tuple[int, ...] = ()) -> None:
        if minutes is not None and not 0 < minutes < float("inf"):
            raise UsageError(f"minutes is {minutes}: it must be a positive number")
        self.minutes, self.stages = minutes, stages
        self.begun = time.monotonic()
        self._mark = (first, 0.0)

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.begun

    @property
    def over(self) -> bool:
        """Whether the time is up."""
        return self.minutes is not None and self.seconds > 60 * self.minutes

    def restart(self, step: int) -> None:
        """Count anew from `step`, to which a rollback has led: the updates lost say nothing of the pace."""
        self._mark = (step, self.seconds)

    def estimate(self, step: int) -> int | None:
        """The step at which the time will be up, told 10, 100 and 1,000 updates after the start and after
        that of a stage: the first updates of adversarial training may be of one kind only. None at other
        times.
        """
        if self.minutes is None:
            return None
        if step in self.stages:
            self._mark = (step, self.seconds)
        made = step - self._mark[0]
        if made not in MARKS:
            return None
        now = self.seconds
        pace = made / (now - self._mark[1])
        return step + max(int(pace * (60 * self.minutes - now)), 0)

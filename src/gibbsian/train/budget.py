"""A budget of time, turned into a number of updates after the first few."""

from __future__ import annotations

import time

from ..core.errors import UsageError

WARM_UP = 10


class Budget:
    """`minutes` from now (None for no limit); raises `UsageError` unless positive.

    `first` is the step at which the run begins or goes on.
    """

    def __init__(self, minutes: float | None, first: int) -> None:
        if minutes is not None and not 0 < minutes < float("inf"):
            raise UsageError(f"minutes is {minutes}: it must be a positive number")
        self.minutes, self.first = minutes, first
        self.begun = time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.begun

    @property
    def over(self) -> bool:
        """Whether the time is up."""
        return self.minutes is not None and self.seconds > 60 * self.minutes

    def estimate(self, step: int) -> int | None:
        """The step at which the time will be up, told when ten updates are made; None at other times."""
        made = step - self.first
        if self.minutes is None or made != WARM_UP:
            return None
        return self.first + max(int(made / self.seconds * self.minutes * 60), made)

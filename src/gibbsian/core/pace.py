"""Lines of progress for queued jobs, notebooks and log files, where no bar can be shown. No torch."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

EVERY = 10.0
"""Seconds between lines, at least."""


def to_stderr(text: str) -> None:
    """A line for people while work goes on."""
    print(text, file=sys.stderr, flush=True)


class Pace:
    """Call it with (done, total, note) at any pace: now and then it says how far, how fast and how long.

    `say` takes a line, `first` is what was done before, such as by a run that goes on. Counts may begin anew,
    as those of chains in parts do; how long the whole takes is then not told. It stops after `most` seconds.
    """

    def __init__(
        self,
        what: str,
        unit: str = "step",
        say: Callable[[str], None] = to_stderr,
        first: int = 0,
        most: float = float("inf"),
    ) -> None:
        self.what, self.unit, self.say, self.most = what, unit, say, most
        self.earlier, self.last, self.parts = -first, first, 0
        self.begun = self.told = time.monotonic()

    def __call__(self, done: int, total: int, note: str = "") -> None:
        """Say a line if one is due."""
        if done < self.last:
            self.earlier, self.parts = self.earlier + self.last, self.parts + 1
        now, self.last = time.monotonic(), done
        if now - self.told < EVERY:
            return
        self.told = now
        rate = (self.earlier + done) / max(now - self.begun, 1e-9)
        rest = min((total - done) / (rate or 1), max(self.most - (now - self.begun), 0))
        left = f", {_duration(rest)} left" if rate > 0 and total > done and not self.parts else ""
        speed = f"{rate:.3g} {self.unit}s/s" if rate >= 1 or not rate else f"{1 / rate:.3g} s/{self.unit}"
        told = f"{done:,} of {total:,} {self.unit}s, {speed}{left}"
        self.say(f"{self.what}: {told}{f', {note}' if note else ''}")


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"

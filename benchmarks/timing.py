"""Times of several calls that compete in one run, and what may be said of them.

The calls take turns, each once a round, and the order is rotated from round to round, so that a machine
that slows down or speeds up meanwhile does so for all of them. Wall-clock seconds.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Call = Callable[[], Any]


@dataclass(frozen=True)
class Spread:
    """A middle value with the least and the greatest one."""

    median: float
    low: float
    high: float


def seconds(call: Call, wait: Call = lambda: None) -> float:
    """Seconds that one call takes, with the work it leaves behind: `wait` returns when the device is idle."""
    wait()
    began = time.perf_counter()
    call()
    wait()
    return time.perf_counter() - began


def interleave(calls: Mapping[str, Call], rounds: int, wait: Call = lambda: None) -> dict[str, list[float]]:
    """Seconds of every call in each of `rounds` rounds. Warm the calls up before."""
    names = list(calls)
    taken: dict[str, list[float]] = {name: [] for name in names}
    for k in range(rounds):
        first = k % len(names) if names else 0
        for name in names[first:] + names[:first]:
            taken[name].append(seconds(calls[name], wait))
    return taken


def spread(values: Sequence[float]) -> Spread:
    """Median, least and greatest of at least one value."""
    return Spread(statistics.median(values), min(values), max(values))


def ratio(slow: Sequence[float], fast: Sequence[float]) -> Spread:
    """How many times as long `slow` takes as `fast`: the ratio of their medians, and the least and the
    greatest ratio within one round. Both hold one value a round, in the order of the rounds."""
    each = [a / b for a, b in zip(slow, fast, strict=True)]
    return Spread(statistics.median(slow) / statistics.median(fast), min(each), max(each))

"""Whether compiling a chain will pay: what it costs and saves, as measured on this machine.

A graph takes seconds to make and saves part of every later step. For each kind of chain (kernel, network,
shapes, threads) a record keeps the seconds of an eager step, of a compiled one, and of the start; records
outlive the process in `compile.json` in the cache folder. Compiling pays when

    (eager - compiled) * steps > start,    steps = max(those left in this run, those already made),

the second because chains that have run for a while, as in training, tend to run as long again: so never
more than about twice the best possible time is spent. What is not yet measured is guessed (`GUESS`). A chain
that needs a new graph again and again (a step size of HMC that changes) must earn all of its starts so.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import platform
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from ..core.files import write_whole
from ..data.places import cache_folder


@dataclass
class Record:
    """Seconds of an eager step, of a compiled step, and of the start; None where not yet measured."""

    eager: float | None = None
    compiled: float | None = None
    start: float | None = None


GUESS = Record(compiled=0.6, start=30.0)  # the first as a share of an eager step
WORTH = 0.9  # a graph that saves less than a tenth is not used again
ENOUGH = 5  # eager steps before their time is believed
KEPT = 1000  # records on the disk, the latest ones


class Patience:
    """Seconds that chains of compile="auto" ran in this process before the compiler was loaded.

    Loading takes two seconds, so nothing is loaded for jobs of less than one.
    """

    LIMIT = 1.0

    def __init__(self) -> None:
        self.spent, self.since = 0.0, time.perf_counter()

    def begin(self) -> None:
        """A run begins."""
        self.since = time.perf_counter()

    def over(self) -> bool:
        """Whether this run and those before have taken a second; to be asked at each step."""
        now = time.perf_counter()
        self.spent, self.since = self.spent + now - self.since, now
        return self.spent > self.LIMIT


class Payoff:
    """The decision for one kind of chain, with its record.

    Times are the least of this process: the first step of a process may take a hundred times as long.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.record = _load().get(name, Record())
        self.eager, self.compiled = Least(), Least()
        self.starts, self.spent = 0, 0.0

    def eager_step(self, seconds: float) -> None:
        """Note an eager step."""
        least = self.eager.add(seconds, 1)
        self.record.eager = least if self.eager.steps >= ENOUGH else self.record.eager

    def compiled_block(self, seconds: float, steps: int, *, started: bool) -> None:
        """Note a compiled block; one that `started` contains the making of a graph."""
        if started:
            self.starts, self.spent = self.starts + 1, self.spent + seconds
            self.record.start = max(seconds, self.record.start or 0.0)
            return
        self.record.compiled = self.compiled.add(seconds, steps)
        if self.compiled.steps in (steps, 10 * steps):
            _store(self.name, self.record)

    def pays(self, left: int) -> bool:
        """Whether `left` steps to come should be compiled."""
        eager, compiled, start = self.record.eager, self.record.compiled, self.record.start
        if eager is None:
            return False
        if compiled is None:
            compiled = (GUESS.compiled or 1.0) * eager
        if compiled > WORTH * eager:
            return False
        if self.starts == 1:  # paid for already
            return True
        cost = self.spent if self.starts else (start or GUESS.start or 0.0)
        return (eager - compiled) * max(left, self.eager.steps + self.compiled.steps) > cost


@dataclass
class Least:
    """Least seconds of a step, and the number of steps."""

    seconds: float = math.inf
    steps: int = 0

    def add(self, seconds: float, steps: int) -> float:
        """The least after `steps` steps more, which took `seconds` in all."""
        self.seconds, self.steps = min(self.seconds, seconds / steps), self.steps + steps
        return self.seconds


def name_of(key: tuple[Any, ...]) -> str:
    """A short name for a kind of chain on this machine and this version of torch."""
    text = repr((torch.__version__, platform.processor(), platform.machine(), os.cpu_count(), key))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def store_path() -> Path:
    """Where the records are kept."""
    return cache_folder() / "compile.json"


def _load() -> dict[str, Record]:
    """All records; none if the file is missing or unreadable, since they can be measured again."""
    try:
        raw = json.loads(store_path().read_text())
        return {name: Record(**record) for name, record in raw.items() if _sound(record)}
    except (OSError, RuntimeError, ValueError, TypeError, AttributeError):
        return {}


def _sound(record: dict[str, Any]) -> bool:
    """Whether a record from the disk holds times."""
    return all(n is None or (isinstance(n, (int, float)) and 0 < n < math.inf) for n in record.values())


def _store(name: str, record: Record) -> None:
    """Write one record beside the others, whole or not at all; a full or read-only disk is no error."""
    with suppress(OSError, RuntimeError):
        path = store_path()
        records = {k: r for k, r in _load().items() if k != name} | {name: record}
        latest = list(records.items())[-KEPT:]
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, json.dumps({k: asdict(r) for k, r in latest}))

"""From seconds to what they mean: against the better peer, against the ceiling, against the target.

A record of a case is plain JSON:

    {"about": ..., "seconds": {implementation: [a round each]}, "first": {implementation: seconds},
     "ceilings": {"fp32": {"format": ..., "seconds": [...]}, "bf16": ...}, "notes": [...]}
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .cases import Case, Goal, Kind
from .implementations import IMPLEMENTATIONS
from .timing import Spread, ratio

Record = dict[str, Any]
NEAR = 0.85
"""The share of the ceiling that will do in place of a target above 1 of one's own module."""
RUNNERS: dict[Kind, tuple[str, ...]] = {
    "own": ("own",),
    "compiled": ("compiled",),
    "fp32": ("gibbsian", "compiled"),
    "bf16": ("bf16", "bf16-compiled"),
    "any": ("gibbsian", "compiled", "bf16", "bf16-compiled"),
    "ceiling": ("gibbsian", "compiled"),
}


@dataclass(frozen=True)
class Outcome:
    """What became of a goal: `reached` by `implementation`, None where there was nothing to compare; `share`
    of the ceiling, of one's own module.
    """

    goal: Goal
    implementation: str = ""
    reached: float | None = None
    share: float | None = None

    @property
    def met(self) -> bool:
        """Whether it was reached."""
        near = self.goal.at_least > 1 and (self.share or 0.0) >= NEAR
        return self.reached is not None and (self.reached >= self.goal.at_least or near)


def quickest(record: Record, names: Sequence[str]) -> str:
    """Which of `names` has the least median, "" if none was measured."""
    measured = [n for n in names if n in record["seconds"]]
    return min(measured, key=lambda n: statistics.median(record["seconds"][n]), default="")


def better_peer(record: Record) -> str:
    """The faster of the other libraries, "" without any."""
    return quickest(record, [c.name for c in IMPLEMENTATIONS.values() if c.kind == "peer"])


def speedup(record: Record, name: str) -> Spread | None:
    """How many times as fast as the better peer an implementation is."""
    peer = better_peer(record)
    return ratio(record["seconds"][peer], record["seconds"][name]) if peer else None


def share(record: Record, name: str) -> Spread | None:
    """Seconds of the ceiling in the implementation's own precision, over the implementation's seconds."""
    found = record["ceilings"].get(IMPLEMENTATIONS[name].precision)
    return ratio(found["seconds"], record["seconds"][name]) if found else None


def outcomes(case: Case, record: Record) -> list[Outcome]:
    """What became of each goal of a case."""
    return [_outcome(goal, record) for goal in case.goals]


def _outcome(goal: Goal, record: Record) -> Outcome:
    name = quickest(record, RUNNERS[goal.kind])
    if not name:
        return Outcome(goal)
    found = (share if goal.kind == "ceiling" else speedup)(record, name)
    part = share(record, name) if goal.kind == "own" else None
    return Outcome(goal, name, found.median if found else None, part.median if part else None)

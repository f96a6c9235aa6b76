"""What is known of a run: its record, settings and log, and how its model stands to its data. No torch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Line = Mapping[str, Any]


@dataclass(frozen=True)
class Finding:
    """One thing worth saying: `grade` good, watch or bad; `remedy` is empty where nothing need be done."""

    grade: Literal["good", "watch", "bad"]
    what: str
    remedy: str = ""


@dataclass(frozen=True)
class Log:
    """The logged updates, `run.json`, `config.yaml`, and the numbers of a `Checkup`, if one was made."""

    lines: Sequence[Line]
    config: Mapping[str, Any]
    record: Line = field(default_factory=dict)
    seen: Mapping[str, float | None] = field(default_factory=dict)

    def all(self, key: str) -> list[float]:
        """The finite values of a measure, oldest first."""
        numbers = [float(line[key]) for line in self.lines if line.get(key) is not None]
        return [x for x in numbers if math.isfinite(x)]

    def late(self, key: str) -> list[float]:
        """The last quarter, at least five values."""
        values = self.all(key)
        return values[-max(5, len(values) // 4) :]

    def value(self, dotted: str) -> Any:
        """A setting of the configuration; None where there is none."""
        inner: Any = self.config
        for part in dotted.split("."):
            inner = inner.get(part) if isinstance(inner, Mapping) else None
        return inner

    def setting(self, dotted: str, default: float = math.nan) -> float:
        """A number of the configuration."""
        inner = self.value(dotted)
        return float(inner) if isinstance(inner, (int, float)) else default

    def number(self, name: str) -> float:
        """A number of the checkup, nan where there is none: no comparison with it holds."""
        found = self.seen.get(name)
        return math.nan if found is None else float(found)

    @property
    def step(self) -> int:
        """Updates made."""
        logged = int(self.lines[-1].get("step", 0)) if self.lines else 0
        step = self.record.get("step")
        return step if isinstance(step, int) and self.record.get("state") != "running" else logged

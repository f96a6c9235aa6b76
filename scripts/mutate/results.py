"""What became of the mutations: a file of results, from which an interrupted run goes on, and their table."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

from .mutation import SOURCE, TESTS, Mutation

Outcome: TypeAlias = Literal["killed", "timed out", "survived", "equivalent"]
OUTCOMES: tuple[Outcome, ...] = ("killed", "timed out", "survived", "equivalent")
GOAL = 0.97
"""The share of mutations that the tests must kill, those that change nothing left out."""


@dataclass(frozen=True)
class Result:
    """A mutation's key, what became of it, the test file that failed, seconds of the processor, and why.

    `tree` is the digest of the library and the tests that it was found on.
    """

    key: str
    outcome: Outcome
    by: str = ""
    cpu: float = 0.0
    why: str = ""
    tree: str = ""


def digest(root: Path) -> str:
    """What the library and its tests say, in 16 letters."""
    whole = hashlib.sha256()
    for path in sorted(p for home in (SOURCE, TESTS) for p in (root / home).rglob("*") if p.is_file()):
        if "__pycache__" not in path.parts:
            whole.update(str(path.relative_to(root)).encode() + path.read_bytes())
    return whole.hexdigest()[:16]


class Store:
    """Results in a file, one a line; those of another state of the tree are not used, or only its kills.

    `healthy` says of test files whether they pass without a mutation, which is kept beside the results.
    """

    def __init__(self, path: Path, tree: str, *, trust_kills: bool = False) -> None:
        self.path, self.tree = path, tree
        lines = path.read_text().splitlines() if path.exists() else []
        found = [json.loads(line) for line in lines]
        tests = (line for line in found if "passes" in line and line["tree"] == tree)
        self.healthy: dict[str, bool] = {line["test"]: line["passes"] for line in tests}
        known = (Result(**line) for line in found if "passes" not in line)
        kills = ("killed", "timed out") if trust_kills else ()
        self.held = {r.key: r for r in known if r.tree == tree or r.outcome in kills}

    def add(self, result: Result) -> None:
        """Keep a result."""
        result = replace(result, tree=self.tree)
        self.held[result.key] = result
        self._write(asdict(result))

    def judge(self, test: str, passes: bool) -> None:
        """Keep whether a test file passes without a mutation."""
        self.healthy[test] = passes
        self._write({"test": test, "passes": passes, "tree": self.tree})

    def _write(self, line: dict[str, Any]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a") as file:
            file.write(json.dumps(line) + "\n")


@dataclass(frozen=True)
class Summary:
    """All mutations of a run with what became of them."""

    pairs: Sequence[tuple[Mutation, Result]]

    def count(self, *outcomes: Outcome, area: str = "") -> int:
        """How many ended so, in one area or in all."""
        return sum(r.outcome in outcomes and area in ("", m.area) for m, r in self.pairs)

    @property
    def share(self) -> float:
        """Those that were killed, or ran out of time, of those that change something."""
        tried = self.count("killed", "timed out", "survived")
        return self.count("killed", "timed out") / tried if tried else 1.0

    def table(self) -> str:
        """One line an area, and the mutations that were not killed."""
        heads = ("area", "mutations", *OUTCOMES)
        areas = sorted({m.area for m, _ in self.pairs})
        rows = [(a, self.count(*OUTCOMES, area=a), *(self.count(o, area=a) for o in OUTCOMES)) for a in areas]
        rows.append(("all", len(self.pairs), *(self.count(o) for o in OUTCOMES)))
        lines = [
            "  ".join(f"{cell!s:>{max(9, len(head))}}" for cell, head in zip(r, heads, strict=True))
            for r in rows
        ]
        head = "  ".join(f"{head:>{max(9, len(head))}}" for head in heads)
        told = [
            f"{r.outcome} {m}\n    {r.why or 'no reason is known'}"
            for outcome in ("equivalent", "survived")
            for m, r in self.pairs
            if r.outcome == outcome
        ]
        cpu = sum(r.cpu for _, r in self.pairs) / 60
        end = f"{self.share:.1%} killed, goal {GOAL:.0%}; {cpu:.0f} minutes of one core"
        return "\n".join([*told, "", head, *lines, "", end])

    def record(self) -> dict[str, Any]:
        """The same as plain values."""
        rows = [
            {**asdict(m), **{k: v for k, v in asdict(r).items() if k not in ("key", "tree")}}
            for m, r in self.pairs
        ]
        counts = {outcome.replace(" ", "_"): self.count(outcome) for outcome in OUTCOMES}
        return {"share": self.share, "goal": GOAL, **counts, "mutations": rows}

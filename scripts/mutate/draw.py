"""Mutations by chance: lines of all areas, then an operator of the line, by a seed.

Every line has a lot, the hash of the seed, its file, its function and its text; the areas take turns, and
each time the line of the area with the least lot is taken. So a seed names mutations that stay the same while
other lines change.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from pathlib import Path

from .mutation import SOURCE, Mutation, function_at
from .operators import Change, changes

LEFT_OUT = ("cli", "report", "app")
"""Areas of text and pictures."""


def areas(root: Path) -> list[str]:
    """The packages of the library that mutations are drawn from."""
    folders = (p for p in (root / SOURCE).iterdir() if any(p.glob("*.py")))
    return sorted(p.name for p in folders if p.name not in LEFT_OUT)


def drawn(root: Path, count: int, seed: int) -> list[Mutation]:
    """`count` mutations over the areas of the tree at `root`."""
    queues = {area: _queue(root, area, seed) for area in areas(root)}
    found: list[Mutation] = []
    while len(found) < count and any(queues.values()):
        found += [queue.pop() for queue in queues.values() if queue]
    return found[:count]


def _queue(root: Path, area: str, seed: int) -> list[Mutation]:
    """One mutation of every line of an area, the one whose turn is first at the end."""
    found: dict[str, Mutation] = {}
    for path in sorted((root / SOURCE / area).rglob("*.py")):
        text, file = path.read_text(), path.relative_to(root / SOURCE).as_posix()
        lines, by_line = text.splitlines(), defaultdict(list)
        for change in changes(text):
            by_line[change.line].append(change)
        for number, options in by_line.items():
            before, function = lines[number - 1], function_at(text, number)
            name = f"{seed}|{file}|{function}|{before.strip()}"
            chosen = _chosen(options, before, name)
            after = chosen.applied(before).strip()
            # Of lines that say the same in one function, the first.
            found.setdefault(_lot(name), Mutation(file, number, before.strip(), after, function, drawn=True))
    return [found[lot] for lot in sorted(found, reverse=True)]


def _chosen(options: list[Change], line: str, name: str) -> Change:
    """A kind of operator first, so that rare ones come up, then one of that kind."""
    kinds = sorted({c.kind for c in options})
    kind = min(kinds, key=lambda k: _lot(f"{name}|{k}"))
    return min((c for c in options if c.kind == kind), key=lambda c: _lot(f"{name}|{c.swap}"))


def _lot(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()

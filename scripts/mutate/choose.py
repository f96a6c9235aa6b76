"""The test files to run for a line of the library: those that call its function, the most pertinent first.

`tests.json` is made by `python -m scripts.mutate --trace`, which runs the suite once; a file or function that
is not in it yet is served by its mirrored tests and those that import it.
"""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path
from typing import Any

from .mutation import TESTS, Mutation

STORED = Path(__file__).parent / "tests.json"
MOST_SECONDS, MOST_FILES = 25.0, 10
"""Tests of one mutation take no longer, by the times of the trace, and are no more, but for the first."""
UNKNOWN_SECONDS = 5.0


class Chooser:
    """Chooses for the tree at `root`, by the stored trace."""

    def __init__(self, root: Path, stored: Path = STORED) -> None:
        self.root = root
        trace: dict[str, Any] = json.loads(stored.read_text()) if stored.exists() else {}
        self.names: list[str] = trace.get("tests", [])
        self.seconds = dict(zip(self.names, trace.get("seconds", []), strict=True))
        self.functions: dict[str, dict[str, list[int]]] = trace.get("functions", {})

    def tests(self, mutation: Mutation) -> list[str]:
        """Test files, in order: the kept ones, or the mirrored ones before those that call the function."""
        if mutation.tests:
            return list(mutation.tests)
        wanted = [*self._mirrored(mutation.file), *self._traced(mutation), *self._importing(mutation.file)]
        return self._affordable([name for name in dict.fromkeys(wanted) if name in self.present])

    def expected(self, tests: list[str]) -> float:
        """Seconds that they took when they were traced."""
        return sum(self.seconds.get(name, UNKNOWN_SECONDS) for name in tests)

    @cached_property
    def present(self) -> dict[str, str]:
        """The test files of the tree, with their text."""
        home = self.root / TESTS
        return {p.relative_to(home).as_posix(): p.read_text() for p in sorted(home.rglob("test_*.py"))}

    def _mirrored(self, file: str) -> list[str]:
        """tests/AREA/test_FILE.py, tests/AREA/FOLDER/test_FILE.py and tests/AREA/test_FOLDER.py."""
        path = Path(file)
        own = (path.parent / f"test_{path.stem}.py").as_posix()
        above = (path.parent.parent / f"test_{path.parent.name}.py").as_posix()
        flat = f"{path.parts[0]}/test_{path.stem}.py"
        return [own, flat, above] if path.stem not in ("model", "learner", "config") else [above, own]

    def _traced(self, mutation: Mutation) -> list[str]:
        functions = self.functions.get(mutation.file, {})
        if mutation.function in functions:
            return [self.names[i] for i in functions[mutation.function]]
        # A line of a module or class: the tests that most of its functions name, in their order.
        ranks: dict[int, list[int]] = {}
        for tests in functions.values():
            for rank, test in enumerate(tests):
                ranks.setdefault(test, []).append(rank)
        return [self.names[i] for i in sorted(ranks, key=lambda i: (-len(ranks[i]), min(ranks[i])))]

    def _importing(self, file: str) -> list[str]:
        """Tests of the area, then others, that name the module, where the trace does not know them."""
        module = ".".join(["gibbsian", *Path(file).with_suffix("").parts])
        area = file.partition("/")[0]
        found = [name for name, text in self.present.items() if module in text and name not in self.seconds]
        every = [name for name, text in self.present.items() if module in text]
        return sorted(found + every, key=lambda name: not name.startswith(f"{area}/"))

    def _affordable(self, tests: list[str]) -> list[str]:
        taken: list[str] = []
        for name in tests:
            if len(taken) < MOST_FILES and (not taken or self.expected([*taken, name]) <= MOST_SECONDS):
                taken.append(name)
        return taken

"""Which functions of the library each test file calls: a run of the suite that listens to every call."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from .mutation import SOURCE, TESTS, function_at, sources

Place = tuple[str, int]
"""A file of the library, and the line where a function of it begins."""
MOST = 8
"""Test files that are stored for one function."""


class Listener:
    """Keeps, for every test file, the functions that its tests called, and the seconds of the processor."""

    def __init__(self, source: Path, tests: Path) -> None:
        self.source, self.tests = f"{source.resolve()}/", tests.resolve()
        self.called: defaultdict[str, set[Place]] = defaultdict(set)
        self.seconds: defaultdict[str, float] = defaultdict(float)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """Listen while one test runs, with its fixtures."""
        name = item.path.relative_to(self.tests).as_posix()
        found, source = self.called[name], self.source

        def note(frame: FrameType, event: str, argument: Any) -> None:
            code = frame.f_code
            if code.co_filename.startswith(source):
                found.add((code.co_filename[len(source) :], code.co_firstlineno))

        began = sum(os.times()[:4])
        threading.settrace(note)
        sys.settrace(note)
        try:
            return (yield)
        finally:
            sys.settrace(None)
            threading.settrace(None)
            self.seconds[name] += sum(os.times()[:4]) - began


def trace(root: Path, stored: Path) -> int:
    """Run the suite of the tree at `root`, and store which tests to run for which function; its exit code."""
    listener = Listener(root / SOURCE, root / TESTS)
    code = pytest.main([str(root / TESTS), "-o", "timeout=900", "-p", "no:cacheprovider"], plugins=[listener])
    store(root, stored, listener.called, listener.seconds)
    return int(code)


def store(root: Path, stored: Path, called: dict[str, set[Place]], seconds: dict[str, float]) -> None:
    """Write the tests of every function, first those for which its file weighs most among all they call."""
    names = sorted(called)
    tests: defaultdict[str, defaultdict[str, dict[int, float]]] = defaultdict(lambda: defaultdict(dict))
    texts = {path: (root / SOURCE / path).read_text() for path in sources(root)}
    for number, name in enumerate(names):
        weights = Counter(file for file, _ in called[name])
        for file, line in called[name]:
            if function := function_at(texts[file], line):  # code of modules and classes runs once a process
                tests[file][function][number] = weights[file] / len(called[name])
    functions = {
        file: {
            function: sorted(shares, key=lambda n: -shares[n])[:MOST] for function, shares in of_file.items()
        }
        for file, of_file in sorted(tests.items())
    }
    lines = (
        f"  {json.dumps(file)}: {json.dumps(of, separators=(',', ':'))}" for file, of in functions.items()
    )
    times = [round(seconds[name], 1) for name in names]
    head = json.dumps({"tests": names, "seconds": times}, separators=(",", ":"))
    stored.write_text(f'{head[:-1]},\n"functions": {{\n' + ",\n".join(lines) + "\n}}\n")

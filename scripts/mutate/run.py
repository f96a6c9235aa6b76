"""Trying mutations, some at a time: tests with each, and once without it the test file that kills it."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path

from .choose import Chooser
from .mutation import Mutation
from .results import Outcome, Result, Store
from .sandbox import WARM, Run, Sandbox, warm_up

Tell = Callable[[Mutation, Result], None]
Waiting = Generator[None, None, Run]
ENDS: dict[str, Outcome] = {"passed": "survived", "failed": "killed", "timed out": "timed out"}


class Attempts:
    """Tries mutations of the tree at `root`, each for at most `limit` seconds of the processor.

    Results go to `store`, and to `tell` as they come; `warm` are the modules that all runs share.
    """

    def __init__(
        self, root: Path, store: Store, limit: float, tell: Tell, warm: Sequence[str] = WARM
    ) -> None:
        self.root, self.store, self.limit, self.tell, self.warm = root, store, limit, tell, warm
        self.chooser = Chooser(root)

    def run(self, mutations: Sequence[Mutation], jobs: int) -> None:
        """Try all of them, `jobs` at a time."""
        if not mutations:
            return
        warm_up(self.warm)
        waiting = list(reversed(mutations))
        boxes: list[Sandbox] = []
        try:
            for _ in range(min(jobs, len(mutations))):
                boxes.append(Sandbox(self.root, boxes[0] if boxes else None))
            running: dict[Sandbox, Iterator[None]] = {box: iter(()) for box in boxes}
            while running:
                for box, attempt in list(running.items()):
                    if next(attempt, "ended") != "ended":
                        continue
                    if not waiting:
                        del running[box]
                        continue
                    running[box] = self._attempt(box, waiting.pop())
                time.sleep(0.05)
        finally:
            for box in boxes:
                box.close()

    def _attempt(self, box: Sandbox, mutation: Mutation) -> Iterator[None]:
        """One mutation; a test file that fails without it too is left out and the others are tried."""
        tests, cpu = self.chooser.tests(mutation), 0.0
        while tests := [name for name in tests if self.store.healthy.get(name, True)]:
            run = yield from self._wait(box, mutation, tests)
            cpu += run.cpu
            guilty = tests if run.outcome == "timed out" else [run.failed or tests[0]]
            if run.outcome == "passed" or (yield from self._pass_alone(box, guilty)):
                break
        else:
            return self._end(
                mutation, Result(mutation.key, "survived", "", cpu, "no test that passes runs it")
            )
        by = run.failed if run.outcome == "failed" else ""
        self._end(mutation, Result(mutation.key, ENDS[run.outcome], by, round(cpu, 1)))

    def _end(self, mutation: Mutation, result: Result) -> None:
        self.store.add(result)
        self.tell(mutation, result)

    def _pass_alone(self, box: Sandbox, tests: list[str]) -> Generator[None, None, bool]:
        """Whether test files pass without a mutation, in half of the time."""
        for name in tests:
            if name not in self.store.healthy:
                run = yield from self._wait(box, None, [name])
                self.store.judge(name, run.outcome == "passed")
        return all(self.store.healthy[name] for name in tests)

    def _wait(self, box: Sandbox, mutation: Mutation | None, tests: Sequence[str]) -> Waiting:
        box.start(mutation, tests, self.limit if mutation else self.limit / 2)
        while (run := box.poll()) is None:
            yield
        return run

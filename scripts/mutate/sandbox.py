"""Copies of the tree in which lines are changed, and processes that run tests there.

Every run is a fork of a process that has imported torch and pytest, but nothing of the library: that saves
the seconds of those imports. The tree itself is never written to.
"""

from __future__ import annotations

import compileall
import importlib
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from py_compile import PycInvalidationMode

from .mutation import SOURCE, TESTS, Mutation

WARM = (
    "torch",
    "numpy",
    "yaml",
    "tqdm",
    "PIL.Image",
    "safetensors.torch",
    "scipy.stats",
    "pytest",
)
"""Imported once, where they are there (plugins of pytest must not be)."""
ENOUGH = 4000
"""Characters of the end of a run's output that are looked at."""
MEMORY = 6 * 2**30
"""Bytes that a run may take: a size that was changed may be any size."""
WAITING, SHORT = 6, 60.0
"""How many times longer a run may take on a busy machine, and the limit that this counts from at least."""
NOTHING_RUN, BROKEN = 5, 70
"""Exit codes of pytest without a test, and of a run that did not come as far as pytest."""


@dataclass(frozen=True)
class Run:
    """How tests ended ("passed", "failed", "timed out"), seconds of the processor, the file that failed."""

    outcome: str
    cpu: float
    failed: str
    output: str


def warm_up(names: Sequence[str] = WARM) -> None:
    """Import what every run needs."""
    for name in names:
        try:
            importlib.import_module(name)
        except ImportError:
            continue


class Sandbox:
    """A copy of the tree, or of the sandbox `like`: `start` changes a line and begins a run, `poll` ends the
    run and puts the line back.
    """

    def __init__(self, root: Path, like: Sandbox | None = None) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="mutate-"))
        self.tree, self.log, self.scratch = self.home / "tree", self.home / "log", self.home / "tests"
        self.pid = 0
        self.before: tuple[Path, str] | None = None
        try:
            self._copy(root) if like is None else shutil.copytree(like.tree, self.tree, symlinks=True)
        except BaseException:
            self.close()
            raise

    def _copy(self, root: Path) -> None:
        listed = root / ".gitignore"
        ignored = [line.strip("/") for line in listed.read_text().splitlines()] if listed.exists() else []
        shutil.copytree(root, self.tree, ignore=shutil.ignore_patterns(".git", *ignored), symlinks=True)
        # Checked by their text: a changed file may have the size and the second of the one before.
        mode = PycInvalidationMode.CHECKED_HASH
        compileall.compile_dir(self.tree / SOURCE, quiet=2, invalidation_mode=mode)

    def close(self) -> None:
        """End what runs, and remove the copy."""
        self._kill()
        shutil.rmtree(self.home, ignore_errors=True)

    def start(self, mutation: Mutation | None, tests: Sequence[str], limit: float) -> None:
        """Run test files with a mutation, or without one, for at most `limit` seconds of the processor."""
        if mutation is not None:
            path = self.tree / SOURCE / mutation.file
            text = path.read_text()
            path.write_text(mutation.applied(text))
            self.before = path, text
        self.began, self.limit = time.monotonic(), limit
        self.pid = os.fork()
        if not self.pid:
            self._run_and_exit(tests)
        with suppress(ProcessLookupError, PermissionError):
            os.setpgid(self.pid, self.pid)

    def poll(self) -> Run | None:
        """How the run ended, None while it goes on."""
        pid, status, usage = os.wait4(self.pid, os.WNOHANG)
        # The limit is one of the processor, which the kernel keeps; what waits for nothing ends much later.
        late = time.monotonic() - self.began > WAITING * max(self.limit, SHORT)
        if not pid and not late:
            return None
        if not pid:
            os.killpg(self.pid, signal.SIGKILL)
            _, status, usage = os.wait4(self.pid, 0)
        self._kill()
        self._put_back()
        output = self.log.read_text(errors="replace")[-ENOUGH:]
        code = os.waitstatus_to_exitcode(status)
        if code in (NOTHING_RUN, BROKEN):
            raise RuntimeError(f"no test was run, exit code {code}:\n{output}")
        outcome = "timed out" if late or code == -signal.SIGXCPU else "failed" if code else "passed"
        return Run(outcome, usage.ru_utime + usage.ru_stime, _failed(output), output)

    def _put_back(self) -> None:
        if self.before is not None:
            path, text = self.before
            path.write_text(text)
            self.before = None

    def _kill(self) -> None:
        """End the group of the run, with what its tests started."""
        if self.pid:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
            with suppress(ChildProcessError):
                os.waitpid(self.pid, 0)
            self.pid = 0

    def _run_and_exit(self, tests: Sequence[str]) -> None:
        """What the child does: never returns."""
        code = BROKEN
        try:
            os.setpgid(0, 0)
            resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
            resource.setrlimit(resource.RLIMIT_CPU, (int(self.limit), int(self.limit) + 5))
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            log = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            for stream in (1, 2):
                os.dup2(log, stream)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.chdir(self.tree)
            os.environ["PYTHONPATH"] = str(self.tree / "src")
            sys.path[:0] = [str(self.tree / "src")]
            shutil.rmtree(self.scratch, ignore_errors=True)
            import pytest

            code = pytest.main(
                [
                    "-x",
                    "-q",
                    "--tb=line",
                    "-p",
                    "no:cacheprovider",
                    "-o",
                    "timeout=900",
                    f"--basetemp={self.scratch}",
                ]
                + [str(self.tree / TESTS / name) for name in tests]
            )
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(int(code))


def _failed(output: str) -> str:
    """The first test file that the summary of pytest calls failed, or broken, "" for none."""
    for line in output.splitlines():
        word, _, place = line.partition(" ")
        if word in ("FAILED", "ERROR") and place.startswith(f"{TESTS}/"):
            return place.removeprefix(f"{TESTS}/").partition("::")[0].split(" ")[0]
    return ""

"""SIGKILL at random moments: the run that goes on ends bit-equal to one that was never touched."""

from __future__ import annotations

import json
import os
import random
import runpy
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from gibbsian.train import checkpoint

PROGRAM = Path(__file__).with_name("run_to_kill.py")


class Server:
    """Starts runs in processes of their own."""

    def __init__(self) -> None:
        threads = {
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
        }  # processes with threads must not fork
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **threads},
        )

    def start(self, out: Path) -> int:
        """The id of a process that begins or goes on with the run at `out`."""
        print(out, file=self.process.stdin, flush=True)
        return int(self.process.stdout.readline())

    def ended(self) -> int:
        """How the process that was started last has ended, once it has."""
        return os.waitstatus_to_exitcode(int(self.process.stdout.readline()))

    def close(self) -> None:
        """End the server; it has no run going."""
        self.process.communicate(timeout=100)


@pytest.fixture(scope="module")
def server():
    made = Server()
    yield made
    made.close()


def logged(out: Path) -> int:
    path = out / "metrics.jsonl"
    return len(path.read_text().splitlines()) if path.exists() else 0


def kill_at(server: Server, out: Path, line: int, delay: float) -> None:
    """Start or go on, and kill once `line` lines are logged, `delay` seconds later."""
    process = server.start(out)
    while logged(out) < line:
        os.kill(process, 0)  # fails when it has ended, with its error in the test's output
        time.sleep(0.002)
    time.sleep(delay)
    os.kill(process, signal.SIGKILL)
    assert server.ended() == -signal.SIGKILL


def digest(out: Path) -> tuple[list[str], str]:
    """Hashes of the newest checkpoint's files and the log."""
    newest = checkpoint.listed(out / "checkpoints")[-1]
    files = json.loads((newest / "state.json").read_text())["files"]
    return sorted(r["sha256"] for r in files.values()), (out / "metrics.jsonl").read_text()


def run_with_kills(server: Server, folder: Path, kills: int, seed: int) -> None:
    whole, broken = folder / "whole", folder / "broken"
    rng = random.Random(seed)
    for line in sorted(rng.sample(range(1, 100), kills)):
        kill_at(server, broken, line, rng.random() * 0.02)
    server.start(broken)
    runpy.run_path(str(PROGRAM))["main"](whole)
    assert server.ended() == 0
    assert digest(whole) == digest(broken)
    assert sorted(p.name for p in (broken / "checkpoints").iterdir()) == ["step-000115", "step-000120"]


def test_two_kills(server: Server, tmp_path: Path) -> None:
    run_with_kills(server, tmp_path, kills=2, seed=0)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_twenty_kills(server: Server, tmp_path: Path) -> None:
    run_with_kills(server, tmp_path, kills=20, seed=1)


@pytest.mark.parametrize("fault", ["half", "swapped"])
def test_half_written_folders_are_swept(fault: str, tmp_path: Path) -> None:
    """What SIGKILL leaves inside `checkpoint.save`: a folder aside, or the old one moved out of the way."""
    path = tmp_path / "step-000005"
    checkpoint.save({"loop": {"step": 5}, "model": {"w": torch.ones(2)}}, path)
    if fault == "half":
        (tmp_path / ".step-000010.77.tmp").mkdir()
    else:
        path.rename(tmp_path / ".step-000005.old")
    checkpoint.sweep(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["step-000005"]
    assert checkpoint.load(path)["loop"]["step"] == 5

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


def start(out: Path) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-W", "error", PROGRAM, out], stderr=subprocess.PIPE)


def finish(process: subprocess.Popen) -> None:
    _, error = process.communicate(timeout=100)
    assert process.returncode == 0, error.decode()


def logged(out: Path) -> int:
    path = out / "metrics.jsonl"
    return len(path.read_text().splitlines()) if path.exists() else 0


def kill_at(out: Path, line: int, delay: float) -> None:
    """Start or go on, and kill once `line` lines are logged, `delay` seconds later."""
    process = start(out)
    while logged(out) < line and process.poll() is None:
        time.sleep(0.002)
    time.sleep(delay)
    if process.poll() is None:
        os.kill(process.pid, signal.SIGKILL)
    process.communicate()


def digest(out: Path) -> tuple[list[str], str]:
    """Hashes of the newest checkpoint's files and the log."""
    newest = checkpoint.listed(out / "checkpoints")[-1]
    files = json.loads((newest / "state.json").read_text())["files"]
    return sorted(r["sha256"] for r in files.values()), (out / "metrics.jsonl").read_text()


def run_with_kills(folder: Path, kills: int, seed: int) -> None:
    whole, broken = folder / "whole", folder / "broken"
    rng = random.Random(seed)
    for line in sorted(rng.sample(range(1, 110), kills)):
        kill_at(broken, line, rng.random() * 0.02)
    process = start(broken)
    runpy.run_path(str(PROGRAM))["main"](whole)
    finish(process)
    assert digest(whole) == digest(broken)
    assert sorted(p.name for p in (broken / "checkpoints").iterdir()) == ["step-000115", "step-000120"]


def test_two_kills(tmp_path: Path) -> None:
    run_with_kills(tmp_path, kills=2, seed=0)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_twenty_kills(tmp_path: Path) -> None:
    run_with_kills(tmp_path, kills=20, seed=1)


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

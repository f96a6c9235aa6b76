"""Every Python block of the README runs, one after another: for a moment, in the slow suite as it is."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

import gibbsian as gb
from gibbsian.cli.main import main

README = (Path(__file__).parents[1] / "README.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def shortened(block: str) -> str:
    """Two updates in place of a minute, two batches in place of all."""
    short = block.replace("minutes=1", "steps=2").replace("points.split(256)", "points[:512].split(256)")
    assert short != block or "minutes" not in block
    return short


def run(blocks: list[str]) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "readme"}
    for block in blocks:
        exec(compile(block, "README.md", "exec"), names)
    return names


def test_blocks_run_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names = run([shortened(block) for block in BLOCKS])
    assert (tmp_path / "samples.png").stat().st_size > 1000
    assert names["samples"].x.shape == (64, 1, 8, 8) and names["drawn"].x.shape == (64, 2)
    assert isinstance(names["again"], gb.EnergyModel)


@pytest.mark.slow
def test_blocks_as_they_stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run(BLOCKS)


def test_the_first_block_is_ten_lines() -> None:
    assert len([line for line in BLOCKS[0].splitlines() if line.strip()]) <= 10
    assert "not Explainable Boosting Machines" in README[:200]


COMMANDS = [
    line.split("#")[0].split()[1:]
    for block in re.findall(r"^```sh\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
    if line.startswith("gibbsian ")
]


def follow(*more: str) -> None:
    """Every command of the README, in order; those that train with `more`."""
    for words in COMMANDS:
        assert main([*words, *(more if words[0] == "train" else ())]) == 0, words


def test_commands_run_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert [words[0] for words in COMMANDS][:2] == ["train", "sample"]
    follow("--steps", "2", "--chain.steps", "2")
    assert (tmp_path / "samples.png").stat().st_size > 1000


@pytest.mark.slow
def test_commands_as_they_stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    follow()
    for record in tmp_path.glob("runs/*/run.json"):
        told = json.loads(record.read_text())
        assert told["state"] == "done" and told["rollbacks"] == 0

"""Every Python block of the new README runs as it stands, for a moment instead of a minute, one after another."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import gibbsian as gb

README = (Path(__file__).parents[1] / "README.new.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def test_blocks_run_in_order(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "readme"}
    for block in BLOCKS:
        short = block.replace("minutes=1", "steps=2").replace("points.split(256)", "points[:512].split(256)")
        exec(compile(short, "README.new.md", "exec"), names)
    assert (tmp_path / "samples.png").stat().st_size > 1000
    assert names["samples"].x.shape == (64, 1, 8, 8) and names["drawn"].x.shape == (64, 2)
    assert isinstance(names["again"], gb.EnergyModel)


def test_the_first_block_is_ten_lines() -> None:
    assert len([line for line in BLOCKS[0].splitlines() if line.strip()]) <= 10
    assert "not Explainable Boosting Machines" in README[:200]

"""Every Python block of the README runs, in the quick suite with a tenth of its steps and minutes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / "README.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```", README.read_text(), re.MULTILINE | re.DOTALL)
blocks = pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))


def shortened(block: str) -> str:
    """The block with a tenth of every `steps=` of 200 or more, and of every `minutes=`."""
    block = re.sub(r"\bsteps=(\d+)", lambda m: f"steps={tenth(int(m[1]))}", block)
    return re.sub(r"\bminutes=([\d.]+)", lambda m: f"minutes={float(m[1]) / 10:g}", block)


def tenth(steps: int) -> int:
    return steps // 10 if steps >= 200 else steps


def execute(block: str) -> None:
    exec(compile(block, "README.md", "exec"), {"__name__": "readme"})


def test_there_are_blocks() -> None:
    assert BLOCKS


def test_blocks_are_shortened() -> None:
    assert shortened("fit(steps=200, minutes=1), run(steps=40, thin=10)") == (
        "fit(steps=20, minutes=0.1), run(steps=40, thin=10)"
    )


@blocks
def test_block(block: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    execute(shortened(block))


@pytest.mark.slow
@blocks
def test_block_as_it_stands(block: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    execute(block)


def test_the_first_lines_say_what_it_is_not() -> None:
    assert "not Explainable Boosting Machines" in README.read_text()[:200]

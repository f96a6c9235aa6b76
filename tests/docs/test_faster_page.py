"""The Python block of docs/faster.md runs; its commands are commands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gibbsian.cli.options import parse
from gibbsian.cli.sample import sample
from gibbsian.cli.train import train

PAGE = (Path(__file__).parents[2] / "docs" / "faster.md").read_text()
(BLOCK,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
COMMANDS = re.findall(r"^gibbsian (train|sample) (.*?)\s*(?:#|$)", PAGE, re.MULTILINE)


def test_the_block_runs(capsys) -> None:
    exec(compile(BLOCK, "docs/faster.md", "exec", dont_inherit=True), {"__name__": "page"})
    assert "64 of shape (2,), 100 steps" in capsys.readouterr().out


@pytest.mark.parametrize(("command", "words"), COMMANDS)
def test_commands_are_understood(command: str, words: str) -> None:
    assert len(COMMANDS) == 3 and parse({"train": train, "sample": sample}[command], words.split())

"""The Python blocks of docs/report.md run; its commands are commands, and its picture is small."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from pages import sound_page

from gibbsian.cli.main import command
from gibbsian.cli.options import parse

HOME = Path(__file__).parents[2]
PAGE = (HOME / "docs" / "report.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
COMMANDS = re.findall(r"^gibbsian (\w+ .*?)\s*(?:#|$)", PAGE, re.MULTILINE)


def test_blocks_run_in_order(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    code, names = "\n".join(BLOCKS), {"__name__": "page"}
    for long, short in {
        "steps=100": "steps=2",
        "steps=20": "steps=2, n=40, fixed={'sample.steps': 3}",
    }.items():
        assert long in code
        code = code.replace(long, short)
    exec(compile(code, "docs/report.md", "exec", dont_inherit=True), names)
    for page in (names["page"], names["again"], tmp_path / "compare" / "compare.html"):
        sound_page(tmp_path / page)
    assert names["best"].value <= names["found"].runs[0].value and len(names["side"].runs) == 2


@pytest.mark.parametrize("words", COMMANDS)
def test_commands_are_understood(words: str) -> None:
    name, *rest = shlex.split(words)
    assert len(COMMANDS) == 5 and parse(command(name), rest)


def test_the_picture_is_small() -> None:
    assert (HOME / "docs" / "images" / "report.png").stat().st_size < 200_000

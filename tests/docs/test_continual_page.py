"""Every Python block of docs/continual.md runs, in order, at toy size; its commands are commands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gibbsian.cli.continual import continual
from gibbsian.cli.options import parse

PAGE = (Path(__file__).parents[2] / "docs" / "continual.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
COMMANDS = re.findall(r"^gibbsian continual (.*?)\s*(?:#|$)", PAGE, re.MULTILINE)


def test_blocks_run_in_order(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    code = "\n".join(BLOCKS)
    for long, short in {"seeds=2": "seeds=1, rows=24", "seeds=1, tasks": "seeds=1, rows=24, tasks"}.items():
        assert long in code
        code = code.replace(long, short)
    names: dict = {"__name__": "page"}
    exec(compile(code, "docs/continual.md", "exec", dont_inherit=True), names)
    assert names["last"].shape == (2,) and list(names["points"].runs) == ["energy", "replay"]
    assert len(names["points"].classes) == 3 and (tmp_path / "two-tasks" / "seeds").is_dir()


@pytest.mark.parametrize("words", COMMANDS)
def test_commands_are_understood(words: str) -> None:
    assert len(COMMANDS) >= 6 and parse(continual, words.split())


def test_pictures_that_the_page_shows_are_there() -> None:
    for path in re.findall(r"\]\((images/[^)]+)\)", PAGE):
        assert (Path(__file__).parents[2] / "docs" / path).is_file(), path

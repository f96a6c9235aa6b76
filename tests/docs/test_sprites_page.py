"""The Python block of docs/sprites.md runs at toy size; its commands are commands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from gibbsian.cli.main import command
from gibbsian.cli.options import parse
from gibbsian.data import shapes

PAGE = (Path(__file__).parents[2] / "docs" / "sprites.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
COMMANDS = re.findall(r"^gibbsian (compose|infer) (.*?)\s*(?:#|$)", PAGE, re.MULTILINE)
SMALL = "steps=2, net__channels=[4], net__middle=4, chain__steps=12, train__batch_size=4"


def test_the_block_runs(monkeypatch) -> None:
    monkeypatch.setattr(shapes, "SIZE", {"train": 16, "test": 4})
    code = "\n".join(BLOCKS)
    assert "steps=6000" in code
    names: dict = {"__name__": "page"}
    exec(compile(code.replace("steps=6000", SMALL), "docs/sprites.md", "exec", dont_inherit=True), names)
    x, model, cs = names["drawn"].x, names["model"], names["conditions"]
    each = [model.neg_log_prob(x, c.expand(len(x), -1)) for c in (*cs, 0 * cs[0])]
    torch.testing.assert_close(names["joint"].energy(x), sum(each[:4]) - 3 * each[4])
    torch.testing.assert_close(names["papers_sum"].energy(x), sum(each[:4]))
    assert names["truth"].shape == (1, 32, 32) and len(names["found"].names) == 26


@pytest.mark.parametrize(("verb", "words"), COMMANDS)
def test_commands_are_understood(verb: str, words: str) -> None:
    assert len(COMMANDS) >= 4 and parse(command(verb), words.split())

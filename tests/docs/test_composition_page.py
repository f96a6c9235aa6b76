"""Every Python block of docs/composition.md runs, in order, for a moment; its commands are commands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

import gibbsian as gb
from gibbsian.cli.compose import compose
from gibbsian.cli.options import parse

PAGE = (Path(__file__).parents[2] / "docs" / "composition.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
COMMANDS = re.findall(r"^gibbsian compose (.*?)\s*(?:#|$)", PAGE, re.MULTILINE)


def test_blocks_run_in_order() -> None:
    code = "\n".join(BLOCKS)
    for long, short in {"steps=1000": "steps=2", "steps=1500": "steps=2, chain__steps=2"}.items():
        assert long in code
        code = code.replace(long, short)
    names: dict = {"__name__": "page"}
    exec(compile(code, "docs/composition.md", "exec", dont_inherit=True), names)
    x = torch.randn(3, 2)
    parts = names["ring"].neg_log_prob(x), names["grid"].neg_log_prob(x)
    assert torch.allclose(names["both"].energy(x), sum(parts)) and names["drawn"].x.shape == (64, 2)
    assert isinstance(names["papers_sum"], gb.EnergyModel)


@pytest.mark.parametrize("words", COMMANDS)
def test_commands_are_understood(words: str) -> None:
    assert len(COMMANDS) >= 6 and parse(compose, words.split())["runs"]

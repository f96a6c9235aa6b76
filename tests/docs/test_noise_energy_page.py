"""The Python block of docs/noise-energy.md runs at toy size; its commands are commands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from gibbsian.cli.main import command
from gibbsian.cli.options import parse

PAGE = (Path(__file__).parents[2] / "docs" / "noise-energy.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
COMMANDS = re.findall(r"^gibbsian (study normalisation|\w+) (.*?)\s*(?:#|$)", PAGE, re.MULTILINE)
SMALL = {
    "steps=2000": "steps=2, net__channels=(4,), net__middle=8, sampling__steps=3",
    "steps=200,": "steps=2,",
}


def test_the_block_runs() -> None:
    code = "\n".join(BLOCKS)
    for whole, small in SMALL.items():
        assert whole in code
        code = code.replace(whole, small)
    names: dict = {"__name__": "page"}
    exec(compile(code, "docs/noise-energy.md", "exec", dont_inherit=True), names)
    assert names["drawn"].x.shape == (16, 1, 8, 8) and names["nats"].shape == (4,)
    x = names["chain"].position
    assert x.shape == (16, 1, 8, 8) and bool(torch.isfinite(names["noisier"](x)).all())


@pytest.mark.parametrize(("verb", "words"), COMMANDS)
def test_commands_are_understood(verb: str, words: str) -> None:
    assert len(COMMANDS) == 8 and parse(command(verb), words.split())

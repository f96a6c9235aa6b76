"""Every Python block of docs/trajectories.md runs, in order, for a moment; its commands are commands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import gibbsian as gb
from gibbsian.cli.options import parse
from gibbsian.cli.rollout import rollout

PAGE = (Path(__file__).parents[2] / "docs" / "trajectories.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
COMMANDS = re.findall(r"^gibbsian rollout (.*?)\s*(?:#|$)", PAGE, re.MULTILINE)


def test_blocks_run_in_order() -> None:
    code = "\n".join(BLOCKS)
    for long, short in {
        "steps=2000": "steps=2, proposal__lead=1, chain__steps=2",
        "steps=500": "steps=2, chain__steps=2, sample__steps=2",
        "n=20, horizon=10": "n=2, horizon=3, steps=2",
        "n=200, horizon=10": "n=5, horizon=3",
    }.items():
        assert long in code
        code = code.replace(long, short)
    names: dict = {"__name__": "page"}
    exec(compile(code, "docs/trajectories.md", "exec", dont_inherit=True), names)
    assert names["futures"].paths.shape == (64, 11, 1) and names["also"].paths.shape == (16, 6, 1)
    assert (names["plans"].paths[:, -1] == 4).all() and names["measures"].nats is not None
    assert isinstance(names["contrastive"], gb.EnergyModel)


@pytest.mark.parametrize("words", COMMANDS)
def test_commands_are_understood(words: str) -> None:
    assert len(COMMANDS) >= 4 and parse(rollout, words.split())["run"]

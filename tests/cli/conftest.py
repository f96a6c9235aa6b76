"""Tiny runs that the tests of the command line share, and a way to call it in process."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from gibbsian.cli.main import main

TINY = {
    "short_run": "--data digits --preset digits --net.name mlp --net.hidden [8] --chain.steps 2",
    "igebm": "--data digits --preset uva-mnist --net.name mlp --net.hidden [8] --net.classes 10"
    " --chain.steps 2 --sample.steps 2 --start.capacity 64",
    "generative_convnet": "--data toy:ring --preset toy-convergent --net.hidden [8] --chain.steps 2"
    " --start.capacity 64",
}
"""Settings that make a run of a few milliseconds an update."""


def tiny_words(system: str, out: Path, *more: str) -> list[str]:
    """The words of a tiny training."""
    quick = "--train.batch_size 16 --train.log_every 1 --train.sample_every 0"
    words = f"train {system} {TINY[system]} {quick}"
    return [*words.split(), "--out", str(out), *more]


@pytest.fixture
def cli(called):
    """Call `gibbsian` in process: `cli("list", "systems")` or `cli("list systems")`."""
    return partial(called, main)


@pytest.fixture
def tiny():
    """`tiny("igebm", folder, "--steps", "3")`: the words of a tiny training."""
    return tiny_words


@pytest.fixture(scope="session")
def runs(tmp_path_factory) -> dict[str, Path]:
    """One finished run of three updates for each system. Not to be written to."""
    root = tmp_path_factory.mktemp("runs")
    for system in TINY:
        assert main([*tiny_words(system, root / system, "--steps", "3"), "--json"]) == 0
    return {system: root / system for system in TINY}

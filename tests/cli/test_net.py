"""A network of one's own, named on the command line, wherever one stands."""

from __future__ import annotations

import pytest

from gibbsian.cli.main import main

CODE = """
from torch import nn


class Small(nn.Sequential):
    def __init__(self):
        super().__init__(nn.LazyLinear(8), nn.SiLU(), nn.Linear(8, 1))
"""


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A folder beside that of a run whose network is a file there."""
    monkeypatch.setattr("gibbsian.core.found._TRUSTED", set())
    (tmp_path / "here").mkdir()
    (tmp_path / "there").mkdir()
    (tmp_path / "here" / "my net.py").write_text(CODE)
    monkeypatch.chdir(tmp_path / "here")
    flags = ["--net", "my net.py:Small", "--steps", "1", "--train.batch_size", "8"]
    assert main(["train", "igebm", "--data", "toy:ring", *flags, "--out", "run"]) == 0
    monkeypatch.chdir(tmp_path / "there")
    return tmp_path


@pytest.mark.parametrize(
    "place", ["../here/my net.py", "{}/here/my net.py", "~/here/my net.py", "moved/my net.py"]
)
def test_a_run_is_used_from_another_folder(elsewhere, monkeypatch, capsys, place):
    sample = ["sample", "../here/run", "-n", "2", "--steps", "1"]
    assert main(sample) == 2 and "--net 'my net.py:Small' on the command line" in capsys.readouterr().err
    monkeypatch.setenv("HOME", str(elsewhere))
    if place.startswith("moved"):
        (elsewhere / "there" / "moved").mkdir()
        (elsewhere / "here" / "my net.py").rename(elsewhere / "there" / place)
    assert main([*sample, "--net", f"{place.format(elsewhere)}:Small"]) == 0

"""The paper of docs/examples/hinge, installed as a package of its own, is a paper like any other."""

from __future__ import annotations

import importlib
import shutil
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import gibbsian as gb
from gibbsian.cli.main import main
from gibbsian.cli.train import run_name
from gibbsian.models.papers import PAPERS

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "hinge"
TINY = [
    "--train.batch_size",
    "32",
    "--train.save_every",
    "4",
    "--chain.steps",
    "3",
    "--train.sample_every",
    "0",
]


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The example as `pip install` leaves it: a module, and its entry points beside it."""
    site = tmp_path / "site"
    about = site / "hinge-0.1.dist-info"
    about.mkdir(parents=True)
    shutil.copy(EXAMPLE / "hinge.py", site)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: hinge\nVersion: 0.1\n")
    (about / "entry_points.txt").write_text("[gibbsian.models]\nhinge = hinge:PAPER\n")
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.chdir(tmp_path)
    importlib.invalidate_caches()
    yield tmp_path
    PAPERS.pop("hinge", None)
    sys.modules.pop("hinge", None)


def train(out: str, steps: int, *more: str) -> int:
    words = ["train", "hinge", "--data", "toy:ring", "--steps", str(steps), "--out", out, *more]
    return main([*words, *TINY])


def weights(run: str) -> dict[str, torch.Tensor]:
    return load_file(next(Path(run, "checkpoints").glob("*008/*.safetensors")))


def test_it_is_short() -> None:
    assert len((EXAMPLE / "hinge.py").read_text().splitlines()) < 80


def test_every_command_knows_it(installed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "systems"]) == 0 and "a hinge on the contrast" in capsys.readouterr().out
    assert train("whole", 8) == 0
    assert train("parts", 4) == 0 and train("parts", 8, "--resume", "auto") == 0
    one, two = weights("whole"), weights("parts")
    assert one.keys() == two.keys() and all(torch.equal(one[k], two[k]) for k in one)
    assert main(["sample", "whole", "-n", "5", "--npz", "a.npz"]) == 0
    assert main(["evaluate", "whole", "-n", "32", "--draws", "2"]) == 0
    assert main(["export", "whole", "--out", "model"]) == 0
    x = gb.load("whole").sample(3, seed=1).x
    assert torch.equal(gb.load("model").sample(3, seed=1).x, x)


def test_a_file_beside_you_is_named_by_you_and_never_by_a_file(
    installed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["train", "hinge:PAPER", "--data", "toy:ring", "--steps", "4", "--out", "run"]
    assert main([*words, *TINY]) == 0
    assert run_name("hinge:PAPER", "toy:ring") == "hinge-toy-ring"
    PAPERS.pop("hinge:PAPER")
    with pytest.raises(gb.GibbsianError, match="hinge:PAPER.*trust"):
        gb.load("run")
    assert gb.load("run", trust=True).sample(2).x.shape == (2, 2)
    PAPERS.pop("hinge:PAPER")

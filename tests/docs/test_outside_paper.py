"""The paper of docs/examples/hinge, installed as a package of its own, is a paper like any other."""

from __future__ import annotations

import importlib
import re
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import gibbsian as gb
from gibbsian.cli.main import main
from gibbsian.cli.train import run_name
from gibbsian.models.papers import GIVEN, PAPERS, register_paper

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


PAGE = (EXAMPLE.parents[1] / "architecture.md").read_text()
COPIED = {
    "plain": re.search(r"## Add a paper\n.*?```python\n(.*?)```", PAGE, re.DOTALL)[1],
    "hinge": (EXAMPLE / "hinge.py").read_text(),
}


@pytest.mark.parametrize("name", COPIED)
def test_files_that_people_copy(name, tmp_path, monkeypatch, capsys) -> None:
    before = dict(PAPERS)
    for folder in ("here", "there"):
        (tmp_path / folder).mkdir()
    monkeypatch.chdir(tmp_path / "here")
    Path(f"{name}.py").write_text(COPIED[name])
    small = ["--train.batch_size", "32", "--net.hidden", "[8]", "--data", "toy:ring"]
    try:
        for steps in ("2", "4"):
            words = ["train", f"{name}.py:PAPER", "--steps", steps, "--out", "run", "--resume", "auto"]
            assert main([*words, *small]) == 0
        assert {f"step-00000{n}.png" for n in (2, 4)} <= {p.name for p in Path("run/samples").iterdir()}
        forget(before)
        monkeypatch.chdir(tmp_path / "there")
        words = ["sample", "../here/run", "-n", "2", "--npz", "a.npz"]
        assert main(words) == 2 and "--paper FILE.py:OBJECT" in capsys.readouterr().err
        assert main([*words, "--paper", f"../here/{name}.py:PAPER"]) == 0
        model = gb.load("../here/run")  # the command line has said whose it is
        assert model.claims_density is (name == "plain")
    finally:
        forget(before)
        sys.modules.pop(name, None)


def forget(known: dict) -> None:
    GIVEN.clear()
    PAPERS.clear()
    PAPERS.update(known)


def test_the_hinge_logs_its_gap_keeps_its_chains_and_clamps(installed: Path) -> None:
    paper = importlib.import_module("hinge").PAPER
    clamped = {"chain": {"clamp": True}, "net": {"hidden": [8]}, "capacity": 64}
    learner = gb.build(register_paper(paper).name, clamped, (2,), 0)
    assert learner.kernel.clamp == (-2.5, 2.5) == learner.model.sampler().kernel.clamp
    loss = next(learner.losses(gb.Batch(torch.zeros(8, 2)), 0, gb.generator(0)))[1]
    assert {"energy_gap", "drift", "divergent"} <= loss.metrics.keys()
    assert learner.model.sample(4, sampler=learner.samplers()["buffer"], steps=1).x.shape == (4, 2)


class NoDataclass:
    """Settings without @dataclass."""


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"config": NoDataclass}, "config of paper 'hinge'.*NoDataclass.*dataclass"),
        ({"build": lambda config, event_shape, rng: None}, r"as build\(config, event_shape, rng, net\)"),
        ({"build": lambda *given: None}, "returned a NoneType: it must return a Learner"),
        ({"build": lambda *given: torch.nn.Linear(1, 1)}, "returned a Linear: it must return a Learner"),
    ],
)
def test_a_broken_paper_is_one_line(installed: Path, change: dict, said: str) -> None:
    paper = replace(importlib.import_module("hinge").PAPER, **change)
    with pytest.raises(gb.GibbsianError, match=said):
        gb.build(register_paper(paper).name, {}, (2,), 0)

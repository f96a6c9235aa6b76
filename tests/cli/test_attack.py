"""`gibbsian attack`: words in, files and one object out; wrong words are one line."""

from __future__ import annotations

import json
import shutil

import pytest

from gibbsian.cli.attack import radii
from gibbsian.core.errors import UsageError

QUICK = "-n 6 --eps 0,1/4 --steps 1 --restarts 1 --refine 0,1"


def test_radii_are_numbers_or_fractions():
    assert radii("--eps", "0,8/255, 0.5") == [0, 8 / 255, 0.5]
    for wrong in ("0,x", "1/0", "", "a/b", "1/2/3"):
        with pytest.raises(UsageError, match="--eps is"):
            radii("--eps", wrong)
    with pytest.raises(UsageError, match="--eps is -0.1"):
        radii("--eps", "-0.1")


def test_a_run_is_attacked_and_everything_written(cli, runs, tmp_path):
    shutil.copytree(runs["igebm"], tmp_path / "run")
    ran = cli("attack", str(tmp_path / "run"), *QUICK.split(), "--json")
    told = ran.json
    assert ran.code == 0 and list(told["classifiers"]) == ["run", "run + 1 steps"]
    assert told["eps"] == [0, 0.25] and told["n"] == 6 and told["data"] == "digits"
    folder = tmp_path / "run" / "attack"
    named = {"attack.json", "attack.txt", "attack-examples.png", "attack-curves.png", "attack-by-attack.png"}
    assert named <= {p.name for p in folder.iterdir()} and len(told["written"]) == len(named)
    kept = json.loads((folder / "attack.json").read_text())
    assert kept["classifiers"] == told["classifiers"]


def test_runs_beside_and_the_papers_attacks(cli, runs, tmp_path):
    words = f"-n 4 --eps 0.1 --steps 1 --attacks papers --refine 1 --out {tmp_path}"
    ran = cli("attack", str(runs["igebm"]), *words.split(), "--runs", str(runs["igebm"]))
    assert ran.code == 0 and "igebm (2) + 1 steps" in ran.out and "transfer (paper's)" in ran.out
    assert f"wrote {tmp_path / 'attack.json'}" in ran.out


def test_points_of_the_plane_are_one_line(cli, tmp_path):
    words = "train jem --preset toy --net.hidden [8] --chain.steps 2 --steps 2 --train.sample_every 0"
    assert cli(*words.split(), "--out", str(tmp_path / "toy")).code == 0
    ran = cli("attack", str(tmp_path / "toy"))
    assert ran.code == 2 and "holds points" in ran.err and ran.err.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("--attacks pgd-ful", "did you mean 'pgd-full'"),
        ("--eps -0.1", "--eps is -0.1"),
        ("--eps small", "give numbers with commas"),
        ("--norm l3", "--norm is 'l3'"),
        ("--classes nine --eps 0", "unknown class of digits 'nine'"),
        ("--refine ten", "give whole numbers"),
        ("--steps 0", "steps is 0"),
        ("-n 0", "n is 0"),
        ("--attacks pgd-full --refine 0", "none of pgd-full attacks a classifier that does not refine"),
    ],
)
def test_wrong_words_are_one_line(cli, runs, tmp_path, words, told):
    ran = cli("attack", str(runs["igebm"]), *words.split(), "--out", str(tmp_path))
    assert ran.code == 2 and told in ran.err and ran.err.count("\n") == 1


def test_a_system_without_labels_is_one_line(cli, runs, tmp_path):
    ran = cli("attack", str(runs["short_run"]), "--out", str(tmp_path))
    assert ran.code == 2 and "has no label head" in ran.err and ran.err.count("\n") == 1

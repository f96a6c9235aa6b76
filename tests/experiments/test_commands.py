"""The studies as commands: what they hand on, write and refuse."""

from __future__ import annotations

import pytest
from known import stand_in

from experiments.density import __main__ as density
from experiments.disentangle import __main__ as disentangle
from experiments.fewshot import __main__ as fewshot
from gibbsian.cli.main import main


@pytest.fixture
def asked(monkeypatch):
    """What the studies are asked for, by name."""
    calls = {}
    monkeypatch.setattr(density, "study_density", stand_in(calls, "density"))
    monkeypatch.setattr(disentangle, "study_disentangle", stand_in(calls, "disentangle"))
    monkeypatch.setattr(fewshot, "evaluate_latents", stand_in(calls, "fewshot"))
    return calls


def test_density_and_fewshot_from_end_to_end(experiment, runs, tmp_path):
    out = ["--out", str(tmp_path)]
    ran = experiment(density.density, str(runs["gebm"]), *"--seeds 0 --base-samples 200".split(), *out)
    assert ran.code == 0 and "one Gaussian" in ran.out and (tmp_path / "density-nats.png").is_file()
    words = "--labels 1 --draws 2 -n 20".split()
    ran = experiment(fewshot.fewshot, str(runs["vaebm"]), *words, *out)
    assert ran.code == 0 and "PCA" in ran.out and (tmp_path / "fewshot-accuracy.png").is_file()


def test_words_are_handed_on(experiment, runs, asked, tmp_path):
    run, out = str(runs["vaebm"]), ["--out", str(tmp_path)]
    experiment(disentangle.disentangle, run, *out, *"-n 7 --chain-steps 3 --seed 4".split())
    _, options = asked["disentangle"]
    assert (options["n"], options["steps"], options["seed"]) == (7, 3, 4)
    experiment(fewshot.fewshot, run, *out, *"--draws 5 --labels 1,0 --against mnist,noise".split())
    _, options = asked["fewshot"]
    assert (options["runs"], options["per_class"], options["others"]) == (5, [1, 0], ["mnist", "noise"])


def test_density_knows_how_the_run_was_trained(experiment, runs, asked, tmp_path):
    ran = experiment(density.density, str(runs["gebm"]), "--seeds", "5", "--out", str(tmp_path), "--json")
    (_, run), options = asked["density"]
    assert run.train.steps == 4 and run.data == options["data"] == "toy:ring" and options["seeds"] == 5
    assert ran.json["gap"] == "inf"


def test_what_cannot_be_asked_is_one_line(experiment, runs, tmp_path):
    ran = experiment(density.density, str(runs["vaebm"]), "--out", str(tmp_path))
    assert ran.code == 2 and "no exact density" in ran.err
    assert main(["export", str(runs["gebm"]), "--out", str(tmp_path / "m")]) == 0
    ran = experiment(density.density, str(tmp_path / "m"), "--out", str(tmp_path))
    assert ran.code == 2 and "does not say how it was trained" in ran.err and ran.err.count("\n") == 1

"""`gibbsian doctor`."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from gibbsian.cli import selfcheck
from gibbsian.core.energy import score_function
from gibbsian.mcmc.mala import MALA


def test_this_machine_is_sound(cli):
    report = cli("doctor --json")
    assert report.code == 0 and report.json["ok"]
    assert set(report.json["checks"]) == set(selfcheck.CHECKS)
    assert report.json["versions"]["torch"]


def test_a_wrong_sign_is_found(cli, monkeypatch):
    monkeypatch.setattr(selfcheck, "score_function", lambda energy, x: -score_function(energy, x))
    ran = cli("doctor")
    assert ran.code == 1 and "FAIL" in ran.out and "wrong numbers" in ran.out


def test_a_kernel_that_accepts_everything_is_found(monkeypatch):
    good, _ = selfcheck.exact(MALA(1.0))
    assert good
    monkeypatch.setattr(MALA, "_log_ratio", lambda self, old, new, xi: 0 * new.energy)
    assert not selfcheck.exact(MALA(1.0))[0]


def test_a_run_is_told_in_words(cli, runs):
    ran = cli("doctor", str(runs["short_run"]))
    assert ran.code == 0 and "nothing is wrong" in ran.out.splitlines()[0]
    assert "\ngood   done at step 3 of 3" in ran.out and "64 chains from noise" in ran.out
    results = cli("doctor", str(runs["short_run"]), "--json").json["results"]
    assert results[0]["grade"] == "good"


@pytest.mark.parametrize("name", ["none", "."])
def test_no_run_there(cli, tmp_path, name):
    ran = cli("doctor", str(tmp_path / name))
    assert ran.code == 1 and ran.err.count("\n") == 1


@pytest.fixture
def cut(runs, tmp_path):
    """A run of which the settings ask for 5,000 updates and that made three."""
    shutil.copytree(runs["igebm"], tmp_path / "cut")
    config = tmp_path / "cut" / "config.yaml"
    config.write_text(config.read_text().replace("  steps: 3\n", "  steps: 5000\n"))
    record = tmp_path / "cut" / "run.json"
    record.write_text(record.read_text().replace('"recipe": 3', '"recipe": 5000'))
    return str(tmp_path / "cut")


def test_a_cut_run_is_not_called_good(cli, cut):
    assert "watch  cut short by its budget of time at step 3 of 5000" in cli("doctor", cut).out


def test_a_recipe_that_was_gone_through_in_fewer_updates_is_done(cli, cut):
    record = Path(cut) / "run.json"
    record.write_text(record.read_text().replace('"made": 3', '"made": 5000'))
    told = "\ngood   done at step 3, in which a recipe of 5000 was gone through"
    assert told in cli("doctor", cut).out


@pytest.mark.parametrize(
    "words",
    ["crossclass -n 2 --steps 1 --to 1", "evaluate -n 16 --draws 2", "study dimension -n 2", "sample -n 2"],
)
def test_every_verb_says_that_training_was_cut_short(cli, cut, tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    verb, *rest = words.split()
    ran = cli(verb, *([rest.pop(0)] if verb == "study" else []), cut, *rest)
    assert ran.code == 0 and "cut short: 3 of 5,000 updates, as its budget of time" in ran.out + ran.err


def test_a_run_that_was_killed_is_not_laid_on_its_budget(cli, cut, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    record = Path(cut) / "run.json"
    record.write_text(record.read_text().replace('"done"', '"running"'))
    assert "cut short: 3 of 5,000 updates\n" in cli("sample", cut, "-n", "2").err

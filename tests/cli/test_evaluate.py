"""`gibbsian evaluate`: what it asks for and hands on; the measures have tests of their own."""

from __future__ import annotations

import json

import pytest

from gibbsian.cli.runs import trained_on
from gibbsian.tasks import evaluate as task
from gibbsian.tasks.pages import evaluation  # noqa: F401 (binds the evaluate that is there)


class StandIn:
    neighbours = None

    def to_dict(self):
        return {"measure": 1.5}

    def text(self):
        return "measure  1.5"


@pytest.fixture
def asked(monkeypatch):
    calls = []

    def evaluate(system, data, **options):
        calls.append((data, options))
        return StandIn()

    monkeypatch.setattr(task, "evaluate", evaluate)
    return calls


def test_the_data_of_training_is_measured_against(cli, runs, asked, tmp_path):
    words = [
        "evaluate",
        str(runs["short_run"]),
        "-n",
        "20",
        "--draws",
        "2",
        "--seed",
        "4",
        "--out",
        str(tmp_path / "e"),
    ]
    ran = cli(*words)
    assert ran.code == 0 and ran.out == "measure  1.5\n"
    ((data, options),) = asked
    assert data == "digits" and (options["n"], options["draws"], options["seed"]) == (20, 2, 4)
    assert json.loads((tmp_path / "e/report.json").read_text())["measure"] == 1.5


def test_json(cli, runs, asked):
    ran = cli("evaluate", str(runs["short_run"]), "--json")
    assert ran.json == {"run": str(runs["short_run"]), "data": "digits", "measure": 1.5}


def test_other_data(cli, runs, asked):
    cli("evaluate", str(runs["short_run"]), "--data", "mnist")
    assert asked[0][0] == "mnist"


def test_an_exported_model_knows_its_data(cli, runs, tmp_path):
    assert cli("export", str(runs["generative_convnet"]), "--out", str(tmp_path / "m")).code == 0
    assert trained_on(str(tmp_path / "m")) == trained_on(str(runs["generative_convnet"])) == "toy:ring"


def test_no_run_there(cli, tmp_path):
    ran = cli("evaluate", str(tmp_path))
    assert ran.code == 1 and ran.err.count("\n") == 1


def test_a_folder_that_cannot_be_written_is_told_before_the_work(cli, runs, asked, tmp_path):
    (tmp_path / "file").write_text("")
    ran = cli("evaluate", str(runs["short_run"]), "--out", str(tmp_path / "file"))
    assert ran.code == 2 and "cannot make folder" in ran.err and not asked
    ran = cli("sample", str(runs["short_run"]), "--npz", str(tmp_path / "file/x.npz"))
    assert ran.code == 2 and "cannot make folder" in ran.err

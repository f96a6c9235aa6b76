"""Systems beside baselines: who is in the table, what is noted, and the command."""

from __future__ import annotations

import json
import shutil

import pytest
from known import untrained

from experiments.attack.__main__ import attack
from experiments.attack.study import Baselines, attack_beside
from gibbsian.tasks.attack.classifiers import Refinement
from gibbsian.tasks.attack.sweep import Threat

QUICK = Threat(eps=(0.1, 0.3), steps=2, restarts=1, eot=2)
WORDS = "-n 6 --eps 0,1/4 --steps 1 --restarts 1 --refine 0,1 --baselines plain --baseline-minutes 0.002"


@pytest.fixture(scope="module")
def found():
    """Two systems of one kind, one in a smaller range, and both baselines; and how progress went."""
    told = []
    result = attack_beside(
        {"one": untrained(), "other": untrained(head="scalar", high=0.0)},
        "digits",
        threat=QUICK,
        refinement=Refinement((0, 2)),
        baselines=Baselines(updates=5),
        n=12,
        progress=lambda *done: told.append(done),
    )
    return result, told


def test_every_classifier_is_in_the_table(found):
    result, told = found
    names = ["plain", "trained by PGD", "one", "one + 2 steps", "other", "other + 2 steps"]
    assert list(result.outcomes) == names == list(result.boxes) and result.n == 12
    assert result.boxes["other"] == (-1.0, 0.0) and result.boxes["plain"] == (-1.0, 1.0)
    assert list(result.outcomes["plain"].right) == ["pgd", "margin", "noise"]
    done = [d for d, _, _ in told]
    assert done == sorted(done) and {total for _, total, _ in told} == {800} and done[-1] > 700
    assert told[0][2].startswith("training: plain") and "other + 2 steps transfer" in told[-1]


def test_how_baselines_and_biases_came_about_is_noted(found):
    told = json.loads(json.dumps(found[0].to_dict()))
    assert told["baselines"]["trained by PGD"]["kind"] == "pgd" and told["refinement"]["steps"] == [0, 2]
    assert (
        set(told["class_biases"]) == {"one", "other"}
        and len(told["class_biases"]["one"]["class_biases"]) == 10
    )
    assert "other: a bias a class was fitted to 1397 training images" in found[0].text()


def test_figures_have_every_classifier(found):
    labels = [t.get_text() for t in found[0].figures()["curves"].axes[0].get_legend().get_texts()]
    assert labels == list(found[0].outcomes)


def test_the_command_writes_everything(experiment, runs, tmp_path):
    shutil.copytree(runs["igebm"], tmp_path / "plain")
    ran = experiment(attack, str(tmp_path / "plain"), *WORDS.split(), "--json")
    told = ran.json
    assert ran.code == 0 and list(told["classifiers"]) == ["plain", "plain (1)", "plain (1) + 1 steps"]
    assert told["eps"] == [0, 0.25] and told["n"] == 6 and told["data"] == "digits"
    folder = tmp_path / "plain" / "attack"
    assert json.loads((folder / "attack.json").read_text())["classifiers"] == told["classifiers"]
    assert (folder / "baselines" / "plain.safetensors").is_file()


def test_without_baselines_and_biases(experiment, runs, tmp_path):
    words = f"-n 4 --eps 0.1 --steps 1 --refine 1 --baselines none --fit-class-biases no --out {tmp_path}"
    ran = experiment(attack, str(runs["igebm"]), *words.split())
    assert ran.code == 0 and "igebm + 1 steps" in ran.out and "offset a class" not in ran.out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("--train-eps x", "--train-eps is 'x'"),
        ("--baselines pgdd", "unknown baseline 'pgdd': did you mean 'pgd'"),
        ("--baseline-minutes 0 --eps 0 -n 2", "minutes is 0"),
        ("--steps 0", "steps is 0"),
    ],
)
def test_wrong_words_are_one_line(experiment, runs, tmp_path, words, told):
    ran = experiment(attack, str(runs["igebm"]), *words.split(), "--out", str(tmp_path))
    assert ran.code == 2 and told in ran.err and ran.err.count("\n") == 1

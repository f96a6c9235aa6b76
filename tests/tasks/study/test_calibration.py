"""The calibration study: exact answers of made-up classifiers, and what it refuses."""

from __future__ import annotations

import json
import math

import pytest
import torch
from torch import Tensor, nn

from gibbsian.core.errors import UsageError
from gibbsian.core.spec import DataSpec
from gibbsian.data.load import load
from gibbsian.models.model import EnergyModel
from gibbsian.tasks.study import calibration
from gibbsian.tasks.study.calibration import study_calibration


class Answering(EnergyModel):
    """A model that is right on test rows whose number is no multiple of `wrong`, and says `p` each time."""

    joint = True

    def __init__(self, p: float, wrong: int) -> None:
        super().__init__(DataSpec((1, 8, 8), -1.0, 1.0, 10))
        self.at = nn.Parameter(torch.zeros(()))
        held = load("digits", "test")
        self.x, self.y, self.p = held.batch(torch.arange(400), -1.0, 1.0).x, held.y.clone(), p
        self.y[::wrong] = (self.y[::wrong] + 1) % 10

    def energy(self, x, y=None):
        """Not asked for."""
        raise NotImplementedError

    neg_log_prob = energy

    def logits(self, x: Tensor) -> Tensor:
        """log of `p` for the answer, of equal shares for the rest."""
        row = (x[:, None] == self.x[None]).flatten(2).all(2).double().argmax(1)
        rest = torch.full((len(x), 10), math.log((1 - self.p) / 9))
        return rest.scatter(1, self.y[row][:, None], math.log(self.p)) + self.at


@pytest.fixture(scope="module")
def systems():
    """Right in 7 of 8 and in 3 of 4 rows, both sure to .78."""
    return {"a": Answering(0.78, 8), "b": Answering(0.78, 4)}


def test_exact_answers(systems, monkeypatch) -> None:
    monkeypatch.setattr(calibration, "REPEATS", 20)
    said: list[str] = []
    found = study_calibration(systems, "digits", bins=10, progress=said.append)
    assert said == ["answers of a", "answers of b"] and list(found.rows) == ["a", "b", "mean of 2"]
    a, b, mean = found.rows.values()
    assert a["accuracy"].estimate == 0.875 and 0.83 < a["accuracy"].low < 0.875 < a["accuracy"].high < 0.91
    assert a["confidence"].estimate == pytest.approx(0.78) and a["confidence"].half_width < 1e-6
    assert a["ECE"].estimate == pytest.approx(0.095, abs=1e-6)
    assert b["ECE"].estimate == pytest.approx(0.03, abs=1e-6) and b["ECE"].low < 0.03 < b["ECE"].high
    assert a["ECE by mass"].estimate >= a["ECE"].estimate - 1e-6, "finer bins of one confidence"
    rest = -math.log(0.22 / 9)
    assert a["NLL"].estimate == pytest.approx(0.875 * -math.log(0.78) + 0.125 * rest, abs=1e-6)
    right = 0.22**2 + 9 * (0.22 / 9) ** 2
    wrong = 0.78**2 + (1 - 0.22 / 9) ** 2 + 8 * (0.22 / 9) ** 2
    assert a["Brier"].estimate == pytest.approx(0.875 * right + 0.125 * wrong, abs=1e-6)
    assert mean["accuracy"].estimate == 0.8125
    assert mean["accuracy"].half_width == pytest.approx(12.706 * 0.0625, rel=1e-3), "Student's t of 2 seeds"
    assert found.diagrams["b"].count.tolist() == [0] * 7 + [400, 0, 0]
    assert found.joint and "normaliser" not in found.text() and "n = 400" in found.text()


def test_record_and_figure(systems) -> None:
    found = study_calibration({"runs/a": systems["a"]}, "digits", n=60, bins=5, seed=3)
    again = study_calibration({"runs/a": systems["a"]}, "digits", n=60, bins=5, seed=3)
    told = found.to_dict()
    assert told == again.to_dict() and json.loads(json.dumps(told, allow_nan=False)) == told
    assert (told["n"], told["split"], told["seed"], list(told["runs"])) == (60, "test", 3, ["runs/a"])
    first, filled = told["reliability"]["runs/a"][0], told["reliability"]["runs/a"][3:]
    assert first == {"low": 0.0, "high": 0.2, "count": 0.0, "confidence": None, "accuracy": None}
    assert sum(b["count"] for b in filled) == 60
    assert list(found.figures()) == ["reliability"]


def test_the_softmax_of_a_conditional_model_is_told_to_be_none(tiny_run) -> None:
    small = {"net.name": "mlp", "net.hidden": [8], "net.classes": 10, "start.capacity": 20}
    system = tiny_run("igebm", "digits", small).trainer.model.eval()
    found = study_calibration({"igebm": system}, "digits", n=40)
    assert not found.joint and "a normaliser of its own, which is unknown" in found.text()
    trained = tiny_run("jem", "digits", {**small}).trainer.model.eval()
    assert study_calibration({"jem": trained}, "digits", n=40).joint


def test_what_cannot_be_asked_is_one_line(systems, tiny_run) -> None:
    plain = tiny_run("igebm", "digits", {"net.name": "mlp", "net.hidden": [8], "start.capacity": 20})
    for arguments, words in [
        ((systems, "table:diabetes"), "no labels"),
        (({}, "digits"), "no model was given"),
        (({"igebm": plain.trainer.model}, "digits"), "no label head"),
    ]:
        with pytest.raises(UsageError, match=words):
            study_calibration(*arguments)
    for more, words in [
        ({"n": 5}, "n is 5: take 20"),
        ({"bins": 0}, "bins is 0"),
        ({"n": 30, "bins": 50}, "50"),
    ]:
        with pytest.raises(UsageError, match=words):
            study_calibration(systems, "digits", **more)


def test_other_classes_are_refused(tiny_run) -> None:
    ring = {"net.name": "mlp", "net.hidden": [8], "net.classes": 8, "start.capacity": 20}
    system = tiny_run("jem", "toy:ring", ring).trainer.model.eval()
    assert study_calibration({"ring": system}, "toy:ring", n=40).rows["ring"]["accuracy"].estimate < 1
    with pytest.raises(UsageError, match="the model has 8 classes, toy:rings has 3"):
        study_calibration({"ring": system}, "toy:rings", n=40)

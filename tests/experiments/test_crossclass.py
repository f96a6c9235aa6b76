"""Chains of one class whose ends are known, and the command."""

from __future__ import annotations

import json

import pytest
import torch

from experiments.crossclass.__main__ import crossclass
from experiments.crossclass.study import study_crossclass
from gibbsian.core.errors import UsageError
from tests.templates import Templates, digits_of_each_class


@pytest.fixture(scope="module")
def templates() -> torch.Tensor:
    """One for each class."""
    return digits_of_each_class()


@pytest.fixture(scope="module")
def flat(templates):
    return study_crossclass(Templates(templates, 0.0), "digits", per_class=3, chains=4)


def test_steep_energies_have_one_mode_a_class(templates):
    steep = study_crossclass(Templates(templates, 1.0), "digits", per_class=3, chains=4)
    assert steep.modes.measures["as asked"].estimate == 1
    assert steep.modes.measures["spread"].estimate == pytest.approx(0, abs=1e-6)
    assert steep.modes.measures["completions"].estimate == pytest.approx(0, abs=1e-6)
    assert steep.modes.measures["differ"].estimate == 0
    assert steep.modes.measures["completions, test images"].estimate > 0.1


def test_flat_energies_change_no_class(flat):
    assert flat.class_changes.changed["test image"].estimate == 0 and flat.class_changes.n == 30
    assert (
        flat.class_changes.changed["corrupted image"] == flat.class_changes.before
        and flat.class_changes.before.estimate > 0
    )
    worst = flat.class_changes.worst["corrupted image"]
    assert len(worst.clean) == round(30 * flat.class_changes.before.estimate)
    assert torch.equal(worst.begun, worst.ended)
    assert len(flat.class_changes.worst["test image"].clean) == 0


def test_the_record_speaks_to_machines_and_people(flat):
    told = json.loads(json.dumps(flat.to_dict()))
    assert told["class_changes"]["published"]["corrupted image"] == 0.3 and told["modes"]["per_class"] == 4
    text = flat.text()
    assert "about 30%" in text and "corrupted, no chain" in text and "judged as asked, %" in text
    assert set(flat.pictures) == {"crossclass", "modes", "changed-corrupted-image"}


def test_one_chain_a_class_is_refused(templates):
    with pytest.raises(UsageError, match="chains is 1"):
        study_crossclass(Templates(templates, 1.0), "digits", chains=1)


def test_the_command_writes_all_three(experiment, runs, tmp_path):
    words = "-n 2 --chains 2 --to 1,4 --steps 2"
    ran = experiment(crossclass, str(runs["igebm"]), *words.split(), "--out", str(tmp_path), "--json")
    assert ran.code == 0 and ran.json["pairs"]["targets"] == [1, 4] and ran.json["modes"]["per_class"] == 2
    names = {p.name for p in tmp_path.iterdir()}
    assert {"crossclass.json", "crossclass.txt", "crossclass.png", "modes.png"} <= names
    assert "IGEBM, CIFAR-10" in (tmp_path / "crossclass.txt").read_text()

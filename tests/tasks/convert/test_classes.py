"""Chains across classes whose ends are known: flat energies stay, steep ones reach their template."""

from __future__ import annotations

import json

import pytest
import torch

from gibbsian.core.errors import UsageError
from gibbsian.tasks.convert.classes import crossclass
from tests.templates import Templates, digits_of_each_class


@pytest.fixture(scope="module")
def templates() -> torch.Tensor:
    """One for each class."""
    return digits_of_each_class()


@pytest.fixture(scope="module")
def steep(templates):
    return crossclass(Templates(templates, 1.0), "digits", per_class=3)


@pytest.fixture(scope="module")
def flat(templates):
    return crossclass(Templates(templates, 0.0), "digits", per_class=3)


def test_steep_energies_lead_every_image_to_the_class_asked_for(steep, templates):
    assert steep.pairs.measures["reached"].estimate == 1 and bool((steep.pairs.matrix == 1).all())
    assert steep.pairs.x.shape == (10, 30, 1, 8, 8)
    for k in range(10):
        assert torch.allclose(steep.pairs.x[k], (templates[k] + 1) / 2, atol=1e-6)


def test_flat_energies_leave_everything_as_it_was(flat):
    measures = flat.pairs.measures
    assert measures["pixels"].estimate == measures["features"].estimate == 0
    assert measures["pixels, other"].estimate > 0.1 and measures["features, other"].estimate > 1
    judged_right = flat.pairs.matrix.diagonal().mean()
    assert measures["reached"].estimate == pytest.approx(float(1 - judged_right) / 9, abs=1e-9)


def test_the_record_speaks_to_machines_and_people(steep, flat):
    told = json.loads(json.dumps(steep.to_dict()))
    assert (
        told["pairs"]["reached"]["value"] == 1 and told["per_class"] == 3 and told["judge"].endswith("judge")
    )
    assert "judged as asked, %" in flat.text() and set(flat.pictures) == {"crossclass"}
    assert set(steep.figures()) == {"pairs"}
    wide, high = steep.pictures["crossclass"].size
    assert wide > high * 0.95


def test_some_targets_only(templates):
    found = crossclass(Templates(templates, 1.0), "digits", per_class=2, to=[3, 3, 7])
    assert list(found.pairs.targets) == [3, 7] and found.pairs.matrix.shape == (10, 2)
    assert found.pairs.measures["reached"].estimate == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"to": [10]}, "class 10 is unknown"),
        ({"per_class": 1}, "2 images"),
        ({"per_class": 500}, "ask for no more"),
        ({"steps": 0}, "1 step"),
    ],
)
def test_mistakes_are_one_line(templates, options, words):
    with pytest.raises(UsageError, match=words) as error:
        crossclass(Templates(templates, 1.0), "digits", **options)
    assert "\n" not in str(error.value)


def test_models_without_classes_or_with_other_ones_are_refused(templates):
    with pytest.raises(UsageError, match="no labels"):
        crossclass(Templates(templates[:1], 1.0), "digits")
    with pytest.raises(UsageError, match="10 classes, this model 9"):
        crossclass(Templates(templates[:9], 1.0), "digits")

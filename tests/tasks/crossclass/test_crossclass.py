"""Chains across classes whose ends are known: flat energies stay, steep ones reach their template."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from gibbsian.core.errors import UsageError
from gibbsian.data.load import load
from gibbsian.energies.conditional import Given
from gibbsian.mcmc.langevin import Langevin
from gibbsian.systems.base import Leg, System
from gibbsian.tasks.crossclass.run import crossclass
from gibbsian.tasks.features import classifier_for


class Templates(System):
    """E(x, y) = weight |x - t_y|^2 / 2 without noise: one step of size 2 / weight ends at t_y."""

    def __init__(self, templates: torch.Tensor, weight: float) -> None:
        super().__init__()
        self.templates, self.weight = nn.Parameter(templates), weight
        self.event_shape, self.temperature = tuple(templates.shape[1:]), 0.0
        pixels = SimpleNamespace(low=-1.0, high=1.0)
        self.config = SimpleNamespace(net=SimpleNamespace(classes=len(templates)), pixels=pixels)

    def groups(self):
        """The templates, which nothing trains."""
        return {"energy": self}

    def losses(self, batch, step, rng):
        """None."""
        return iter(())

    def plan(self, n, rng, *, y=None, steps=None):
        """A step from noise."""
        start = torch.randn(n, *self.event_shape, generator=rng)
        kernel = Langevin(2 / (self.weight or 1.0), 0.0)
        yield Leg(Given(self.energy, 0 if y is None else y), kernel, steps or 1, start)

    def decode(self, position):
        """The position is the data."""
        return position

    def energy(self, x, y):
        """E(x, y)."""
        return self.weight * (x - self.templates[y]).square().flatten(1).sum(1) / 2

    def surprisal(self, x, y=None):
        """E(x, y), of class 0 without a label."""
        return self.energy(x, torch.zeros(len(x), dtype=torch.long) if y is None else y)


@pytest.fixture(scope="module")
def templates() -> torch.Tensor:
    """A test digit of each class that the judge sees as such."""
    test = load("digits", "test")
    right = classifier_for(load("digits"), role="judge").answers(test.x) == test.y
    rows = [int(((test.y == c) & right).nonzero()[0]) for c in range(10)]
    return test.batch(torch.tensor(rows), -1.0, 1.0).x


@pytest.fixture(scope="module")
def steep(templates):
    return crossclass(Templates(templates, 1.0), "digits", per_class=3, chains=4)


@pytest.fixture(scope="module")
def flat(templates):
    return crossclass(Templates(templates, 0.0), "digits", per_class=3, chains=4)


def test_steep_energies_lead_every_image_to_the_class_asked_for(steep, templates):
    assert steep.pairs.measures["reached"].estimate == 1 and bool((steep.pairs.matrix == 1).all())
    assert steep.pairs.x.shape == (10, 30, 1, 8, 8)
    for k in range(10):
        assert torch.allclose(steep.pairs.x[k], (templates[k] + 1) / 2, atol=1e-6)
    assert steep.modes.measures["as asked"].estimate == 1
    assert steep.modes.measures["spread"].estimate == pytest.approx(0, abs=1e-6)
    assert steep.modes.measures["completions"].estimate == pytest.approx(0, abs=1e-6)
    assert steep.modes.measures["differ"].estimate == 0
    assert steep.modes.measures["completions, test images"].estimate > 0.1


def test_flat_energies_leave_everything_as_it_was(flat):
    measures = flat.pairs.measures
    assert measures["pixels"].estimate == measures["features"].estimate == 0
    assert measures["pixels, other"].estimate > 0.1 and measures["features, other"].estimate > 1
    judged_right = flat.pairs.matrix.diagonal().mean()
    assert measures["reached"].estimate == pytest.approx(float(1 - judged_right) / 9, abs=1e-9)
    assert flat.stays.changed["test image"].estimate == 0 and flat.stays.n == 30
    assert flat.stays.changed["corrupted image"] == flat.stays.before and flat.stays.before.estimate > 0
    worst = flat.stays.worst["corrupted image"]
    assert len(worst.clean) == round(30 * flat.stays.before.estimate) and torch.equal(
        worst.begun, worst.ended
    )
    assert len(flat.stays.worst["test image"].clean) == 0


def test_the_record_speaks_to_machines_and_people(steep, flat):
    told = json.loads(json.dumps(steep.to_dict()))
    assert (
        told["pairs"]["reached"]["value"] == 1 and told["per_class"] == 3 and told["judge"].endswith("judge")
    )
    assert told["stays"]["published"]["corrupted image"] == 0.3
    text = flat.text()
    assert "about 30%" in text and "corrupted, no chain" in text and "judged as asked, %" in text
    assert set(flat.pictures) == {"crossclass", "modes", "changed-corrupted-image"}
    assert set(steep.figures()) == {"pairs"}
    wide, high = steep.pictures["crossclass"].size
    assert wide > high * 0.95


def test_some_targets_only(templates):
    found = crossclass(Templates(templates, 1.0), "digits", per_class=2, chains=2, to=[3, 3, 7])
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

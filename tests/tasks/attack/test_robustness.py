"""The whole table on digits: every classifier, tables, curves, examples."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from known import untrained

from gibbsian.core.errors import UsageError
from gibbsian.data.load import load
from gibbsian.tasks.attack.classifiers import Refinement, picked
from gibbsian.tasks.attack.robustness import attack
from gibbsian.tasks.attack.sweep import Threat

QUICK = Threat(eps=(0.1, 0.3), steps=2, restarts=1, eot=2)


@pytest.fixture(scope="module")
def found():
    """Two systems of one kind, one in a smaller range; and how progress went."""
    told = []
    result = attack(
        {"one": untrained(), "other": untrained(head="scalar", high=0.0)},
        "digits",
        threat=QUICK,
        refinement=Refinement((0, 2)),
        n=12,
        progress=lambda *done: told.append(done),
    )
    return result, told


def test_every_classifier_is_in_the_table(found):
    result, told = found
    names = ["one", "one + 2 steps", "other", "other + 2 steps"]
    assert list(result.outcomes) == names == list(result.boxes) and result.n == 12
    assert result.boxes["other"] == (-1.0, 0.0) and result.boxes["one"] == (-1.0, 1.0)
    assert list(result.outcomes["one"].right) == ["pgd", "margin", "noise"]
    refined = ["margin", "pgd-straight", "pgd-full", "pgd-eot", "pgd-full-eot", "transfer", "noise"]
    assert list(result.outcomes["one + 2 steps"].right) == refined
    done = [d for d, _, _ in told]
    assert done == sorted(done) and {total for _, total, _ in told} == {400} and done[-1] > 300
    assert told[0][2].startswith("one") and "other + 2 steps transfer" in told[-1]


def test_plain_values_say_all_and_are_json(found):
    told = json.loads(json.dumps(found[0].to_dict()))
    assert (told["n"], told["seed"], told["norm"], told["eps"]) == (12, 0, "linf", [0.0, 0.1, 0.3])
    row = told["classifiers"]["one + 2 steps"]
    for e, worst in enumerate(row["worst"]):
        low, high = worst["interval"]
        assert 0 <= low <= worst["value"] <= high <= 1
        assert worst["value"] <= min(shares[e]["value"] for shares in row["attacks"].values())
    assert told["refinement"]["steps"] == [0, 2]


def test_the_text_has_the_headline_first_and_every_attack_apart(found):
    text = found[0].text()
    assert text.index("under all attacks") < text.index("under one attack") < text.index("pgd: cross-entropy")
    assert "eps 0.3" in text and "n = 12, linf, 2 steps from 1 starts, seed 0" in text
    assert max(map(len, text.splitlines())) < 150


def test_figures_and_examples_are_drawn(found):
    figures = found[0].figures()
    assert set(figures) == {"curves", "by-attack"}
    labels = [t.get_text() for t in figures["curves"].axes[0].get_legend().get_texts()]
    assert labels == list(found[0].outcomes)
    (picture,) = found[0].pictures().values()
    shown = sum(len(o.examples.y) > 0 for o in found[0].outcomes.values())
    assert shown >= 2 and picture.height > 3 * 60 * shown and len(np.unique(np.asarray(picture))) > 10


def test_the_same_seed_gives_the_same_table(found):
    again = attack({"one": untrained()}, "digits", threat=QUICK, refinement=Refinement((2,)), n=12)
    name = "one + 2 steps"
    for which, right in again.outcomes[name].right.items():
        assert torch.equal(right, found[0].outcomes[name].right[which])


def test_radius_0_alone_is_the_clean_accuracy():
    one = untrained()
    found = attack(
        {"one": one},
        "digits",
        threat=Threat(eps=(0.0,)),
        refinement=Refinement((0,)),
        n=50,
    )
    rows = picked(load("digits", "test"), 50, (), 0)
    batch = rows.batch(torch.arange(50), -1.0, 1.0)
    with torch.no_grad():
        right = float((one.logits(batch.x).argmax(1) == batch.y).double().mean())
    assert [v.estimate for v in found.outcomes["one"].worst] == [right] and found.pictures() == {}


def test_only_images_of_the_named_classes_are_picked():
    data = load("digits", "test")
    rows = picked(data, 30, ("3", "8"), 1)
    assert len(rows) == 30 and set(rows.y.tolist()) == {3, 8}
    assert not torch.equal(rows.y, picked(data, 30, ("3", "8"), 2).y)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: attack({"a": untrained(0, "scalar")}, "digits"), "has no label head"),
        (lambda: attack({"a": untrained(shape=(1, 4, 4))}, "digits"), "trained on data of shape"),
        (lambda: attack({"a": untrained(4)}, "digits"), "a knows 4 classes, digits has 10"),
        (lambda: attack({"a": untrained()}, "toy:ring"), "holds points, not images"),
        (lambda: attack({"a": untrained()}, "digits", attacks=["pgdd"]), "did you mean 'pgd'"),
        (lambda: attack({"a": untrained()}, "digits", attacks=["pgd"]), "none of pgd attacks"),
        (lambda: attack({"a": untrained()}, "digits", classes=["three"]), "unknown class of digits 'three'"),
        (lambda: attack({"a": untrained()}, "digits", n=0), "n is 0"),
        (lambda: Refinement(()), "give numbers of steps"),
        (lambda: Refinement((-1,)), "give numbers of steps"),
        (lambda: Refinement(duplicates=0), "duplicates is 0"),
    ],
)
def test_wrong_arguments_are_one_line(make, told):
    with pytest.raises(UsageError, match=told) as caught:
        make()
    assert "\n" not in str(caught.value)

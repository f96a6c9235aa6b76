"""The table of systems: diversity and near copies are in it; figures of other features are taken anew."""

from __future__ import annotations

import json

import pytest

import gibbsian as gb
from experiments import minutes


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "digits-short_run"
    gb.fit("short_run", "digits", steps=2, out=folder, progress=False)
    return folder


@pytest.fixture(autouse=True)
def few_aside(monkeypatch):
    monkeypatch.setattr(minutes, "ASIDE", 100)
    minutes.held_out.cache_clear()


def test_the_table_has_diversity_and_near_copies(run, tmp_path):
    path = tmp_path / "digits.json"
    minutes.measure(path, [str(run)], 40)
    table = minutes.show(path)
    assert "| diversity | near copies (held-out 0" in table.splitlines()[0] and "short_run" in table


def test_figures_of_other_features_are_taken_anew(run, tmp_path, monkeypatch):
    path = tmp_path / "digits.json"
    minutes.measure(path, [str(run)], 40)
    told = json.loads(path.read_text())
    (row,) = told[str(run)].values()
    assert row["features"] == "gibbsian-small-v2/digits"
    row |= {"features": "gibbsian-small-v1/digits", "test_recall": [7.0, 0.0]}
    path.write_text(json.dumps(told))
    minutes.measure(path, [str(run)], 40)
    assert "7" not in minutes.show(path).split("|")[-4]
    monkeypatch.setattr(minutes, "distances", None)
    minutes.measure(path, [str(run)], 40)  # these stay

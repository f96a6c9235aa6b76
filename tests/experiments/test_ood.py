"""Figures of papers beside those of a comparison."""

from __future__ import annotations

import json

from experiments.ood import ood


def test_published_figures_stand_beside_those_of_cifar10(experiment, tmp_path):
    found = {
        "data": "cifar10",
        "sets": [{"name": "dtd"}, {"name": "svhn"}],
        "scores": {"energy": {"dtd": {"auroc": {"value": 0.25}}}},
    }
    (tmp_path / "ood.json").write_text(json.dumps(found))
    ran = experiment(ood, str(tmp_path))
    ours, papers = (part.splitlines() for part in ran.out.strip().split("\n\n"))
    assert ours[0] == "measured AUROC" and ours[3].split() == ["dtd", "0.25"]
    assert papers[1].split()[1:3] == ["IGEBM", "-E"] and papers[3].split()[:2] == ["dtd", "0.48"]
    assert papers[4].split()[:4] == ["svhn", "0.63", "0.67", "0.85"]


def test_other_data_and_no_file_are_one_line(experiment, tmp_path):
    ran = experiment(ood, str(tmp_path))
    assert ran.code == 2 and "run `gibbsian ood RUN` first" in ran.err and ran.err.count("\n") == 1
    (tmp_path / "ood.json").write_text(json.dumps({"data": "digits"}))
    assert "for cifar10 only" in experiment(ood, str(tmp_path)).err

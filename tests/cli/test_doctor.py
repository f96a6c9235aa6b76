"""`gibbsian doctor`."""

from __future__ import annotations

import pytest

from gibbsian.cli import selfcheck
from gibbsian.core.energy import score
from gibbsian.mcmc.mala import MALA


def test_this_machine_is_sound(cli):
    report = cli("doctor --json")
    assert report.code == 0 and report.json["ok"]
    assert set(report.json["checks"]) == set(selfcheck.CHECKS)
    assert report.json["versions"]["torch"]


def test_a_wrong_sign_is_found(cli, monkeypatch):
    monkeypatch.setattr(selfcheck, "score", lambda energy, x: -score(energy, x))
    ran = cli("doctor")
    assert ran.code == 1 and "FAIL" in ran.out and "wrong numbers" in ran.out


def test_a_kernel_that_accepts_everything_is_found(monkeypatch):
    good, _ = selfcheck.exact(MALA(1.0))
    assert good
    monkeypatch.setattr(MALA, "_log_ratio", lambda self, old, new, xi: 0 * new.energy)
    assert not selfcheck.exact(MALA(1.0))[0]


def test_a_run_is_told_in_words(cli, runs):
    ran = cli("doctor", str(runs["short_run"]))
    assert ran.code == 0 and ran.out.startswith("good   done at step 3 of 3")
    results = cli("doctor", str(runs["short_run"]), "--json").json["results"]
    assert results[0]["grade"] == "good"


@pytest.mark.parametrize("name", ["none", "."])
def test_no_run_there(cli, tmp_path, name):
    ran = cli("doctor", str(tmp_path / name))
    assert ran.code == 1 and ran.err.count("\n") == 1

"""`python -m benchmarks`, on cases of milliseconds and without other libraries."""

from __future__ import annotations

import json

import pytest
import torch

from benchmarks.cases import TRIALS
from benchmarks.command import wanted
from gibbsian.core.errors import UsageError

QUICK = ("--implementations", "gibbsian,plain", "--rounds", "1", "--no-cold")


@pytest.mark.parametrize(
    ("what", "sections", "cases"),
    [
        ("chains", ["chains"], []),
        ("scaling,hmc", ["hmc", "scaling"], []),
        ("all", ["chains", "hmc", "scaling"], []),
        ("none", [], []),
        ("conv-16,mlp-64", ["chains"], ["conv-16", "mlp-64"]),
        ("mlp-64,hmc", ["chains", "hmc"], ["mlp-64"]),
        ("chains,mlp-64", ["chains"], []),
        ("all,mlp-64", ["chains", "hmc", "scaling"], []),
    ],
)
def test_words_are_sections_or_cases(what, sections, cases):
    assert wanted(what) == (sections, cases)


def test_an_unknown_word_names_the_nearest():
    with pytest.raises(UsageError, match="did you mean 'mlp-64'"):
        wanted("mlp64")


def test_a_trial_is_shown_and_not_kept(bench, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ran = bench("trial-chains,trial-updates", *QUICK)
    assert ran.code == 0 and not list(tmp_path.iterdir())
    assert "trial-chains" in ran.out and "plain" in ran.out and "ceiling fp32" in ran.out
    assert "[1/2] trial-chains" in ran.err


def test_a_section_is_kept_and_made_a_page(bench, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.setattr("benchmarks.cases.CASES", TRIALS)
    page = tmp_path / "benchmarks.md"
    ran = bench(*QUICK, "--out", str(tmp_path / "results"), "--write", str(page), "--threads", "1", "--json")
    assert ran.code == 0 and list(ran.json) == ["chains", "written"]
    assert set(ran.json["chains"]["result"]["cases"]) == set(TRIALS)
    kept = json.loads((tmp_path / "results" / "chains.json").read_text())
    assert kept["result"]["cases"] == ran.json["chains"]["result"]["cases"]
    command = "python -m benchmarks chains --rounds 1 --threads 1 --implementations gibbsian,plain --no-cold"
    assert kept["command"] == command and command in page.read_text()


@pytest.mark.parametrize("section", ["chains", "hmc", "scaling"])
def test_quick_tells_its_minutes_and_keeps_nothing(bench, section, tmp_path, monkeypatch):
    seen = {}

    def measured(*, rounds, notify, settings=None):
        seen.update(rounds=rounds, compiled=settings and settings.compiled)
        return {"cases": {}}

    monkeypatch.setattr(f"benchmarks.{section}.measure", measured)
    monkeypatch.setattr("benchmarks.command._text", lambda found: "the table")
    monkeypatch.chdir(tmp_path)
    ran = bench(section, "--quick")
    assert ran.code == 0 and "the table" in ran.out and not list(tmp_path.iterdir())
    assert seen == {"rounds": 1, "compiled": None if section == "scaling" else False}
    assert ran.err.splitlines()[0].startswith(f"{section}: about ") and "min on two idle cores" in ran.err


def test_threads_are_put_back(bench):
    before = torch.get_num_threads()
    assert bench("trial-chains", *QUICK, "--threads", str(before + 1)).code == 0
    assert torch.get_num_threads() == before


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["conv16"], "did you mean 'conv-16'"),
        (["trial-chains", "--rounds", "0", "--no-cold"], "rounds is 0"),
        (["trial-chains", "--threads", "0"], "--threads is 0"),
        (["trial-chains", "--implementations", "gibsian"], "did you mean 'gibbsian'"),
        (["trial-chains", "--device", "toaster"], "unknown device 'toaster'"),
        (["none", "--write", "page.md", "--out", "nowhere"], "no records in nowhere"),
    ],
)
def test_mistakes_are_one_line(bench, tmp_path, monkeypatch, words, what):
    monkeypatch.chdir(tmp_path)
    ran = bench(*words)
    assert ran.code == 2 and what in ran.err.splitlines()[-1]

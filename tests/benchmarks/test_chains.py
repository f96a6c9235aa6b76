"""The section `chains`, on the smallest cases."""

from __future__ import annotations

import json
import logging

import pytest
import torch

from benchmarks.cases import TRIALS
from benchmarks.chains import Settings, Warnings, measure
from gibbsian.core.errors import UsageError

TRIAL = Settings(cases=tuple(TRIALS.values()), precision="bf16", compiled=False, cold=False)


@pytest.fixture(scope="module")
def measured() -> tuple[dict, list[str]]:
    told: list[str] = []
    return measure(rounds=2, notify=told.append, settings=TRIAL), told


def test_every_case_has_every_implementation_that_is_here(measured):
    result, _ = measured
    assert json.loads(json.dumps(result)) == result
    assert result["rounds"] == 2 and list(result["cases"]) == list(TRIALS)
    run, trained = (result["cases"][name]["seconds"] for name in TRIALS)
    assert {"gibbsian", "bf16", "plain"} <= set(run) and {"gibbsian", "bf16"} <= set(trained)
    assert "plain" not in trained
    for record in result["cases"].values():
        assert all(len(v) == 2 and min(v) > 0 for v in record["seconds"].values())
        assert set(record["first"]) == set(record["seconds"])
        assert set(record["ceilings"]) == {"fp32", "bf16"}
        assert all(len(c["seconds"]) == 2 for c in record["ceilings"].values())


def test_who_is_left_out_is_told_with_the_reason(measured):
    result, told = measured
    assert result["absent"]["compiled"] == "the compiled path was left out"
    assert any("without compiled" in text for text in told)
    assert any(text.startswith("[2/2] trial-updates") for text in told)


def test_the_global_stream_is_left_alone():
    before = torch.random.get_rng_state()
    measure(rounds=1, notify=lambda text: None, settings=TRIAL)
    assert torch.equal(before, torch.random.get_rng_state())


def test_bfloat16_is_measured_only_where_it_pays(monkeypatch):
    for native in (False, True):
        monkeypatch.setattr("benchmarks.chains.native_bf16", lambda device, has=native: has)
        names = {c.name for c in Settings().entrants()[0]}
        assert ("bf16" in names) is native
        assert "bf16" not in {c.name for c in Settings(precision="fp32").entrants()[0]}
    assert "bf16" in {c.name for c in Settings(precision="bf16").entrants()[0]}


def test_warnings_of_the_library_are_kept():
    with Warnings() as warned:
        logging.getLogger("gibbsian").warning("chains run without %s", "compilation")
    logging.getLogger("gibbsian").warning("after")
    assert warned.texts == ["chains run without compilation"]


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda: measure(rounds=0, notify=lambda text: None, settings=TRIAL), "rounds is 0"),
        (lambda: Settings(implementations=["gibsian"]), "did you mean 'gibbsian'"),
        (lambda: Settings(implementations=[]), "no implementation"),
        (lambda: Settings(precision="half"), "precision is 'half'"),
    ],
)
def test_mistakes(make, what):
    with pytest.raises(UsageError, match=what):
        make()

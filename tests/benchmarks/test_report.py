"""Records on disk, and the page that is made of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from benchmarks.cases import TRIALS
from benchmarks.chains import Settings, measure
from benchmarks.hardware import machine
from benchmarks.report import keep, load, record, write
from gibbsian.core.errors import UsageError

FACTS = machine(torch.device("cpu"))


@pytest.fixture(scope="module")
def measured() -> dict:
    settings = Settings(cases=[TRIALS["trial-chains"]], implementations=["gibbsian", "plain"], cold=False)
    return measure(rounds=1, notify=lambda text: None, settings=settings)


def named(result: dict, *names: str) -> dict:
    """The same seconds under other names of cases."""
    seconds = result["cases"]["trial-chains"]
    return record("chains", "python -m benchmarks", FACTS, {**result, "cases": {n: seconds for n in names}})


def test_a_record_is_read_back(measured, tmp_path):
    assert load(tmp_path, "chains") is None
    path = keep(tmp_path / "new", named(measured, "mlp-64"))
    assert path.name == "chains.json" and load(tmp_path / "new", "chains") == named(measured, "mlp-64")


def test_cases_join_those_of_the_same_machine(measured, tmp_path):
    keep(tmp_path, named(measured, "mlp-64", "conv-16"))
    keep(tmp_path, named(measured, "latent"), merge=True)
    found = load(tmp_path, "chains")
    assert found is not None and list(found["result"]["cases"]) == ["mlp-64", "conv-16", "latent"]
    keep(tmp_path, named(measured, "latent"))
    found = load(tmp_path, "chains")
    assert found is not None and list(found["result"]["cases"]) == ["latent"]


def test_cases_do_not_join_those_of_another_machine(measured, tmp_path):
    other = named(measured, "mlp-64")
    keep(tmp_path, {**other, "machine": {**FACTS, "processor": "another"}})
    with pytest.raises(UsageError, match="another machine"):
        keep(tmp_path, named(measured, "latent"), merge=True)


@pytest.mark.parametrize("text", ["{", "[]", '{"section": "chains"}'])
def test_a_broken_record_is_one_line(text, tmp_path):
    (tmp_path / "chains.json").write_text(text)
    with pytest.raises(UsageError, match="no record of a benchmark"):
        load(tmp_path, "chains")


def test_the_page_has_what_was_measured_and_the_notes(measured, tmp_path):
    pytest.importorskip("matplotlib")
    keep(tmp_path / "results", named(measured, "mlp-64"))
    (tmp_path / "results" / "notes.md").write_text("## What bounds it\n\nMemory.\n")
    page = tmp_path / "docs" / "benchmarks.md"
    page.parent.mkdir()
    written = write(tmp_path / "results", page)
    text = page.read_text()
    assert written == [page, page.parent / "images" / "bench-chains.png"] and written[1].is_file()
    assert "![Chains and training steps](images/bench-chains.png)" in text
    assert FACTS["processor"] in text and "```sh\npython -m benchmarks\n```" in text
    assert "## Effective samples" not in text and text.endswith("Memory.\n")
    write(tmp_path / "results", page)
    assert page.read_text() == text


def test_the_page_of_the_docs_is_that_of_the_records_kept(monkeypatch, tmp_path):
    pytest.importorskip("matplotlib")
    monkeypatch.chdir(Path(__file__).parents[2])
    write(Path("benchmarks/results"), tmp_path / "benchmarks.md")
    assert (tmp_path / "benchmarks.md").read_text() == Path("docs/benchmarks.md").read_text()


def test_without_records_there_is_no_page(tmp_path):
    with pytest.raises(UsageError, match="no records"):
        write(tmp_path, tmp_path / "page.md")


def test_records_are_plain_json(measured, tmp_path):
    path = keep(tmp_path, named(measured, "mlp-64"))
    assert json.loads(path.read_text())["result"]["cases"]["mlp-64"]["seconds"]["plain"]

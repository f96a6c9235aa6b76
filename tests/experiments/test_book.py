"""How records are made and read: from runs, from what commands print, from pages; quotes of cells."""

from __future__ import annotations

import json
import sys

import pytest

from experiments.book import blocks, capture, measure, records, transcribe

TABLE = "| | a | b |\n| --- | --- | --- |\n| **one** | 1.5 ± 0.25 | x |\n| — `two` | 2.5 [2, 2.5] | 7 |\n"
CODE = "```sh\ngibbsian train igebm\n```"
PAGE = f"# Page\n\n{CODE}\n\nIt takes 0.5 s.\n\n{TABLE}\n## More\n\nOnly 0.25 here.\n"


@pytest.fixture
def page(tmp_path, monkeypatch):
    monkeypatch.setattr(transcribe, "ROOT", tmp_path)
    (tmp_path / "page.md").write_text(PAGE)
    return tmp_path / "page.md"


def test_a_page_is_taken_over_once(page, tmp_path):
    assert transcribe.transcribe(page, (), tmp_path) == []
    told = records.load("page", tmp_path)
    assert told["source"] == "transcribed" and told["page"] == "page.md"
    assert told["prose"]["Page"] == {"commands": ["gibbsian train igebm"], "figures": "0.5"}
    part = records.record("page/page", tmp_path)
    assert part["table"]["body"] == [["**one**", "1.5 ± 0.25", "x"], ["— `two`", "2.5 [2, 2.5]", "7"]]
    text = page.read_text()
    assert f"<!-- record: page/page -->\n{TABLE.replace('| | a', '|  | a')}<!-- end -->\n" in text
    assert blocks.built(text, tmp_path) == text and blocks.stale(page, tmp_path) == []
    assert transcribe.transcribe(page, (), tmp_path) == [] and page.read_text() == text


def test_a_section_whose_figures_changed_is_taken_over_only_when_asked_for(page, tmp_path):
    transcribe.transcribe(page, (), tmp_path)
    page.write_text(page.read_text().replace("0.25 here", "0.75 here"))
    assert transcribe.transcribe(page, (), tmp_path) == ["--again 'More' takes over: 0.75"]
    assert records.load("page", tmp_path)["prose"]["More"]["figures"] == "0.25"
    assert transcribe.transcribe(page, ["More"], tmp_path) == []
    assert records.load("page", tmp_path)["prose"]["More"]["figures"] == "0.75"


def test_cells_are_quoted_in_tables_and_in_sentences(page, tmp_path):
    transcribe.transcribe(page, (), tmp_path)
    assert records.quoted("page/page", "one", "a", tmp_path) == "1.5 ± 0.25"
    assert records.filled("is {page/page; two; a}, {page/page; two; b}", tmp_path) == "is 2.5 [2, 2.5], 7"
    one, two = "<!-- page/page; one; a -->", "<!-- page/page; two; a -->"
    text = f"is 0{one}, −.5 ± 0{one} (7,000{two}), not,{two}"
    assert blocks.built(text, tmp_path) == f"is 1.5{one}, 1.5 ± 0.25{one} (2.5{two}), not,{two}"
    with pytest.raises(KeyError, match="no cell three; a in the record page/page"):
        records.quoted("page/page", "three", "a", tmp_path)


def test_a_table_without_its_record_is_told(page, tmp_path):
    page.write_text("<!-- record: none -->\n<!-- end -->\n<!-- record: none/b -->\n<!-- end -->\n")
    assert blocks.stale(page, tmp_path) == ["there is no record none", "there is no record none/b"]
    assert blocks.built(page.read_text(), tmp_path) == page.read_text()


def test_what_a_command_prints_is_recorded(page, tmp_path):
    transcribe.transcribe(page, (), tmp_path)
    command = [sys.executable, "-c", f"print('so:'); print({TABLE!r})"]
    capture.run("found", command, "train it", tmp_path)
    told = records.load("found", tmp_path)
    assert told["source"] == "measured" and told["command"].startswith("train it; ")
    assert told["table"]["head"] == ["", "a", "b"] and len(told["table"]["body"]) == 2
    assert {"hardware", "threads", "torch", "date"} <= told.keys()
    capture.run("page/page", command, folder=tmp_path)
    assert blocks.stale(page, tmp_path) == ["the table page/page is not that of its record"]
    page.write_text(blocks.built(page.read_text(), tmp_path))
    assert f"; {told['date']})\n<!-- end -->" in page.read_text() and blocks.stale(page, tmp_path) == []
    with pytest.raises(SystemExit, match="no Markdown table"):
        capture.run("found", [sys.executable, "-c", "print(1)"], folder=tmp_path)


def report(distance: float) -> dict:
    row = {"feature_distance": {"value": distance, "interval": [distance - 0.5, distance + 0.5]},
           "precision": {"value": 0.0, "interval": [0.0, 0.002]}}  # fmt: skip
    return {"seed": 0, "n": 40, "draws": 3, "features": "f", "weights": "w", "intervals": "over draws",
            "measures": {"model": row, "noise": row}}  # fmt: skip


def test_a_report_is_recorded_with_the_columns_asked_for(tmp_path):
    (tmp_path / "report.json").write_text(json.dumps(report(1.25)))
    capture.report("demo", tmp_path / "report.json", "make demo", folder=tmp_path)
    told = records.load("demo", tmp_path)
    assert told["table"]["head"] == ["", "feature distance", "precision"] and told["n"] == 40
    assert told["table"]["body"][0] == ["**model**", "1.25 ± 0.5", "0 [0, 0.002]"]
    line = blocks.block(told, tmp_path).splitlines()[-1]
    assert line.startswith("(`make demo`; seed 0; n = 40; 3 draws; 95 % over draws; ")
    capture.report("demo", tmp_path / "report.json", "make demo", ["precision"], tmp_path)
    assert records.load("demo", tmp_path)["table"]["head"] == ["", "precision"]


def test_runs_are_evaluated_once_until_n_or_the_code_changes(tmp_path, monkeypatch):
    made = []

    def one(run, n, draws):
        made.append(run.name)
        row = {"feature_distance": [3.0 - len(made), 0.5, 2.5]}
        found = {"system": "igebm", "data": "digits", "density": False, "published": [], "parameters": 1234,
                 "updates": 5, "minutes": 0.5, "measures": row}  # fmt: skip
        return found, {"noise": row}

    monkeypatch.setattr(measure, "one", one)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.json").write_text("{}")
    measure.measure(tmp_path, "d", 40, 3, tmp_path)
    measure.measure(tmp_path, "d", 40, 3, tmp_path)
    assert made == ["a", "b"]
    told = records.load("d", tmp_path)
    assert [row[2] for row in told["table"]["body"]] == ["1 ± 1", "2 ± 1", "1 ± 1"]  # the best first
    assert told["table"]["body"][0][-3:] == ["1,234", "5", "0.5"]
    measure.measure(tmp_path, "d", 80, 3, tmp_path)
    monkeypatch.setattr(measure, "code", lambda: "other")
    measure.measure(tmp_path, "d", 80, 3, tmp_path)
    assert made == ["a", "b"] * 3


def test_a_run_is_evaluated_by_the_command_line(runs):
    found, rest = measure.one(runs["igebm"], 40, 2)
    assert found["system"] == "igebm" and found["updates"] == 4 and found["density"] is False
    value, low, high = found["measures"]["feature_distance"]
    assert low < value < high and found["parameters"] > 500
    assert rest.keys() >= set(measure.BASELINES)
    assert found["published"][0].keys() == {"setting", "measure", "value"}


def test_records_have_a_line_for_what_fits_on_one():
    value = {"a": [1, 2], "b": {"c": ["x" * 150, "y" * 150]}, "d": {}}
    text = records.lines(value)
    assert json.loads(text) == value and text.count("\n") == 9

"""Tables of the docs are those of their records, and every figure stands in one.

A figure is what `experiments.book.figures` says: a number with a decimal point, before a per cent sign or
behind a plus-minus sign, outside of code. A figure that is changed by hand is found here until its record is
changed too, by the command that measured it or by `python -m experiments.book transcribe PAGE`.
"""

from __future__ import annotations

import json
import shutil

import pytest

from experiments.book import blocks, figures, measure

RESULTS = blocks.ROOT / "docs" / "results.md"


@pytest.mark.parametrize("page", blocks.PAGES, ids=lambda page: page.name)
def test_a_page_says_what_its_records_say(page):
    assert blocks.stale(page) == [] and figures.strange(page) == []


def test_the_records_are_used():
    named = {name for page in blocks.PAGES for _, name, _, _ in blocks.BLOCK.findall(page.read_text())}
    files = {path.stem for path in blocks.RECORDS.glob("*.json")}
    assert files - named == {"pages"} and named <= files
    assert all(blocks.record(name)["source"] in ("measured", "transcribed") for name in files)


def test_a_figure_changed_by_hand_is_found(tmp_path):
    page = blocks.ROOT / "docs" / "continual.md"
    copy = tmp_path / "continual.md"
    assert "76.36" in page.read_text()
    copy.write_text(page.read_text().replace("76.36", "86.36"))
    (wrong,) = {what for what in figures.strange(copy, "docs/continual.md") if "86.36" in what}
    assert "stands in no record" in wrong


def test_a_table_changed_by_hand_and_a_record_changed_are_found(tmp_path):
    copy = tmp_path / "results.md"
    text = RESULTS.read_text()
    at = text.index("<!-- record: digits -->")
    digit = text.index("±", at) - 2
    copy.write_text(text[:digit] + str((int(text[digit]) + 1) % 10) + text[digit + 1 :])
    assert blocks.stale(copy) == ["the table digits is not that of its record"]
    shutil.copytree(blocks.RECORDS, tmp_path / "records")
    told = json.loads((tmp_path / "records" / "slides.json").read_text())
    told["table"]["body"][0][1] += "!"
    (tmp_path / "records" / "slides.json").write_text(json.dumps(told))
    assert blocks.stale(RESULTS, tmp_path / "records") == ["the table slides is not that of its record"]


def test_building_a_built_page_changes_nothing():
    assert all(blocks.built(page.read_text()) == page.read_text() for page in blocks.PAGES)


def test_figures_of_a_text():
    text = "## A\nfrom 3 runs .25 ± 4, −1.5e-3, 17 %, `0.5` and [0.7](x0.9)\n```sh\nuse --rate 0.1\n```\n"
    assert figures.figures(text) == [".25", "4", "-1.5e-3", "17", "0.7"]
    assert [name for name, _ in figures.sections(text + "# A\n" + text)] == ["", "A", "A (2)", "A (3)"]


def test_every_system_stands_in_the_table():
    told = blocks.record("digits")
    assert len(told["runs"]) == 16 and len(told["table"]["body"]) == 20
    first = min(told["runs"].values(), key=lambda run: measure.value(run["report"]["measures"]["model"]))
    assert told["table"]["body"][0] == measure.cells(first)
    assert {"n", "draws", "seed", "hardware", "command"} <= told.keys()

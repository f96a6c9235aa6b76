"""Tables of the docs are those of their records, and every figure stands in one.

A figure is what `experiments.book.figures` says: any cell of a table in which one has a decimal point, a ± or
a %; and in sentences a number with a decimal point, before a per cent sign or a unit (of time, memory or
information), or behind a plus-minus sign, outside of code. Other whole numbers are counts and settings. A
figure that is changed by hand is found here until its record says the same.
"""

from __future__ import annotations

import json
import re
import shutil

import pytest

from experiments.book import blocks, figures, measure, records

DOCS = records.ROOT / "docs"
RESULTS = DOCS / "results.md"
NAMES = sorted(path.stem for path in records.RECORDS.glob("*.json"))
OF_PAGES = {page.stem for page in records.PAGES}


@pytest.fixture
def folder(tmp_path):
    """A copy of the records."""
    return shutil.copytree(records.RECORDS, tmp_path / "records")


def copied(page, old, new, tmp_path):
    """A page in which one thing was changed by hand."""
    text = page.read_text()
    assert old in text
    copy = tmp_path / page.name
    copy.write_text(text.replace(old, new, 1))
    return copy


@pytest.mark.parametrize("page", records.PAGES, ids=lambda page: page.name)
def test_a_page_says_what_its_records_say(page):
    assert blocks.stale(page) == [] and figures.strange(page) == []
    assert blocks.built(page.read_text()) == page.read_text()


def test_every_record_is_shown_once():
    shown = [name for page in records.PAGES for _, name, _, _ in blocks.BLOCK.findall(page.read_text())]
    held = [f"{n}/{part}" for n in NAMES for part in records.load(n).get("tables", {})]
    assert sorted(shown) == sorted([*held, *(set(NAMES) - OF_PAGES)])


@pytest.mark.parametrize("name", NAMES)
def test_a_record_says_where_it_comes_from(name):
    told = records.load(name)
    assert told["source"] == ("transcribed" if name in OF_PAGES else told["source"])
    for part in [told, *told.get("tables", {}).values()]:
        assert part["source"] in ("measured", "transcribed", "quoted")
        if part["source"] == "measured":
            assert part["command"] and part["hardware"]
        if part["source"] == "transcribed" and "table" in part:
            assert part["commands"], part["section"]
    text = (records.RECORDS / f"{name}.json").read_text()
    assert len(text) < 40_000 and "runs/" not in json.dumps(told.get("runs", "")) and "/tmp" not in text


def test_measured_figures_name_machine_and_day():
    for name in ("digits", "demo", "limits"):
        told = records.load(name)
        assert {"hardware", "threads", "torch", "date"} <= told.keys()
        assert re.fullmatch(r"\d{4}-\d\d-\d\d", told["date"]) and told["date"] in RESULTS.read_text()


@pytest.mark.parametrize("page", records.PAGES, ids=lambda page: page.name)
def test_each_figure_of_a_sentence_is_found_when_it_is_changed_by_hand(page, tmp_path):
    text, copy = page.read_text(), tmp_path / page.name
    for figure in figures.FIGURE.finditer(figures.outside(text)):
        at = figure.end() - 1
        copy.write_text(f"{text[:at]}{(int(text[at]) + 1) % 10}{text[at + 1 :]}")
        assert len(figures.strange(copy)) == 1, figure


def test_a_table_changed_by_hand_is_found(tmp_path):
    copy = copied(DOCS / "continual.md", "76.36", "86.36", tmp_path)
    assert blocks.stale(copy) == ["the table continual/split-mnist is not that of its record"]
    assert figures.strange(copy) == [] and blocks.built(copy.read_text()) == (DOCS / copy.name).read_text()


def test_a_quoted_figure_changed_by_hand_is_found_and_put_right(tmp_path):
    before = RESULTS.read_text()
    written, _, name, row, column = blocks.QUOTE.findall(blocks.BLOCK.sub("", before))[0]
    copy = copied(RESULTS, f"{written}<!-- {name}", f"9{written}<!-- {name}", tmp_path)
    assert blocks.stale(copy) == [f"9{written} is not {row}; {column} of {name}"]
    assert blocks.built(copy.read_text()) == before


def test_a_table_without_a_record_is_found(tmp_path):
    copy = tmp_path / "results.md"
    copy.write_text(RESULTS.read_text() + "\n## More\n\n| a | b |\n| --- | --- |\n| x | 0.5 |\n")
    assert figures.strange(copy) == [
        "More: a table of figures stands outside of records: | a | b |",
        "More: 0.5 stands in no record",
    ]
    copy.write_text(RESULTS.read_text() + "\n## More\n\n| a | b |\n| --- | --- |\n| x | 5 |\n")
    assert figures.strange(copy) == []


def test_a_record_that_changed_makes_its_table_and_those_that_quote_it_old(folder):
    told = records.load("continual", folder)
    told["tables"]["split-mnist"]["table"]["body"][0][1] = "77.00 ± 4.43"
    records.save("continual", told, folder)
    assert blocks.stale(DOCS / "continual.md", folder) == [
        "the table continual/split-mnist is not that of its record"
    ]
    assert "the table slides is not that of its record" in blocks.stale(RESULTS, folder)
    assert "| — EBM | 64.99 (4.27) | 77.00 ± 4.43 |" in blocks.built(RESULTS.read_text(), folder)


def test_figures_of_a_text():
    text = "## A\nfrom 3 runs .25 ± 4, −1.5e-3, 17 %, 20 s, 30 minutes, `0.5`, torch 2.13.0, [0.7](x0.9)\n"
    text += "```sh\nuse --rate 0.1\n```\n1.25<!-- digits; noise; precision -->\n"
    assert figures.figures(text) == [".25", "4", "-1.5e-3", "17", "20", "30", "0.7"]
    assert [name for name, _ in figures.sections(text + "# A\n" + text)] == ["", "A", "A (2)", "A (3)"]


def test_every_system_stands_in_the_table_of_digits():
    told = records.load("digits")
    assert len(told["runs"]) == 16 and len(told["table"]["body"]) == 20
    runs = sorted(told["runs"].values(), key=lambda run: run["measures"]["feature_distance"][0])
    assert told["table"]["body"][:16] == [measure.cells(run) for run in runs]
    assert {"n", "draws", "seed", "intervals", "code"} <= told.keys()
    assert {run["system"] for run in runs} == {row[0].strip("`") for row in told["table"]["body"][:16]}


def test_every_row_of_the_slides_is_there_and_what_was_not_run_is_named():
    body = records.record("slides")["table"]["body"]
    printed = "65.93 49.46 40.58 37.11 36.4 38.2 21.7 8.09 37.9 25.5 33.27 22.99 14.31 28.5 43.7 27.62"
    assert all(any(figure in row[1] for row in body) for figure in printed.split())
    words = ("ImageNet 128", "PixelCNN++", "Glow", "SVHN", "Restoration", "L2", "EWC", "NAS", "LwF")
    assert all(any(word in row[0] for row in body) for word in words)
    assert all("not run" in ours or "{" in ours or "picture" in ours for _, _, ours in body)
    named = [name for _, _, ours in body for name, _, _ in records.CELL.findall(ours)]
    pages = {"uses", "continual", "composition", "sprites", "trajectories"}
    assert {name.partition("/")[0] for name in named} == pages

"""`gibbsian evaluate --report`, `compare` and `sweep`: what they ask for, write and refuse."""

from __future__ import annotations

import json

import pytest
from pages import sound_page

from gibbsian.cli.options import parse
from gibbsian.cli.sweep import sweep


def test_a_report_is_one_page_with_the_numbers_beside(cli, runs, tmp_path):
    out = tmp_path / "page"
    ran = cli("evaluate", str(runs["generative_convnet"]), "-n", "32", "--draws", "2", "--report", str(out))
    assert ran.code == 0 and f"wrote {out}/report.html" in ran.out
    page = sound_page(out / "report.html")
    assert json.loads((out / "report.json").read_text())["n"] == 32 and (out / "report.txt").is_file()
    words = f"gibbsian evaluate {runs['generative_convnet']} -n 32 --draws 2 --report {out}"
    assert words in page.text and "How the run fares" in page.text and "done at step 3" in page.text


def test_an_exported_model_has_a_page_too(cli, runs, tmp_path):
    assert cli("export", str(runs["generative_convnet"]), "--out", str(tmp_path / "m")).code == 0
    words = ["evaluate", str(tmp_path / "m"), "-n", "32", "--draws", "2"]
    ran = cli(*words, "--report", str(tmp_path / "r"), "--out", str(tmp_path / "o"))
    assert ran.code == 0
    page = sound_page(tmp_path / "r" / "report.html")
    assert "How the run fares" not in page.text and "an exported model keeps no log" in page.text
    assert (tmp_path / "o/report.json").read_text() == (tmp_path / "r/report.json").read_text()
    assert not (tmp_path / "o/report.html").exists()


def test_a_folder_of_the_page_that_cannot_be_written_is_told_first(cli, runs, tmp_path):
    (tmp_path / "file").write_text("")
    ran = cli("evaluate", str(runs["short_run"]), "--report", str(tmp_path / "file"))
    assert ran.code == 2 and "cannot make folder" in ran.err


def test_compare(cli, runs, tmp_path):
    words = ["compare", str(runs["short_run"]), str(runs["igebm"]), "--out", str(tmp_path / "c")]
    ran = cli(*words)
    assert (
        ran.code == 0 and "settings that differ" in ran.out and f"wrote {tmp_path}/c/compare.html" in ran.out
    )
    assert "igebm" in sound_page(tmp_path / "c" / "compare.html").text
    found = cli(*words, "--json").json
    assert found["settings"]["system"] == {"short_run": "short_run", "igebm": "igebm"}


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ("compare {run}", 2, "1 run to compare: give two or more"),
        ("compare {run} {run}", 2, "is given twice"),
        ("compare {run} nowhere", 1, "no checkpoint in nowhere: there is no such folder"),
        ("compare", 2, "RUN RUN ... is missing"),
        ("sweep short_run --data digits --chain.setps 1,2", 2, "did you mean '--chain.steps'?"),
        ("sweep short_run --data digits --chain.steps 1,", 2, "a value is missing between its commas"),
        ("sweep short_run --data digits --seeds a", 2, "give whole numbers with commas"),
        ("sweep short_run --data digits --minutes 0", 2, "must be a number above 0"),
    ],
)
def test_what_is_wrong_is_told_in_a_line(cli, runs, tmp_path, monkeypatch, words, code, said):
    monkeypatch.chdir(tmp_path)
    ran = cli(*words.format(run=runs["short_run"]).split())
    assert ran.code == code and said in ran.err and ran.err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_values_between_commas_are_swept_and_lists_stay_whole():
    words = "short_run --train.lr 1e-3,3e-4 --net.hidden [8],[8,8] --chain.steps=4"
    assert parse(sweep, words.split())["settings"] == {
        "train.lr": ["1e-3", "3e-4"], "net.hidden": [[8], [8, 8]], "chain.steps": [4]
    }  # fmt: skip


def test_sweep(cli, tiny, tmp_path):
    words = "sweep short_run --data digits --net.name mlp --net.hidden [8],[4] --chain.steps 2 --seeds 0,1"
    words = [
        *words.split(),
        "--steps",
        "2",
        "-n",
        "32",
        "--train.sample_every",
        "0",
        "--out",
        str(tmp_path / "s"),
    ]
    ran = cli(*words)
    assert ran.code == 0 and "net.hidden: " in ran.out and "2 of 2" in ran.out
    assert (
        "4 runs; each is measured against 279 training rows set aside, never against the test part" in ran.err
    )
    assert "--net.hidden '[8],[4]'" in sound_page(tmp_path / "s" / "sweep.html").text
    assert (tmp_path / "s" / "sweep.txt").read_text().startswith("net.hidden  seeds")
    assert len(cli(*words, "--json").json["runs"]) == 4

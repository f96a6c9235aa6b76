"""`gibbsian list` and `gibbsian cite`."""

from __future__ import annotations

import pytest

from gibbsian.cli.kernels import KERNELS
from gibbsian.data.names import DATA_NAMES
from gibbsian.models.papers import PAPERS
from gibbsian.train.recipes import presets

COUNTS = {
    "systems": len(PAPERS), "presets": sum(len(presets(p)) for p in PAPERS),
    "data": len(DATA_NAMES), "kernels": len(KERNELS),
}  # fmt: skip


@pytest.mark.parametrize("what", COUNTS)
def test_every_line_is_there(cli, what):
    assert len(cli(f"list {what} --json").json[what]) == COUNTS[what]
    assert len(cli(f"list {what}").out.splitlines()) == COUNTS[what]


def test_presets_say_who_claims_a_density(cli):
    rows = {(r["system"], r["preset"]): r["density"] for r in cli("list presets --json").json["presets"]}
    assert rows["nce", "digits"] and rows["gebm", "table"] and not rows["gebm", "digits"]
    assert not rows["short_run", "toy"] and rows["igebm", "toy"] and not rows["drl", "toy"]
    lines = cli("list presets").out.splitlines()
    assert sum(" a density " in line for line in lines) == sum(rows.values())


def test_the_presets_of_one_system(cli):
    rows = cli("list presets igebm --json").json["presets"]
    assert [r["preset"] for r in rows] == list(presets("igebm")) and {r["system"] for r in rows} == {"igebm"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("presets igebn", "did you mean 'igebm'?"),
        ("presets my_file.py", "my_file.py:PAPER"),
        ("data igebm", "list presets igebm"),
    ],
)
def test_a_wrong_system_is_one_line(cli, words, said):
    ran = cli(f"list {words}")
    assert ran.code == 2 and said in ran.err


def test_unknown_list_names_the_nearest(cli):
    ran = cli("list sistems")
    assert ran.code == 2 and "did you mean 'systems'?" in ran.err


@pytest.mark.parametrize("system", PAPERS)
def test_every_system_is_cited(cli, system):
    ran = cli(f"cite {system}")
    paper = PAPERS[system].papers()[0]
    assert f"@inproceedings{{{paper.key}," in ran.out and paper.url in ran.out
    assert cli(f"cite {system} --json").json["papers"][0]["key"] == paper.key


def test_published_figures_stand_below(cli):
    assert "6.02 / 40.58" in cli("cite igebm").out
    assert cli("cite short_run --json").json["published"][0]["value"] == "44.50"


def test_second_papers_are_cited_too(cli):
    assert "nijkamp2020anatomy" in cli("cite generative_convnet").out


def test_unknown_system_names_the_nearest(cli):
    ran = cli("cite short_rum")
    assert ran.code == 2 and "did you mean 'short_run'?" in ran.err

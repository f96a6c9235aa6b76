"""The section `chains` as rows, page and picture."""

from __future__ import annotations

import copy

import pytest
from known import TIMES
from PIL import Image

from benchmarks.show import plot, rows, table, verdicts

RESULT = {
    "rounds": 3,
    "absent": {"bf16-compiled": "this cpu only emulates bfloat16"},
    "cases": {"mlp-64": TIMES, "conv-16": TIMES, "latent": TIMES},
    "starts": {"mlp-64": {"cold": 20.04, "warm": 5.0, "steady": 0.1}},
}


def test_rows_have_every_implementation_and_ceiling():
    found = rows(RESULT)
    assert len({len(row) for row in found}) == 1 and len(found) == 1 + 3 * (6 + 2)
    row = next(r for r in found if r[:2] == ["mlp-64", "compiled"])
    assert row[2:] == ["0.5 (0.5–0.8)", "4.00× (3.00–4.00)", "60 % (37–60)"]


def test_targets_say_met_or_not():
    found = {(row[0], row[1].split(",")[0]): row[2:] for row in verdicts(RESULT)[1:]}
    assert found["mlp-64", "compiled"] == ["3.00×", "4.00×", "compiled", "yes"]
    assert found["conv-16", "bfloat16"] == ["2.50×", "8.00×", "bf16", "yes"]
    slow = copy.deepcopy(RESULT)
    slow["cases"]["mlp-64"]["seconds"]["compiled"] = [1.0, 1.0, 1.0]
    assert ["mlp-64", "no"] in [[row[0], row[-1]] for row in verdicts(slow)] and "| **no** |" in table(slow)
    assert verdicts({**RESULT, "cases": {"trial-updates": TIMES}}) == []


def test_the_page_explains_and_has_every_table():
    page = table(RESULT)
    assert not any(line.startswith("# ") for line in page.splitlines())
    assert "median of 3 rounds" in page and "ceiling" in page
    assert "| mlp-64 | 1 (1–1) | 0.5 (0.5–0.8) | 0.25 (0.2–0.3) |" in page
    assert "| mlp-64 | 20.0 | 5.0 | 0.100 |" in page
    assert "**bf16-compiled** was not measured: this cpu only emulates bfloat16" in page
    widths = [line.count("|") for line in page.splitlines() if line.startswith("| mlp-64")]
    assert len(widths) == 6


def test_what_was_not_measured_is_a_dash():
    seconds = {name: taken for name, taken in TIMES["seconds"].items() if name != "compiled"}
    partly = {**RESULT, "cases": {**RESULT["cases"], "latent": {**TIMES, "seconds": seconds}}}
    assert "| latent | 1 (1–1) | – |" in table(partly)
    without = {**partly, "cases": {"mlp-64": {**TIMES, "seconds": {"gibbsian": [1.0] * 3}, "ceilings": {}}}}
    assert "| mlp-64 | – | – |" in table(without) and "not measured" in table(without)


@pytest.mark.parametrize("number", [1, 3])
def test_a_picture_has_a_panel_a_case(tmp_path, number):
    pytest.importorskip("matplotlib")
    cases = dict(list(RESULT["cases"].items())[:number])
    plot({**RESULT, "cases": cases}, tmp_path / "chains.png")
    with Image.open(tmp_path / "chains.png") as picture:
        assert picture.width > 500 and len(picture.getcolors(1 << 20)) > 10

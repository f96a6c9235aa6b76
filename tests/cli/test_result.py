"""What commands hand back."""

from __future__ import annotations

import json
from pathlib import Path

from gibbsian.cli.result import Result, plain, table


def test_numbers_that_json_has_not_become_strings():
    data = {"a": float("nan"), "b": [float("inf"), 1.5], "c": Path("x"), "d": (None, True)}
    assert plain(data) == {"a": "nan", "b": ["inf", 1.5], "c": "x", "d": [None, True]}
    assert json.loads(Result(data, "text").shown(True))["a"] == "nan"


def test_text_without_json():
    assert Result({"a": 1}, "one").shown(False) == "one"


def test_columns_are_aligned():
    assert table([["a", "1"], ["bbb", "22"]]) == "a    1\nbbb  22"
    assert table([]) == ""

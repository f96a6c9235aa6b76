"""Loss curves of 50 updates against stored ones: the same seed gives the same numbers, release after release.

The tolerance is 1e-4 and not 0 because matrix products round differently from one machine's BLAS to
another's; chains multiply such differences, so settings here are short and calm. A new paper joins by a
JSON file with `system`, `data`, `model` and perhaps `train`; `record.py` fills in its curve.
"""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import pytest

from gibbsian.models.papers import PAPERS

HERE = Path(__file__).parent
SETTINGS = {path.stem: json.loads(path.read_text()) for path in sorted(HERE.glob("*.json"))}


def test_every_paper_has_a_curve() -> None:
    assert {s["system"] for s in SETTINGS.values()} == set(PAPERS)


@pytest.mark.parametrize("name", SETTINGS)
def test_curve(name: str) -> None:
    setting = SETTINGS[name]
    found = runpy.run_path(str(HERE / "record.py"))["curve"](setting)
    assert found.keys() == setting["curve"].keys() and "loss" in "".join(found)
    for key, values in setting["curve"].items():
        assert 20 <= len(values) <= 50 and len(set(values)) > 10  # fewer than 50 for a stage
        assert found[key] == pytest.approx(values, rel=1e-4, abs=1e-5), key

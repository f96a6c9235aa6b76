"""Every Python block of docs/own-loop.md runs, in order: for a moment, in the slow suite as it is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch

import gibbsian as gb
from gibbsian.models.papers import PAPERS

PAGE = (Path(__file__).parents[2] / "docs" / "own-loop.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
SHORTER = {
    "ring.split(256)": "ring[:512].split(256)",
    "range(24)": "range(1)",
    "randperm(len(digits))": "randperm(128)",
    "steps=400": "steps=3",
    "steps=1000": "steps=2",
    "steps=500": "steps=50",
    "steps=20, out": "steps=1, out",
    "steps=40, out": "steps=2, out",
}


def run(code: str) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "page"}
    exec(compile(code, "docs/own-loop.md", "exec", dont_inherit=True), names)
    PAPERS.pop("smoothed", None)
    return names


def test_blocks_run_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code = "\n".join(BLOCKS)
    for words, fewer in SHORTER.items():
        assert words in code, words
        code = code.replace(words, fewer)
    names = run(code)
    assert names["drawn"].x.shape == (64, 1, 8, 8) and (tmp_path / "digits.png").stat().st_size > 1000
    x = names["ring"][:8]
    both = names["narrow"].neg_log_prob(x) + names["wide"].neg_log_prob(x)
    of = {name: gb.score_function(names[name], x) for name in ("both", "narrow", "wide")}
    assert torch.allclose(of["both"], of["narrow"] + of["wide"], atol=1e-5)
    assert names["again"].record.name == "smoothed" and (tmp_path / "runs" / "smoothed").is_dir()
    assert names["both"].neg_log_prob(x).allclose(both) and isinstance(names["both"], gb.EnergyModel)


@pytest.mark.slow
def test_blocks_as_they_stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run("\n".join(BLOCKS))

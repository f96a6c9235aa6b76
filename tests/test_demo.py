"""What `make demo` runs, at toy size."""

from __future__ import annotations

import sys

import pytest

from scripts import demo


def test_the_demo_writes_what_it_promises(tmp_path, monkeypatch, capsys):
    pytest.importorskip("matplotlib")
    whole = demo.evaluate

    def small(model, data, **how):
        return whole(model, data, **{**how, "n": 40, "draws": 2})

    monkeypatch.setattr(demo, "evaluate", small)
    monkeypatch.setattr(sys, "argv", ["demo", "--steps", "2", "--out", str(tmp_path)])
    assert demo.main() == 0
    assert all((tmp_path / name).stat().st_size for name in ("samples.png", "chains.gif", "energies.png"))
    assert "held-out digits" in capsys.readouterr().out and (tmp_path / "report.json").exists()

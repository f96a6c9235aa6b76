"""Sweeps on tiny chains, and that what they measured becomes a record that the page can show."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from benchmarks import scaling
from benchmarks.scaling import SWEEPS, Sweep, fine_enough, measure, sweep
from gibbsian.core.energy import value
from gibbsian.core.errors import UsageError


def few(name: str, *sizes: int) -> Sweep:
    return replace(SWEEPS[name], sizes=sizes)


@pytest.mark.slow
def test_a_tiny_measurement_is_json_and_can_be_shown(monkeypatch, tmp_path) -> None:
    tiny = {
        "chains": few("chains", 1, 2, 3),
        "steps": few("steps", 2, 3, 4),
        "pixels": few("pixels", 16, 25, 36),
        "energies": few("energies", 1, 2, 3),
    }
    monkeypatch.setattr(scaling, "SWEEPS", tiny)
    monkeypatch.setattr(scaling, "PEAKS", (2, 4))
    monkeypatch.setattr(scaling, "FINE", 1e-4)
    said: list[str] = []
    result = json.loads(json.dumps(measure(rounds=2, notify=said.append)))
    assert len(said) == 5 and said[0].startswith("chains: ") and "process of its own" in said[-1]
    for name, record in result["sweeps"].items():
        assert tuple(record["sizes"]) == tiny[name].sizes
        assert [len(rounds) for rounds in record["seconds"]] == [2, 2, 2]
        assert all(0 < t < 10 for rounds in record["seconds"] for t in rounds)
    peaks = result["sweeps"]["steps"]["peaks"]
    assert list(peaks) == ["2", "4"] and all(20 < mib < 2000 for mib in peaks.values())
    assert "| image side | 4 × 4 | 6 × 6 |" in scaling.table(result)
    scaling.plot(result, tmp_path / "scaling.png")
    assert (tmp_path / "scaling.png").stat().st_size > 10_000


def test_seconds_are_of_a_step_or_of_a_whole_chain(monkeypatch) -> None:
    """A clock that each step moves on by one second."""
    clock = [0.0]
    monkeypatch.setattr(scaling.Ready, "move", lambda self, steps: clock.__setitem__(0, clock[0] + steps))
    monkeypatch.setattr("benchmarks.timing.time.perf_counter", lambda: clock[0])
    steps = sweep(few("steps", 3, 5, 7), rounds=2)
    assert steps["seconds"] == [[3, 3], [5, 5], [7, 7]] and steps["per"] == "chain"
    assert sweep(few("chains", 1, 2, 3), rounds=1)["seconds"] == [[1], [1], [1]]


@pytest.mark.parametrize("each, steps", [(1.0, 2), (0.01, 10), (1e-6, 200)])
def test_timed_calls_are_long_enough_for_the_clock(monkeypatch, each, steps) -> None:
    monkeypatch.setattr(scaling, "seconds", lambda call: 2 * each)
    ready = SWEEPS["chains"].prepare(1)
    assert fine_enough(ready) == steps


def test_the_sweeps_are_what_they_say() -> None:
    ends = {name: (s.sizes[0], s.sizes[-1]) for name, s in SWEEPS.items()}
    assert ends == {"chains": (1, 100_000), "steps": (10, 10_000), "pixels": (64, 4096), "energies": (1, 16)}
    assert SWEEPS["pixels"].label(64) == "8 × 8" and SWEEPS["steps"].label(10_000) == "10,000"
    for name, size, shape in [
        ("chains", 5, (5, 2)),
        ("steps", 10, (64, 64)),
        ("pixels", 144, (32, 1, 12, 12)),
        ("energies", 3, (64, 2)),
    ]:
        ready = SWEEPS[name].prepare(size)
        assert isinstance(ready.x, torch.Tensor) and ready.x.shape == shape
        assert torch.isfinite(value(ready.energy, ready.x)).all()


def test_the_parts_of_a_product_differ() -> None:
    ready = SWEEPS["energies"].prepare(2)
    first, second = (value(e, ready.x) for e in ready.energy.energies)
    assert not torch.allclose(first, second)


def test_no_rounds_are_refused() -> None:
    with pytest.raises(UsageError, match="rounds is 0"):
        measure(rounds=0, notify=lambda said: None)

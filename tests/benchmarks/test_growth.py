"""Slopes on data with a known answer, and the section's Markdown and picture from a made-up record."""

from __future__ import annotations

import math
import statistics

import pytest
import torch

from benchmarks.growth import Slope, fit, plot, slopes, table
from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator


def record(axis="chains", *, power=1.0, overhead=0.0, peaks=None):
    sizes = [1, 10, 100, 1000, 10_000]
    seconds = [[1e-6 * s**power + overhead] * 3 for s in sizes]
    out = {
        "about": "chains on something",
        "axis": axis,
        "per": "chain" if axis == "steps" else "step",
        "sizes": sizes,
        "labels": [f"{s:,}" for s in sizes],
        "seconds": [[0.9 * a, b, 1.2 * c] for a, b, c in seconds],
    }
    return out if peaks is None else {**out, "peaks": peaks}


def result(**sweeps):
    return {"rounds": 3, "threads": 1, "sweeps": sweeps}


@pytest.mark.parametrize("power", [0.0, 1.0, 2.5])
def test_a_power_law_has_its_power_and_no_error(power) -> None:
    slope = fit([1, 10, 100, 1000], [3e-4 * s**power for s in (1, 10, 100, 1000)])
    assert slope.value == pytest.approx(power, abs=1e-12) and slope.error == pytest.approx(0, abs=1e-7)
    assert slope.at(50) == pytest.approx(3e-4 * 50**power)


def test_slope_and_error_of_three_points_by_hand() -> None:
    """Logs x = 0, 1, 2 and y = 0, 1, 3: slope 3/2, residuals 1/6, -1/3, 1/6, error sqrt(1/6 / 1 / 2)."""
    slope = fit([1, 10, 100], [1.0, 10.0, 1000.0])
    assert slope.value == pytest.approx(1.5)
    assert slope.error == pytest.approx(math.sqrt(1 / 12))


def test_the_standard_error_is_the_spread_of_slopes() -> None:
    """400 noisy lines: root mean square error and spread of the slopes agree within 15 % (4 standard errors
    of a standard deviation from 400 draws, false alarm 1e-4)."""
    sizes = [2**k for k in range(12)]
    noise = 0.05 * torch.randn(400, 12, generator=generator(3), dtype=torch.float64)
    found = [fit(sizes, [s * 10**e for s, e in zip(sizes, row.tolist(), strict=True)]) for row in noise]
    spread = statistics.stdev(f.value for f in found)
    told = math.sqrt(statistics.fmean(f.error**2 for f in found))
    assert abs(told / spread - 1) < 0.15
    assert abs(statistics.fmean(f.value for f in found) - 1) < 4 * spread / 20


def test_two_sizes_have_no_error() -> None:
    with pytest.raises(UsageError, match="three sizes"):
        fit([1, 2], [1.0, 2.0])


def test_the_upper_slope_leaves_the_overhead_out() -> None:
    every, upper, first = slopes(record(overhead=1e-4))
    assert first == 2 and every.value < 0.6 < upper.value < 1.0
    three = {**record(), "sizes": [1, 2, 100], "seconds": [[1.0], [2.0], [100.0]]}
    assert slopes(three)[2] == 0, "three at least"


def test_the_table_says_what_was_found() -> None:
    peaks = {"10": 231.04, "10000": 231.5}
    text = table(
        result(chains=record(), steps=record("steps", peaks=peaks), energies=record("energies", power=1.5))
    )
    assert "# " not in text.replace("### ", "")
    assert "| chains | 1 | 10,000 | 1.00 ± 0.00 | 1.00 ± 0.00 from 100 | proportional |" in text
    assert "1.50 ± 0.00 from 100 | **more than proportional** |" in text
    assert "| 10,000 | 0.01 (0.009–0.012) | 1 |" in text
    assert "| 10,000 | 231.5 |" in text and "156 MiB" in text
    assert "seconds of the whole chain" in text and "µs for each energy" in text and "3 rounds" in text


def test_a_slope_far_from_one_but_uncertain_is_not_called_steep() -> None:
    wavering = record()
    wavering["seconds"] = [[1e-6], [1e-5], [1e-4], [5e-4], [2e-2]]
    upper = slopes(wavering)[1]
    assert 1.1 < upper.value < 1 + 2 * upper.error
    assert "more than" not in table(result(chains=wavering))
    assert "less than proportional" in table(result(chains=record(power=0.5)))


@pytest.mark.parametrize(
    "names", [("chains",), ("chains", "steps", "pixels"), ("chains", "steps", "pixels", "energies")]
)
def test_a_panel_for_each_sweep(monkeypatch, tmp_path, names) -> None:
    from matplotlib.figure import Figure

    kept = []
    save = Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda self, *a, **k: (kept.append(self), save(self, *a, **k)))
    peaks = {"10": 231.0, "10000": 231.5}
    plot(
        result(**{n: record(n, peaks=peaks if n == "steps" else None) for n in names}),
        tmp_path / "a" / "b.png",
    )
    assert (tmp_path / "a" / "b.png").stat().st_size > 10_000
    shown = [axes for axes in kept[0].axes if axes.get_title(loc="left")]
    assert len(shown) == len(names)
    assert all(axes.get_xscale() == axes.get_yscale() == "log" for axes in shown)
    labels = [t.get_text() for t in shown[0].get_legend().get_texts()]
    assert labels == ["slope 1", "slope 1.00 ± 0.00"]
    assert sum(axes.get_ylabel() == "peak memory, MiB" for axes in kept[0].axes) == ("steps" in names)


def test_slopes_are_plain_values() -> None:
    assert Slope(1.0, 0.1, -3.0).at(100) == pytest.approx(0.1)

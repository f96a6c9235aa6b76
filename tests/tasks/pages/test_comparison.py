"""Runs side by side: what differs is told, what does not compare is not compared."""

from __future__ import annotations

import json

import pytest
from pages import sound_page
from scipy import stats

import gibbsian as gb
from gibbsian.core.errors import CheckpointError, UsageError
from gibbsian.metrics.interval import Interval
from gibbsian.tasks.pages.about import About
from gibbsian.tasks.pages.measured import Measured
from gibbsian.tasks.pages.several import Comparison, compared, named_runs

TINY = {
    "net__hidden": (8,),
    "chain__steps": 2,
    "sample__steps": 5,
    "train__log_every": 1,
    "train__save_every": 5,
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two runs on one toy, one on another, and the first one exported."""
    root = tmp_path_factory.mktemp("runs")
    for name, data, more in (
        ("slow", "toy:ring", {}),
        ("quick", "toy:ring", {"train__lr": 5e-3}),
        ("other", "toy:grid5", {}),
    ):
        gb.fit("generative_convnet", data, steps=10, out=root / name, progress=False, **TINY, **more)
    gb.load(root / "slow").save(root / "exported")
    return root


def test_settings_that_differ_and_only_those(runs, tmp_path) -> None:
    found = gb.compare([runs / "slow", runs / "quick", runs / "exported"], out=tmp_path / "c")
    assert found.settings["train.lr"] == ["0.001", "0.005", "-"] and set(found.settings) == {"train.lr"}
    assert found.ends["updates"] == ["10", "10", "-"] and found.ends["state"] == ["done", "done", "exported"]
    assert "no report.json lies in these folders" in found.notes[0]
    page = sound_page(tmp_path / "c" / "compare.html")
    assert len(page.all("img")) == 3 and "0.005" in page.text and "slow and quick and exported" in page.text
    stored = json.loads((tmp_path / "c" / "compare.json").read_text())
    assert stored["settings"]["train.lr"]["quick"] == "0.005"
    assert {p.name for p in (tmp_path / "c").iterdir()} == {
        f"compare.{k}" for k in ("html", "json", "png", "txt")
    }


def test_measures_are_those_of_reports_that_are_alike(runs, tmp_path) -> None:
    for name, draws in (("slow", 3), ("quick", 3)):
        gb.write_report(runs / name, runs / name / "report", n=40, draws=draws)
    found = gb.compare([runs / "slow", runs / "quick"])
    assert list(found.differences["kl_forward"]) == ["quick"]
    a, b = (found.measures[name]["kl_forward"] for name in ("slow", "quick"))
    assert found.differences["kl_forward"]["quick"].estimate == pytest.approx(b.estimate - a.estimate)
    assert "quick and slow do not differ beyond intervals in kl_forward (" in found.text()
    gb.write_report(runs / "quick", runs / "quick" / "report", n=50, draws=3)
    found = gb.compare([runs / "slow", runs / "quick"])
    assert not found.differences and "their n differ (slow 40, quick 50): add --evaluate" in found.notes[-1]
    found = gb.compare([runs / "slow", runs / "quick"], measure=True, n=30, draws=2, out=tmp_path / "e")
    assert found.differences and (tmp_path / "e" / "quick" / "report.json").is_file()


def test_runs_of_other_data_are_compared_in_all_else(runs) -> None:
    found = gb.compare([runs / "slow", runs / "other"], measure=True, n=20, draws=2)
    assert found.settings["data"] == ["toy:ring", "toy:grid5"] and not found.differences
    assert "different data (toy:ring, toy:grid5)" in found.text() and set(found.measures) == {"slow", "other"}


def test_what_cannot_be_compared_is_told(runs, tmp_path) -> None:
    with pytest.raises(UsageError, match="1 run to compare"):
        named_runs([runs / "slow"])
    with pytest.raises(UsageError, match="given twice"):
        named_runs([runs / "slow", runs / "slow" / "."])
    with pytest.raises(CheckpointError, match="no checkpoint in"):
        named_runs([runs / "slow", tmp_path])
    for text in ('{"measures": {"model": 3}, "draws": "x"}', '{"measures": {"model": {}}, "draws": 1}', "[]"):
        (runs / "slow" / "report.json").write_text(text)
        assert Measured.read(runs / "slow" / "report.json") is None
    (runs / "slow" / "report.json").unlink()


def test_a_run_without_a_checkpoint_is_compared_by_its_log(runs, tmp_path) -> None:
    with pytest.raises(gb.GibbsianError):
        gb.fit("short_run", "digits", steps=20, out=tmp_path / "bad", progress=False, net__name="mlp",
               net__hidden=(8,), chain__step_size=1e7, train__sample_every=0)  # fmt: skip
    found = gb.compare([runs / "slow", tmp_path / "bad"], out=tmp_path / "c")
    assert (
        found.ends["state"] == ["done", "diverged"] and "ended before its first one was saved" in found.text()
    )
    sound_page(tmp_path / "c" / "compare.html")


def test_differences_are_welchs() -> None:
    """From means with intervals over 4 draws to the interval of their difference."""
    import torch

    from gibbsian.metrics.interval import mean_interval

    a, b = [1.0, 1.2, 0.9, 1.1], [2.0, 2.6, 1.5, 2.2]
    rows = {name: {"m": mean_interval(torch.tensor(v))} for name, v in (("a", a), ("b", b))}
    how = {"draws": 4, "n": 10}
    runs = {name: About(name, {"system": "jem", "data": "digits"}) for name in "ab"}
    found = compared(runs, {name: Measured(of, how) for name, of in rows.items()})
    test = stats.ttest_ind(b, a, equal_var=False)
    error = test._standard_error
    reach = stats.t.ppf(0.975, int(test.df)) * error
    assert found.differences["m"]["b"].half_width == pytest.approx(reach, rel=1e-5)
    assert found.in_words() == [f"m: b is higher than a by 1.02 ± {reach:.2g}"]


def test_words_of_differences() -> None:
    nan = float("nan")
    found = {"up": Interval(0.8, 0.5, 1.1), "flat": Interval(0.1, -0.4, 0.6), "lost": Interval(nan, nan, nan)}
    shown = Comparison({}, {}, {}, {"a": {}, "b": {}}, {key: {"b": v} for key, v in found.items()}, ())
    assert shown.in_words() == [
        "up: b is higher than a by 0.8 ± 0.3",
        "b and a do not differ beyond intervals in flat (0.1 ± 0.5), lost (not finite)",
    ]
    assert repr(shown).startswith("Comparison")

"""Sweeps: what is made, what is skipped, and whether the summary tells effects from seeds."""

from __future__ import annotations

import json

import numpy as np
import pytest
from pages import sound_page
from scipy import stats

import gibbsian as gb
from gibbsian.core.errors import CheckpointError, UsageError
from gibbsian.tasks.pages.swept import sweep_page
from gibbsian.tasks.sweep.summary import Sweep, Trained
from gibbsian.train.folder import RunFolder

FIXED = {
    "net.hidden": (8,),
    "chain.steps": 2,
    "sample.steps": 3,
    "train.sample_every": 0,
    "train.log_every": 1,
}


def made(values, settings, seeds=(0, 1, 2)) -> Sweep:
    """A sweep with the measures `values[point index][seed index]`, None where a run diverged."""
    points = [()]
    for name, options in settings.items():
        points = [(*p, (name, v)) for p in points for v in options]
    runs = [
        Trained(
            f"{k}-{s}", point, s, "done" if v is not None else "diverged", v, "" if v is not None else "why"
        )
        for k, (point, row) in enumerate(zip(points, values, strict=True))
        for s, v in zip(seeds, row, strict=True)
    ]
    return Sweep("jem", "digits", "feature_distance", tuple(seeds), settings, tuple(runs))


def test_an_effect_is_welchs_difference() -> None:
    a, b = [1.0, 1.3, 0.8], [2.0, 2.5, 2.4]
    (effect,) = made([a, b], {"train.lr": [1e-3, 3e-4]}).effects()
    test = stats.ttest_ind(a, b, equal_var=False)
    assert effect.found.estimate == pytest.approx(np.mean(a) - np.mean(b))
    assert effect.found.half_width == pytest.approx(
        stats.t.ppf(0.975, int(test.df)) * test._standard_error, rel=1e-9
    )
    assert effect.words() == f"train.lr: 0.001 is better than 0.0003 by 1.27 ± {effect.found.half_width:.2g}"


def test_noise_is_told_as_noise() -> None:
    found = made([[1.0, 1.3, 0.8], [1.1, 0.9, 1.2]], {"train.lr": [1e-3, 3e-4]})
    assert "train.lr: no difference between 0.001 and 0.0003 beyond seeds (0.0333 ± " in found.text()
    pooled = np.sqrt((np.var([1.0, 1.3, 0.8], ddof=1) + np.var([1.1, 0.9, 1.2], ddof=1)) / 2)
    assert found.seed_spread() == pytest.approx(pooled, rel=1e-9)


def test_the_effect_of_one_setting_is_taken_at_equal_others() -> None:
    """Main effects of 2 x 2 choices: 1 and 10, without interaction, as of a balanced design."""
    rng = np.random.default_rng(0)
    values = [[base + e for e in 0.01 * rng.standard_normal(4)] for base in (0, 1, 10, 11)]
    settings = {"net.width": [1, 2], "train.lr": [1e-3, 3e-4]}
    wide, lr = made(values, settings, seeds=(0, 1, 2, 3)).effects()
    means = np.mean(values, axis=1)
    assert wide.found.estimate == pytest.approx(means[:2].mean() - means[2:].mean())
    assert lr.found.estimate == pytest.approx(means[::2].mean() - means[1::2].mean())
    variance = sum(np.var(v, ddof=1) / 4 for v in values) / 4
    degrees = variance**2 / sum((np.var(v, ddof=1) / 16) ** 2 / 3 for v in values)
    assert wide.found.half_width == pytest.approx(
        stats.t.ppf(0.975, int(degrees)) * np.sqrt(variance), rel=1e-9
    )


def test_choices_that_diverged_are_left_out_of_both_sides() -> None:
    values = [[1.0, 1.1, 0.9], [5.0, 5.1, 4.9], [2.0, 2.1, 1.9], [None, None, 3.0]]
    wide, lr = made(values, {"net.width": [1, 2], "train.lr": [1e-3, 3e-4]}).effects()
    assert wide.found.estimate == pytest.approx(-1.0) and lr.found.estimate == pytest.approx(-4.0)
    text = made(values, {"net.width": [1, 2], "train.lr": [1e-3, 3e-4]}).text()
    assert "1 of 3" in text and "2 diverged" in text and "3-0: why" in text


def test_one_seed_says_nothing_of_seeds() -> None:
    found = made([[1.0], [2.0]], {"train.lr": [1e-3, 3e-4]}, seeds=(0,))
    assert "one seed: nothing can be said" in found.text() and found.seed_spread() is None


def test_runs_are_made_once_and_gone_on_with(tmp_path) -> None:
    out, lines = tmp_path / "s", []
    how = {"out": out, "steps": 6, "fixed": FIXED, "n": 32}
    first = gb.sweep("generative_convnet", "toy:ring", {"train.lr": [1e-3, 1e-2]}, seeds=(0, 1), **how)
    assert not any(run.why for run in first.runs), first
    folders = sorted(p.name for p in out.iterdir() if p.is_dir())
    assert folders == [f"train.lr={lr}_seed={s}" for lr in ("0.001", "0.01") for s in (0, 1)]
    assert first.measure == "kl_forward" and all(run.value > 0 for run in first.runs)
    stamps = {p: p.stat().st_mtime_ns for p in out.glob("*/run.json")}
    (out / "train.lr=0.01_seed=1" / "validation.json").unlink()
    RunFolder(out / "train.lr=0.01_seed=0").update_record(state="stopped")
    again = gb.sweep("generative_convnet", "toy:ring", {"train.lr": [1e-3, 1e-2]}, seeds=(0, 1, 2),
                     progress=lines.append, **how)  # fmt: skip
    new = {p for p in out.glob("*/run.json") if stamps.get(p) != p.stat().st_mtime_ns}
    assert {p.parent.name for p in new} == {
        "train.lr=0.001_seed=2", "train.lr=0.01_seed=2", "train.lr=0.01_seed=0"
    }  # fmt: skip
    known = {run.path: run.value for run in again.runs}
    assert {path: known[path] for path in (run.path for run in first.runs)} == {
        run.path: run.value for run in first.runs
    }
    assert lines[0].startswith("6 runs; each is measured against exact draws")
    with pytest.raises(UsageError, match="holds a sweep with steps 6, not 7"):
        gb.sweep("generative_convnet", "toy:ring", **{**how, "steps": 7})
    stored = json.loads((out / "sweep.json").read_text())
    assert len(stored["runs"]) == 6 and stored["effects"][0]["setting"] == "train.lr"
    (tmp_path / "page.html").write_text(sweep_page(again, out, "gibbsian sweep <b>"))
    page = sound_page(tmp_path / "page.html")
    assert "gibbsian sweep <b>" in page.text and page.all("svg") and "3 of 3" in page.text


def test_a_run_that_diverges_is_noted_and_the_rest_goes_on(tmp_path) -> None:
    fixed = {"net.name": "mlp", "net.hidden": (8,), "chain.steps": 2, "train.sample_every": 0}
    swept, how = {"chain.step_size": [1e7, 2.0]}, {"seeds": (0,), "steps": 8, "fixed": fixed, "n": 32}
    found = gb.sweep("short_run", "digits", swept, out=tmp_path, **how)
    assert [run.state for run in found.runs] == ["diverged", "done"] and "diverged at step" in found.text()
    assert gb.sweep("short_run", "digits", swept, out=tmp_path, **how).runs == found.runs


def test_rows_are_set_aside_and_the_test_part_is_not_looked_at(tmp_path, monkeypatch) -> None:
    """Of arrays and of names: training sees four fifths, and nothing reads the test part."""
    from gibbsian.tasks.sweep import run

    seen = []
    own = run.evaluator_for
    monkeypatch.setattr(run, "evaluator_for", lambda *a, **k: seen.append(own(*a, **k)) or seen[-1])
    x = np.random.default_rng(0).standard_normal((100, 3)).astype("float32")
    gb.sweep("score_matching", x, out=tmp_path / "a", seeds=(0,), steps=2, n=32)
    gb.sweep("short_run", "digits", out=tmp_path / "b", seeds=(0,), steps=2, n=32,
             fixed={"net.name": "mlp", "net.hidden": (8,), "chain.steps": 2})  # fmt: skip
    assert [(e.record["against"], len(e.train), len(e.held)) for e in seen] == [
        ("validation", 80, 20), ("validation", 1118, 32)
    ]  # fmt: skip
    trained = [json.loads(p.read_text())["data"]["n"] for p in sorted(tmp_path.glob("*/seed=0/run.json"))]
    assert trained == [80, 1118]


@pytest.mark.parametrize(
    ("settings", "seeds", "said"),
    [
        ({"train.lr": []}, (0,), "train.lr is to take"),
        ({"train.lr": [1e-3, 1e-3]}, (0,), "each once"),
        ({"train.seed": [1, 2]}, (0,), "swept by seeds"),
        ({"chain.steps": [2, "x"]}, (0,), "chain.steps is 'x'"),
        ({}, (0, 0), "give one or more, each once"),
    ],
)
def test_what_cannot_be_swept_is_told_before_the_first_run(settings, seeds, said, tmp_path) -> None:
    with pytest.raises(UsageError, match=said):
        gb.sweep("short_run", "digits", settings, out=tmp_path / "s", seeds=seeds, steps=2)
    assert not (tmp_path / "s").exists()


def test_a_folder_of_something_else(tmp_path) -> None:
    (tmp_path / "sweep.json").write_text("[]")
    with pytest.raises(CheckpointError, match="no sweep's"):
        gb.sweep("short_run", "digits", out=tmp_path, seeds=(0,), steps=2)

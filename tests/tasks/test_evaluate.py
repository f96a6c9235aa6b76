"""`tasks.evaluate`: rows, normalised distance, intervals, chain diagnostics over all stages."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
import torch

import gibbsian as gb
from gibbsian.core.errors import UsageError
from gibbsian.core.spec import DataSpec
from gibbsian.metrics.interval import Interval
from gibbsian.models.model import EnergyModel
from gibbsian.models.sampler import WrappedSampler
from gibbsian.report.tables import summary
from gibbsian.tasks import evaluate as task
from gibbsian.tasks.discrepancy import SteinDiscrepancy
from gibbsian.tasks.evaluate import evaluate, validator
from gibbsian.tasks.quality import ALWAYS
from gibbsian.tasks.reference import OverDraws, warnings

MLP = {"net.name": "mlp", "net.hidden": [8], "chain.steps": 16, "start.capacity": 64}
UNIT = {"pixels.low": 0.0, "pixels.high": 1.0}


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def system(tiny_run):
    def make(name: str, data: str, changes: dict | None = None, steps: int = 0):
        trainer = tiny_run(name, data, {**MLP, **(changes or {})}).trainer
        trainer.fit(steps, progress=False)
        return trainer.model

    return make


def test_data_of_another_shape_are_refused_before_any_draw(system):
    told = []
    with pytest.raises(
        UsageError, match=r"digits holds data of shape \(1, 8, 8\), and this model makes \(2,\)"
    ):
        evaluate(system("igebm", "toy:ring"), "digits", n=40, draws=2, progress=told.append)
    assert not told


def test_report_of_a_labelled_model(system):
    report = evaluate(system("igebm", "digits", {**UNIT, "net.classes": 10}), "digits", n=40, draws=2, seed=3)
    baselines = ["training data", "class Gaussians", "one Gaussian", "noise", "held-out data"]
    assert list(report.rows) == ["model", *baselines]
    assert {"feature_distance", "normalised", "asked_class", "nn_ratio"} <= set(report.model)
    assert report.rows["training data"]["normalised"].estimate == pytest.approx(0.0, abs=1e-12)
    assert report.rows["noise"]["normalised"].estimate == pytest.approx(1.0)
    plain = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    for found in [*plain["measures"]["model"].values(), *filter(None, plain["chains"].values())]:
        assert found["seed"] == 3 and found["draws"] == 2 and found["n"] > 0
        assert found["interval"][0] <= found["value"] <= found["interval"][1]
    assert set(ALWAYS) <= set(plain["chains"]) and plain["chains"]["acceptance"] is None
    assert "normalised" in report.table() and "energy_rhat" in report.text()


def test_same_seed_same_report(system):
    model = system("short_run", "toy:ring", {"start.kind": "noise"})
    a, b, c = (evaluate(model, "toy:ring", n=50, draws=2, seed=s).to_dict() for s in (1, 1, 2))
    assert a == b != c


def test_a_single_draw_has_intervals_over_halves(system):
    model = system("igebm", "digits", {**UNIT, "net.classes": 10})
    report = evaluate(model, "digits", n=60, draws=1)
    plain = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert plain["draws"] == 1 and plain["intervals"] == "over random halves of the one draw"
    assert plain["chains"]["energy_end"]["draws"] == 2 and "a single draw" in report.text()
    for name in ("feature_distance", "kid", "diversity", "asked_class"):
        found = plain["measures"]["model"][name]
        assert found["interval"][0] < found["value"] < found["interval"][1], name
    for shares in plain["measures"].values():
        for name in ("precision", "recall", "coverage", "c2st", "near_copies"):
            low, high = shares[name]["interval"] if name in shares else (0, 1)
            assert 0 <= low < high <= 1, (name, low, high)
    assert all("samples" in of for of in report.classes.values()) and len(report.classes) == 10


def test_one_draw_and_its_halves_agree_with_many_draws():
    """The spread over 8 draws is known to a fourth, that over 20 halves to a sixth: a factor of 2.5."""
    evaluator = task.evaluator_for("digits", 200, rng(), features="random")
    draw = evaluator.baselines()["one Gaussian"]
    sets = [evaluator.look(draw(200, rng(k))) for k in range(8)]
    many, one = (OverDraws(evaluator.measures, some).intervals() for some in (sets, sets[:1]))
    for name in ("feature_distance", "kid", "nn_ratio", "density", "sliced_w2"):
        deviation = many[name].half_width * math.sqrt(8) / 2.365
        assert 0.4 < one[name].half_width / 2.093 / deviation < 2.5, name


def test_what_the_number_of_rows_does_is_told(system):
    model = system("short_run", "digits", {"start.kind": "noise"})
    few, many = (evaluate(model, "digits", n=n, draws=2, features="random") for n in (40, 160))
    assert "of 10, 20, 40 samples" in few.text() and "n is too small to say" in few.text()
    line = next(line for line in many.text().splitlines() if line.startswith("feature_distance of"))
    assert "of 40, 80, 160 samples" in line and line.count("of infinitely many") == 2
    floor = many.rows["training data"]
    order = [floor[f"feature_distance{end}"].estimate for end in ("_quarter", "_half", "", "_limit")]
    assert order == sorted(order, reverse=True) and "mmd2" in many.to_dict()["measures"]["model"]
    assert "mmd2" not in many.text() and "feature_distance_half" not in many.text()
    assert many.table(markdown=True).splitlines()[0].count("kid") == 1


def test_models_that_claim_a_density_are_held_against_it(system):
    model = system("score_matching", "toy:ring")
    assert model.claims_density
    own = evaluate(model, "toy:ring", n=100, draws=2).own
    assert set(own) == {"ksd2", "ksd2 of held-out data"}
    model.claims_density = False
    assert not evaluate(model, "toy:ring", n=100, draws=2).own


def test_the_discrepancy_of_exact_draws_is_none():
    """Of 500 draws of the model itself, and of others: 0 within twice its interval, and far above it."""
    model = Normal()
    draws, stein = (
        torch.randn(2, 500, 3, generator=rng()),
        SteinDiscrepancy(Normal(), torch.randn(500, 3, generator=rng(1))),
    )
    exact, wide = (
        OverDraws(stein.measures, [stein.look(s * draws[0])]).intervals()["ksd2"] for s in (1, 1.3)
    )
    assert stein.offered and abs(exact.estimate) < 2 * exact.half_width < wide.estimate
    assert not SteinDiscrepancy(Normal(), torch.ones(500, 3)).offered
    model.spec = replace(model.spec, num_classes=2)
    assert not SteinDiscrepancy(model, draws[1]).offered


class Normal(EnergyModel):
    """N(0, I) in 3 dimensions."""

    def __init__(self) -> None:
        super().__init__(DataSpec((3,)), claims_density=True)

    def energy(self, x, y=None):
        return x.square().sum(1) / 2

    neg_log_prob = energy


def test_data_that_hold_rows_twice_are_told(system):
    x = gb.dataset("digits").x[:300].clone()
    x[5], x[6] = x[4], x[4]
    held = gb.dataset("digits").x[300:400].clone()
    held[:7] = x[20:27]
    model = system("short_run", "digits", {"start.kind": "noise"})
    notes = evaluate(model, x, held=held, n=100, draws=2).notes
    assert any(note.startswith("7 of 100 held-out rows are training rows too") for note in notes)
    assert any(note.startswith("2 of 300 training rows equal an earlier one") for note in notes)


def test_intervals_of_few_draws_are_students():
    found = summary([{"a": float(v), "b": math.nan} for v in (1, 2, 3)])
    assert found["a"].half_width == pytest.approx(4.3027 / math.sqrt(3), rel=1e-4)
    assert math.isnan(found["b"].estimate) and isinstance(found["b"], Interval)


@pytest.fixture
def cached(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "gibbsian" / "reference"


def test_rows_of_the_data_are_measured_once(system, cached, monkeypatch):
    model, told = system("short_run", "digits", {"start.kind": "noise"}), []
    first = evaluate(model, "digits", n=40, draws=2, progress=told.append)
    assert told[0].startswith("measuring 2 draws takes about") and "measuring noise" in told
    again = evaluate(model, "digits", n=40, draws=2, progress=told.clear() or told.append)
    assert again.to_dict() == first.to_dict() and "measuring noise" not in told
    assert len(list(cached.iterdir())) == 1


@pytest.mark.parametrize(
    "other",
    [
        {"n": 50},
        {"draws": 3},
        {"seed": 1},
        {"features": "random"},
        {"against": "validation", "validation": 60},
    ],
)
def test_rows_of_other_settings_are_others(other, system, cached):
    model, told = system("short_run", "digits", {"start.kind": "noise"}), []
    evaluate(model, "digits", **{"n": 40, "draws": 2})
    evaluate(model, "digits", **{"n": 40, "draws": 2, **other}, progress=told.append)
    assert "measuring noise" in told and len(list(cached.iterdir())) == 2


@pytest.mark.parametrize("content", [b"", b"hello", "of another file"])
def test_damaged_rows_are_measured_anew_in_one_line(content, system, cached):
    model, told = system("short_run", "digits", {"start.kind": "noise"}), []
    first = evaluate(model, "digits", n=40, draws=2)
    (path,) = cached.iterdir()
    if isinstance(content, str):
        evaluate(model, "digits", n=41, draws=2)
        content = next(p for p in cached.iterdir() if p != path).read_bytes()
    path.write_bytes(content)
    again = evaluate(model, "digits", n=40, draws=2, progress=told.append)
    assert again.rows == first.rows and sum("measured anew" in line for line in told) == 1
    evaluate(model, "digits", n=40, draws=2, progress=told.clear() or told.append)
    assert not any("anew" in line for line in told)


def test_a_cache_that_cannot_be_written_is_told(system, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    told = []
    evaluate(
        system("short_run", "digits", {"start.kind": "noise"}), "digits", n=40, draws=2, progress=told.append
    )
    assert sum("not kept for another time" in line for line in told) == 1


def rows(**model: float) -> dict[str, dict[str, Interval]]:
    plain = {"model": model, "held-out data": {"near_copies": 0.1, "diversity": 1.0}}
    return {row: {k: Interval(v, v, v) for k, v in of.items()} for row, of in plain.items()}


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({"diversity": 0.31}, "samples repeat one another: the next one is 0.31 times"),
        ({"diversity": 0.9, "near_copies": 0.6}, "60% of the samples are near copies of training rows, 10%"),
        ({"diversity": 0.6, "near_copies": 0.12}, ""),
        ({"diversity": 1.9}, ""),
        ({}, ""),
    ],
)
def test_what_the_rows_together_say_is_told(found, said):
    told = warnings(rows(**found))
    assert len(told) == bool(said) and all(line.startswith(said) for line in told)


def test_spaces_that_disagree_are_told():
    found = rows(feature_distance=1.0, pixel_distance=2.0)
    found["noise"] = {"feature_distance": Interval(3, 3, 3), "pixel_distance": Interval(1, 1, 1)}
    assert warnings(found) == ("pixels put the rows in another order: noise, model",)
    found["noise"]["pixel_distance"] = Interval(4, 4, 4)
    assert warnings(found) == ()


def test_samples_that_repeat_one_another_are_warned_of(system, cached):
    model = system("short_run", "digits", {"start.kind": "noise"})
    model.samplers["default"] = Few(model.sampler())
    report = evaluate(model, "digits", n=200, draws=2)
    assert report.model["diversity"].estimate < 0.1 and "samples repeat one another" in report.notes[0]
    assert "samples repeat one another" in report.text()


class Few(WrappedSampler):
    """Ten images again and again."""

    def decode(self, position):
        x = self.inner.decode(position)
        return x[torch.arange(len(x)) % 10]


def test_validation_needs_no_test_split(system, monkeypatch):
    splits = []
    real = task.evaluator_for
    monkeypatch.setattr(task, "evaluator_for", lambda *a, **k: splits.append(k["against"]) or real(*a, **k))
    measure = validator("digits", 40)
    model = system("short_run", "digits", {"start.kind": "noise"})
    assert measure(model, rng()) == measure(model, rng()) > 0
    assert splits == ["validation"]


@pytest.mark.parametrize(("n", "draws"), [(15, 2), (16, 0)])
def test_too_few_are_refused(system, n, draws):
    with pytest.raises(UsageError, match="at least 16"):
        evaluate(system("short_run", "toy:ring", {"start.kind": "noise"}), "toy:ring", n=n, draws=draws)


def test_other_samplers_have_rows_and_change_nothing_else(tilted):
    model = tilted((2,))
    report = evaluate(model, "toy:ring", n=50, draws=2, seed=1)
    assert list(report.rows) == ["model", "base", "training data", "one Gaussian", "noise"]
    assert (
        report.rows["base"]
        == evaluate(model, "toy:ring", n=50, draws=2, seed=1, sampler=model.sampler("base")).model
    )
    assert report.rows["base"] != report.model and set(report.rows["base"]) == set(report.model)
    assert "base" in report.text() and "base" in report.to_dict()["measures"]
    del model.samplers["base"]
    alone = evaluate(model, "toy:ring", n=50, draws=2, seed=1)
    assert alone.rows == {k: v for k, v in report.rows.items() if k != "base"}
    assert alone.chains == report.chains


def test_other_samplers_are_normalised_too(tilted):
    report = evaluate(tilted((1, 8, 8), pair=True), "digits", n=40, draws=2)
    assert {"feature_distance", "normalised"} <= set(report.rows["base"])


def test_chains_that_do_not_move_are_no_error(tilted):
    model = tilted((2,))
    report = evaluate(model, "toy:ring", n=50, draws=2, sampler=model.sampler("base"))
    assert report.chains["steps"].estimate == 0 and "drift_noise" not in report.chains

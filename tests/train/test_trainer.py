"""The loop: what is logged, looked at, validated, kept and reported."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image

import gibbsian as gb
from gibbsian.core.errors import UsageError
from gibbsian.mcmc.engine.engine import ENGINE
from gibbsian.models.precisions import Chosen
from gibbsian.train import budget as budget_module
from gibbsian.train import trainer as trainer_module
from gibbsian.train.budget import Budget
from gibbsian.train.settings import TrainConfig

NET = {"net.name": "mlp", "net.hidden": [8]}
MLP = {**NET, "chain.steps": 1, "start.capacity": 32}
CONV = {"net.name": "conv", "net.channels": [4, 4], "chain.steps": 1, "start.capacity": 32}


def lines(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_a_run_folder_is_what_the_design_says(tiny_run, tmp_path: Path) -> None:
    prepared = tiny_run(
        "igebm", "digits", {**CONV, "train.log_every": 3, "train.sample_every": 4}, out=tmp_path
    )
    outcome = prepared.trainer.fit(progress=False)
    assert (outcome.step, outcome.state, outcome.rollbacks) == (8, "done", 0)
    assert [line["step"] for line in lines(tmp_path)] == [3, 6, 8]
    assert {"loss", "energy_gap", "grad_norm", "drift", "drift_noise", "lr", "redrawn"} <= set(
        lines(tmp_path)[0]
    )
    assert sorted(p.name for p in (tmp_path / "samples").iterdir()) == ["step-000004.png", "step-000008.png"]
    assert [p.name for p in sorted((tmp_path / "checkpoints").iterdir())] == ["step-000004", "step-000008"]
    record = json.loads((tmp_path / "run.json").read_text())
    assert record["state"] == "done" and record["step"] == 8 and record["seed"] == 0
    assert record["data"]["event_shape"] == [1, 8, 8] and len(record["data"]["fingerprint"]) == 64
    assert {"gibbsian", "torch", "python"} <= set(record)
    assert gb.load(tmp_path).record.config == prepared.config.model
    assert not [p for p in tmp_path.rglob("*") if ".tmp" in p.name or p.suffix in (".pt", ".pkl")]


def test_a_precision_that_was_chosen_is_told_and_stored(tiny_run, tmp_path: Path, monkeypatch) -> None:
    """Where it is read again by `--resume`, which does not choose anew."""
    monkeypatch.setattr(
        trainer_module, "chosen", lambda model, wanted, n: Chosen("bf16", f"for {n} {wanted}")
    )
    told: list[str] = []
    changes = {**CONV, "train.precision": "auto"}
    prepared = tiny_run("igebm", "digits", changes, out=tmp_path, notify=told.append)
    assert told == [f"precision bf16: for {prepared.config.train.batch_size} auto"]
    assert prepared.config.train.precision == "bf16" and prepared.trainer.learner.options.precision == "bf16"
    assert "precision: bf16" in (tmp_path / "config.yaml").read_text()


def test_the_first_compiled_update_is_told_and_stored(tiny_run, tmp_path: Path, monkeypatch) -> None:
    prepared = tiny_run("igebm", "digits", CONV, out=tmp_path)
    trainer = prepared.trainer
    update = trainer.update

    def updated():
        monkeypatch.setattr(ENGINE, "blocks", ENGINE.blocks + (trainer.step >= 4))
        return update()

    monkeypatch.setattr(trainer, "update", updated)
    prepared.trainer.fit(progress=False)
    assert [line["step"] for line in lines(tmp_path) if line.get("event") == "compiled"] == [5]
    assert json.loads((tmp_path / "run.json").read_text())["compiled_from"] == 5


def test_points_get_an_animated_landscape(tiny_run, tmp_path: Path) -> None:
    tiny_run("igebm", "toy:ring", {**MLP, "train.sample_every": 4}, out=tmp_path).trainer.fit(progress=False)
    with Image.open(tmp_path / "samples" / "landscape.gif") as film:
        assert film.n_frames == 2  # the last one is held as one long frame
    assert (tmp_path / "samples" / "step-000004.png").is_file()


def test_looking_changes_no_result(tiny_run, tmp_path: Path) -> None:
    plain = tiny_run("igebm", "digits", CONV).trainer
    watched = tiny_run("igebm", "digits", {**CONV, "train.sample_every": 1}, out=tmp_path).trainer
    plain.fit(3, progress=False), watched.fit(3, progress=False)
    for key, value in plain.learner.state_dict().items():
        assert torch.equal(value, watched.learner.state_dict()[key]), key


def test_observers_see_averaged_weights(tiny_run) -> None:
    seen = []
    changes = {**MLP, "train.average": 0.5, "train.sample_every": 2}
    trainer = tiny_run("igebm", "toy:ring", changes, observers=[lambda t: seen.append(weight(t))]).trainer
    trainer.fit(2, progress=False)
    kept = trainer.average.weights
    assert torch.equal(seen[0], next(iter(kept.values()))) and not torch.equal(seen[0], weight(trainer))


def weight(trainer) -> torch.Tensor:
    return next(trainer.learner.parameters()).detach().clone()


def test_the_best_checkpoint_is_kept(tiny_run, tmp_path: Path) -> None:
    values = iter([3.0, 1.0, math.nan, 2.0])
    changes = {**MLP, "train.validate_every": 2, "train.keep": 1}
    trainer = tiny_run(
        "igebm", "toy:ring", changes, out=tmp_path, validate=lambda s, rng: next(values)
    ).trainer
    outcome = trainer.fit(progress=False)
    assert outcome.best == 1.0
    assert (
        json.loads((tmp_path / "checkpoints" / "best" / "state.json").read_text())["plain"]["loop"]["step"]
        == 4
    )
    assert [line["validation"] for line in lines(tmp_path) if "validation" in line] == [3.0, 1.0, "nan", 2.0]
    assert sorted(p.name for p in (tmp_path / "checkpoints").iterdir()) == ["best", "step-000008"]
    best, newest = gb.load(tmp_path, which="best"), gb.load(tmp_path)
    assert any(not torch.equal(a, b) for a, b in zip(best.parameters(), newest.parameters(), strict=True))


def test_validation_draws_from_one_stream_each_time(tiny_run) -> None:
    drawn = []
    changes = {**MLP, "train.validate_every": 1}
    validate = lambda model, rng: drawn.append(float(torch.rand((), generator=rng))) or 0.0  # noqa: E731
    tiny_run("igebm", "toy:ring", changes, validate=validate).trainer.fit(3, progress=False)
    assert len(drawn) == 3 and len(set(drawn)) == 1


class Clock:
    """A clock that moves by a second whenever it is read."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        self.now += 1.0
        return self.now


def test_a_budget_of_time_is_estimated_then_kept(tiny_run, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(budget_module, "time", Clock())
    said: list[str] = []
    trainer = tiny_run(
        "igebm", "toy:ring", {**MLP, "train.steps": 10_000}, out=tmp_path, notify=said.append
    ).trainer
    outcome = trainer.fit(minutes=1.0, progress=False)
    assert said[0].startswith("budget of 1 min: ") and "updates planned, 0.00" in said[0]
    assert 12 <= outcome.step <= 60 and outcome.state == "done"  # the clock is read once to thrice an update
    slow = tiny_run("igebm", "toy:ring", {**MLP, "train.steps": 10_000}).trainer
    assert slow.fit(minutes=0.1, progress=False).state == "done" and slow.step <= 6


def test_a_budget_never_exceeds_the_steps_asked_for(tiny_run) -> None:
    trainer = tiny_run("igebm", "toy:ring", MLP).trainer
    assert trainer.fit(14, minutes=60, progress=False).step == 14


@pytest.fixture
def estimates(monkeypatch):
    """The estimates of a budget by their step, where an update takes `seconds(step)`."""

    def told(seconds: Callable[[int], float], last: int, minutes: float, *parts, whole: int = 10_000) -> dict:
        now = [0.0]
        monkeypatch.setattr(budget_module.time, "monotonic", lambda: now[0])
        budget, found = Budget(minutes, 0, *parts), {}
        for step in range(1, last + 1):
            now[0] += seconds(step)
            found[step] = budget.estimate(step, step, whole)
        return {step: total for step, total in found.items() if total is not None}

    return told


def test_a_budget_is_planned_anew_where_the_pace_changes(estimates) -> None:
    """Ten updates a second before update 100, one a second after, of which nothing is known: 60 s plan 600
    updates, then 150."""
    told = estimates(lambda step: 0.1 if step <= 100 else 1.0, 149, 1.0, [100])
    assert told[10] == pytest.approx(600, abs=1) and told[106] == pytest.approx(150, abs=1)


def test_a_budget_knows_what_later_parts_cost(estimates) -> None:
    """A part of 100 updates of .1 s and one of 300 of 1 s: 155 s hold half of the recipe."""
    told = estimates(lambda step: 0.1, 20, 155 / 60, [100], [0.1, 1.0], whole=400)
    assert told[10] == pytest.approx(10 + 390 * (155 - 1) / (9 + 300), abs=1)


def test_a_budget_follows_other_work_on_the_machine(estimates) -> None:
    """One update a second for 1,000, while something else ran, then two: the last estimate hits the hour."""
    told = estimates(lambda step: 1.0 if step <= 1000 else 0.5, 6200, 60.0)
    assert told[10] == 3600 and list(told.values())[-1] == pytest.approx(1000 + 2 * 2600, abs=2)
    assert 20 < len(told) < 100


def test_a_budget_counts_anew_after_a_rollback(monkeypatch) -> None:
    """One update a second; eighty are lost, and the other 520 are planned from where it began again."""
    now = [0.0]
    monkeypatch.setattr(budget_module.time, "monotonic", lambda: now[0])
    budget = Budget(10.0, 0)
    now[0] = 80.0
    budget.restart(0)
    for step in range(1, 11):
        now[0] += 1.0
        found = budget.estimate(step, step, 10_000)
    assert found == 520


def test_ending_before_the_last_stage_is_told(tiny_run) -> None:
    said: list[str] = []
    changes = {"net.name": "mlp", "net.hidden": [8], "vae.hidden": [8], "vae.steps": 6, "chain.steps": 1}
    for steps, want in ((6, "before the part of training that begins at 6"), (7, None)):
        said.clear()
        tiny_run("vaebm", "toy:ring", changes, notify=said.append).trainer.fit(steps, progress=False)
        assert [want in text for text in said] == ([True] if want else [])


@pytest.mark.parametrize("minutes", [0.0, -1.0, math.nan, math.inf])
def test_budgets_out_of_range(minutes: float, tiny_run) -> None:
    with pytest.raises(UsageError, match="minutes is"):
        Budget(minutes, 0)
    with pytest.raises(UsageError, match="steps is -1"):
        tiny_run("igebm", "toy:ring", MLP).trainer.fit(-1)


def test_the_progress_bar_shows_rate_time_left_and_gap(tiny_run, capsys, monkeypatch) -> None:
    real = trainer_module.tqdm
    monkeypatch.setattr(
        trainer_module, "tqdm", lambda **kw: real(**{**kw, "disable": False, "mininterval": 0})
    )
    tiny_run("igebm", "toy:ring", MLP).trainer.fit(3)
    shown = capsys.readouterr()
    assert "gap " in shown.err and "update/s" in shown.err and "3/3" in shown.err and not shown.out


def test_the_bar_is_silent_when_nobody_watches(tiny_run, capsys) -> None:
    tiny_run("igebm", "toy:ring", MLP).trainer.fit(2)
    assert capsys.readouterr().err == ""


def test_the_learning_rate_is_the_schedules(tiny_run, tmp_path: Path) -> None:
    changes = {**MLP, "train.warmup": 4, "train.lr": 1e-3}
    tiny_run("igebm", "toy:ring", changes, out=tmp_path).trainer.fit(6, progress=False)
    assert [line["lr"] for line in lines(tmp_path)] == pytest.approx(
        [0.25e-3, 0.5e-3, 0.75e-3, 1e-3, 1e-3, 1e-3]
    )


def test_clipping_bounds_what_the_optimiser_sees(tiny_run) -> None:
    from gibbsian.train.optim import grad_norm

    trainer = tiny_run("igebm", "toy:ring", {**MLP, "train.clip_norm": 1e-3}).trainer
    metrics = trainer.update()
    assert metrics["grad_norm"] > 1e-3, "the log shows the norm before clipping"
    assert float(grad_norm(trainer.learner.parameters())) == pytest.approx(1e-3, rel=1e-4)


def test_zero_steps_are_fine(tiny_run, tmp_path: Path) -> None:
    outcome = tiny_run("igebm", "toy:ring", MLP, out=tmp_path).trainer.fit(0, progress=False)
    assert (outcome.step, outcome.metrics, outcome.state) == (0, {}, "done")
    gb.load(tmp_path)


def test_the_schedule_config_of_a_run_is_not_shared() -> None:
    assert TrainConfig() == TrainConfig() and hash(TrainConfig()) == hash(TrainConfig())


def test_a_rollback_forgets_no_best(tiny_run, tmp_path: Path) -> None:
    changes = {**CONV, "train.save_every": 2, "train.validate_every": 3, "monitor.policy": "rollback"}
    trainer = tiny_run("igebm", "digits", changes, out=tmp_path, validate=lambda model, rng: 1.0).trainer
    trainer.fit(3, progress=False)
    trainer._roll_back("once")
    trainer._roll_back("twice, to a state before the best one")
    assert (trainer.step, trainer.best) == (2, 1.0)


def test_a_line_now_and_then_where_no_terminal_shows_a_bar(monkeypatch, tiny_run) -> None:
    said: list[str] = []
    monkeypatch.setattr("gibbsian.core.pace.EVERY", 0.0)
    tiny_run("igebm", "toy:ring", {**MLP}, notify=said.append).trainer.fit(3)
    assert [line.partition(", ")[0] for line in said] == [f"train: {k} of 3 updates" for k in (1, 2, 3)]
    assert "updates/s" in said[0] and "left" in said[0] and "gap" in said[0]
    said.clear()
    tiny_run("igebm", "toy:ring", {**MLP}, notify=said.append).trainer.fit(3, progress=False)
    assert said == []


def test_a_rollback_lowers_the_rate_of_all_updates_after(tiny_run) -> None:
    made = tiny_run("short_run", "toy:ring", {"net.name": "mlp", "net.hidden": [4], "chain.steps": 1}).trainer
    whole = made.lr
    made.lr_multiplier = 0.25
    assert made.lr == pytest.approx(whole / 4) and whole > 0


def test_the_last_three_good_states_are_kept(tiny_run) -> None:
    changes = {"net.name": "mlp", "net.hidden": [4], "chain.steps": 1, "monitor.policy": "rollback"}
    made = tiny_run("short_run", "toy:ring", changes).trainer
    for _ in range(5):
        made.update()
        made._remember()
    assert [tree["loop"]["step"] for tree in made._memory] == [3, 4, 5]

"""Divergence of the digits recipe: caught in time, never falsely, and what comes after."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

import gibbsian as gb
from gibbsian.core.errors import CheckpointError, DivergedError
from gibbsian.data.load import load
from gibbsian.train.fit import prepare
from gibbsian.train.recipes import resolve

SMALL = {"net.name": "mlp", "net.hidden": [16], "chain.steps": 2, "start.capacity": 64}
FAULTS = {
    "step x 100": {"chain__step_size": 200.0},
    "step x 100, no clamp": {"chain__step_size": 200.0, "chain__clamp": False},
    "lr x 100": {"train__lr": 0.3},
    "lr x 100, no clamp": {"train__lr": 0.3, "chain__clamp": False},
    "both": {"train__lr": 0.3, "chain__step_size": 200.0},
}


def caught(fault: dict, seed: int) -> DivergedError:
    with pytest.raises(DivergedError) as error:
        gb.fit("short_run", "digits", preset="digits", steps=50, progress=False, train__seed=seed, **fault)
    return error.value


@pytest.mark.parametrize("fault", FAULTS)
def test_the_digits_recipe_gone_wrong_is_caught_within_50_updates(fault: str) -> None:
    error = caught(FAULTS[fault], seed=0)
    assert error.exit_code == 4 and "\n" not in str(error)
    assert "diverged at step" in str(error) and ("lower" in str(error))


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_caught_whatever_the_seed(fault: str) -> None:
    for seed in range(1, 11):
        caught(FAULTS[fault], seed)


def healthy(seed: int, steps: int) -> dict[str, float]:
    """The largest share of each bound that a run of the default recipe reaches."""
    config = resolve("short_run", preset="digits", data="digits", changes={"train.seed": seed})
    trainer = prepare(config, load("digits")).trainer
    trainer.total = config.train.steps
    worst: dict[str, float] = {}
    for _ in range(steps):
        metrics = trainer.update()
        scaled = {
            "energy_gap": abs(metrics["energy_gap"]) / trainer.monitor.config.max_gap,
            "grad_norm": metrics["grad_norm"] / trainer.monitor.config.max_grad,
            "drift": metrics["drift"] / trainer.monitor.scale.span / trainer.monitor.config.max_drift,
            "saturated": metrics.get("saturated", 0.0) - trainer.monitor.scale.border,
        }
        worst = {k: max(v, worst.get(k, v)) for k, v in scaled.items()}
        assert trainer.monitor.quiet, metrics
    return worst


def test_the_digits_recipe_raises_no_alarm() -> None:
    """60 updates pass the largest drifts of the run's first third; the bound keeps a margin of two."""
    worst = healthy(seed=0, steps=60)
    assert worst["drift"] < 0.5 and worst["energy_gap"] < 0.01 and worst["saturated"] < 0


LATENT_FAULTS = {
    "coopnets, lr x 100": ("coopnets", {"train__lr": 0.2}, "drift"),
    "coopnets, step x 100": ("coopnets", {"chain__step_size": 200.0}, "drift"),
    "acd, lr x 1000": ("acd", {"train__lr": 0.3}, "weight gradient"),
    "gebm, lr x 1000": ("gebm", {"train__lr": 0.3}, "log-partition"),
    "vaebm, stage two, lr x 100": (
        "vaebm",
        {"vae__steps": 5, "buffer__anneal": 500, "train__lr": 0.1},
        "energy gap",
    ),
    "vaebm, stage two, step x 200": ("vaebm", {"vae__steps": 5, "chain__step_size": 4.0}, "latent chain"),
    "cebm, lr x 100": ("cebm", {"train__lr": 0.2}, "drift"),
    "cebm, step x 100": ("cebm", {"chain__step_size": 200.0}, "drift"),
    "jem, lr x 1000": ("jem", {"train__lr": 2.0}, "drift"),
    "jem, step x 100": ("jem", {"chain__step_size": 200.0}, "drift"),
    "cfebm, lr x 100": ("cfebm", {"train__lr": 0.1}, "drift"),
    "cfebm, step x 100": ("cfebm", {"chain__step_size": 200.0}, "drift"),
    "icd, lr x 1000": ("icd", {"train__lr": 1.0}, "drift"),
    "icd, step x 100": ("icd", {"chain__step_size": 200.0}, "drift"),
    "score_matching, lr x 1000": (
        "score_matching",
        {"train__lr": 1.0, "train__warmup": 0},
        "weight gradient",
    ),
    "nce, lr x 10000": ("nce", {"train__lr": 3.0, "noise__updates": 2}, "energy gap"),
}


@pytest.mark.parametrize("fault", LATENT_FAULTS)
def test_recipes_of_latent_models_gone_wrong_are_caught_within_50_updates(fault: str) -> None:
    """GEBM's digits recipe is healthy still at 100 times its rate, .03: its energy is a critic with a
    strong penalty, not a chain's."""
    system, changes, what = LATENT_FAULTS[fault]
    with pytest.raises(DivergedError, match=f"diverged at step.*{what}.*lower"):
        gb.fit(system, "digits", preset="digits", steps=50, progress=False, **changes)


@pytest.mark.parametrize(
    "system", ["gebm", "vaebm", "cebm", "coopnets", "acd", "jem", "cfebm", "icd", "score_matching", "nce"]
)
def test_digits_recipes_of_latent_models_raise_no_alarm(system: str) -> None:
    early = {
        "vaebm": {"vae.steps": 10},
        "cfebm": {"stages.fade": [8], "stages.hold": [4]},
        "nce": {"noise.updates": 5},
    }
    changes = early.get(system, {})
    trainer = prepare(resolve(system, data="digits", changes=changes), load("digits")).trainer
    trainer.total = trainer.config.steps
    for _ in range(25):
        trainer.update()
        assert trainer.monitor.quiet, trainer.metrics


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_no_alarm_for_20_seeds() -> None:
    for seed in range(20):
        assert healthy(seed, steps=150)["drift"] < 0.7


def poison(trainer, at: set[int]) -> None:
    """Make the loss NaN at the given calls of `losses`, once each."""
    losses, calls = trainer.learner.losses, iter(range(10_000))

    def poisoned(batch, step, rng):
        for group, loss in losses(batch, step, rng):
            bad = next(calls) in at
            yield group, type(loss)(loss.value * float("nan") if bad else loss.value, loss.metrics)

    trainer.learner.losses = poisoned


def test_a_nan_stops_before_weights_and_chains_take_harm(tiny_run) -> None:
    """torchebm logs 0.1 in place of the NaN and keeps the ruined weights."""
    trainer = tiny_run("igebm", "toy:ring", SMALL).trainer
    trainer.update()
    poison(trainer, {0})
    before = {k: v.clone() for k, v in trainer.learner.state_dict().items()}
    with pytest.raises(DivergedError, match="loss is nan"):
        trainer.update()
    assert trainer.step == 1
    for key, value in trainer.learner.state_dict().items():
        assert torch.equal(value, before[key]), key


def test_policy_stop_records_the_end(tiny_run, tmp_path: Path) -> None:
    trainer = tiny_run("igebm", "toy:ring", {**SMALL, "train.save_every": 2}, out=tmp_path).trainer
    poison(trainer, {5})
    with pytest.raises(DivergedError, match="diverged at step 5: loss is nan"):
        trainer.fit(progress=False)
    assert json.loads((tmp_path / "run.json").read_text())["state"] == "diverged"
    assert trainer.folder.lines()[-1]["event"] == "diverged"
    assert trainer.folder.newest().name == "step-000004"
    for value in gb.load(tmp_path).state_dict().values():
        assert torch.isfinite(value.float()).all()


@pytest.mark.parametrize("folder", [True, False])
def test_rollback_recovers(folder: bool, tiny_run, tmp_path: Path) -> None:
    said: list[str] = []
    changes = {**SMALL, "train.save_every": 2, "monitor.policy": "rollback"}
    trainer = tiny_run(
        "igebm", "toy:ring", changes, out=tmp_path if folder else None, notify=said.append
    ).trainer
    poison(trainer, {5})
    outcome = trainer.fit(progress=False)
    assert (outcome.step, outcome.rollbacks, outcome.state) == (8, 1, "done")
    assert trainer.lr_multiplier == 0.5
    assert "rolled back to step 4, learning rate x 0.5" in said[0]
    if folder:
        event = next(line for line in trainer.folder.lines() if line.get("event") == "rollback")
        assert (event["step"], event["failed_at"]) == (4, 5)


def test_rollback_draws_fresh_streams(tiny_run) -> None:
    """Going back to the same noise would diverge in the same way again."""
    changes = {**SMALL, "train.save_every": 4, "monitor.policy": "rollback", "monitor.lr_factor": 1.0}
    calm, poisoned = (
        tiny_run("igebm", "toy:ring", changes).trainer,
        tiny_run("igebm", "toy:ring", changes).trainer,
    )
    poison(poisoned, {5})
    calm.fit(6, progress=False), poisoned.fit(6, progress=False)
    pairs = zip(calm.learner.parameters(), poisoned.learner.parameters(), strict=True)
    assert any(not torch.equal(a, b) for a, b in pairs)


def test_rollback_gives_up_after_its_limit(tiny_run, tmp_path: Path) -> None:
    changes = {**SMALL, "train.save_every": 2, "monitor.policy": "rollback", "monitor.max_rollbacks": 2}
    trainer = tiny_run("igebm", "toy:ring", changes, out=tmp_path).trainer
    poison(trainer, set(range(5, 10_000)))
    with pytest.raises(DivergedError, match="after 2 rollbacks"):
        trainer.fit(progress=False)
    record = json.loads((tmp_path / "run.json").read_text())
    assert (record["state"], record["rollbacks"]) == ("diverged", 2)


def test_repeated_failure_goes_back_further_and_disowns_later_checkpoints(tiny_run, tmp_path: Path) -> None:
    said: list[str] = []
    changes = {**SMALL, "train.save_every": 2, "train.keep": 5, "monitor.policy": "rollback"}
    trainer = tiny_run("igebm", "toy:ring", changes, out=tmp_path, notify=said.append).trainer
    poison(trainer, {5, 6})
    trainer.fit(6, progress=False)
    assert "to step 4" in said[0] and "to step 2" in said[1]
    steps = [line["step"] for line in trainer.folder.lines()]
    assert steps == [1, 2, 3, 4, 5, 4, 2, 3, 4, 5, 6]


def test_a_killed_run_keeps_its_rollback(tiny_run, tmp_path: Path) -> None:
    """The state after a rollback is written at once: resuming does not forget the lower learning rate."""
    changes = {**SMALL, "train.save_every": 2, "monitor.policy": "rollback"}
    trainer = tiny_run("igebm", "toy:ring", changes, out=tmp_path).trainer
    poison(trainer, {3})
    trainer.save = lambda: None if trainer.step > 2 else type(trainer).save(trainer)
    trainer._finish = lambda state: None  # killed before the end
    trainer.fit(4, progress=False)
    again = tiny_run("igebm", "toy:ring", changes, out=tmp_path, resume="auto").trainer
    assert (again.step, again.rollbacks, again.lr_multiplier) == (2, 1, 0.5)


def test_no_checkpoint_while_a_bound_is_broken(tiny_run, tmp_path: Path) -> None:
    changes = {**SMALL, "train.save_every": 1, "monitor.max_gap": 1e-12, "monitor.patience": 4}
    trainer = tiny_run("igebm", "toy:ring", changes, out=tmp_path).trainer
    with pytest.raises(DivergedError):
        trainer.fit(progress=False)
    assert trainer.folder.newest() is None
    with pytest.raises(CheckpointError):
        gb.load(tmp_path)

"""What `doctor RUN` says of a log."""

from __future__ import annotations

import math

import pytest

from gibbsian.cli.diagnose import diagnose

CONFIG = {"train": {"steps": 400}, "monitor": {"max_gap": 1000.0}, "loss": {"energy_l2": 0.0}}
DONE = {"state": "done", "step": 400}


def log(**measures):
    """Forty lines; a measure is a number or a function of the line's number."""
    return [
        {
            "step": 10 * i,
            "lr": 1e-3,
            "drift": 0.1,
            **{k: v(i) if callable(v) else v for k, v in measures.items()},
        }
        for i in range(1, 41)
    ]


def wobble(i):
    return math.sin(i) * 0.1


def grades(lines, record=DONE, config=CONFIG):
    return {f.what: f.grade for f in diagnose(record, config, lines)}


def said(lines, part, record=DONE, config=CONFIG):
    found = [f for f in diagnose(record, config, lines) if part in f.what]
    assert len(found) == 1, [f.what for f in diagnose(record, config, lines)]
    return found[0]


def test_a_healthy_run_is_all_good():
    lines = log(energy_gap=wobble, drift_noise=1.0, saturated=0.05, redrawn=0.0, energy_pos=0.3)
    assert set(grades(lines).values()) == {"good"}


def test_a_run_without_lines():
    assert [f.grade for f in diagnose(DONE, CONFIG, [])] == ["good", "watch"]


def test_a_generators_run_is_looked_at_and_its_gap_not_blamed_on_chains():
    """A pair logs energy_loss and base_loss, and a gap below 0 by design."""
    lines = [{"step": i, "lr": 1e-3, "energy_loss": 0.0, "energy_gap": -1 + wobble(i)} for i in range(40)]
    assert said(lines, "of data less noise or a generator's").grade == "good"
    assert said([{"step": i, "lr": 1e-3} for i in range(40)], "done at").grade == "good"


@pytest.mark.parametrize(
    ("measures", "part", "grade", "remedy"),
    [
        ({"energy_gap": lambda i: -0.01 * 1.4**i}, "grew from", "bad", "train.lr"),
        ({"energy_gap": lambda i: -5 + wobble(i)}, "below 0", "watch", "chain.steps"),
        ({"energy_gap": lambda i: 5 + wobble(i)}, "above 0", "watch", "energy_l2"),
        ({"energy_gap": wobble, "clipped": 0.97}, "clipped", "watch", "chain.clip"),
        ({"energy_gap": wobble, "drift_noise": 0.01}, "wander", "watch", "chain.noise"),
        ({"energy_gap": wobble, "drift_noise": 400.0}, "K-step sampler", "watch", "chain.noise"),
        ({"energy_gap": wobble, "drift_noise": 14.0}, "K-step sampler", "good", ""),
        ({"energy_gap": wobble, "redrawn": 2.0}, "80 chains ended non-finite", "watch", "chain.clip"),
        ({"energy_gap": wobble, "energy_pos": 1e5}, "their gap", "watch", "energy_l2"),
    ],
)
def test_results(measures, part, grade, remedy):
    found = said(log(**measures), part)
    assert found.grade == grade and remedy in found.remedy


GOOD = {"rows": 6e4, "filled": 1.0, "border": 0.79, "border_data": 0.815, "diversity": 1.2, "nearness": 1.3,
        "told_apart": 0.9, "apart": 5.0, "agreement": 0.95, "chance": 0.1, "recipe": 400.0}  # fmt: skip


@pytest.mark.parametrize(
    ("seen", "part"),
    [
        ({}, None),
        ({"border": 0.97}, "97% of the samples' values lie at the border of the range, 82% of the data's"),
        ({"border": 0.9}, None),  # not far beyond the data's own 81.5 %
        ({"border": 0.6, "border_data": 0.02}, "2% of the data's"),
        ({"border": 0.4, "border_data": 0.02}, None),
        ({"filled": 0.02}, "fill 2.0% of the range"),
        ({"agreement": 0.13}, "labels say nothing"),
        ({"agreement": 0.35}, None),
        ({"nearness": 0.2}, "copies of training rows"),
        ({"diversity": 0.3}, "collapsed on a few"),
        ({"nearness": 5.0}, "as far from the nearest training row"),
        ({"told_apart": 0.52}, "nearly flat"),
        ({"recipe": 40_000.0}, "400 updates are 0.01 of the recipe's 40000"),
        ({name: None for name in GOOD}, None),
    ],
)
def test_a_model_is_held_against_its_data(seen, part):
    lines = log(energy_gap=wobble, drift_noise=1.0)
    found = [f.what for f in diagnose(DONE, CONFIG, lines, {**GOOD, **seen}) if f.grade != "good"]
    assert len(found) == (part is not None) and (part is None or part in found[0]), found


def test_a_gap_is_held_against_what_parts_noise_from_data():
    lines = log(energy_gap=lambda i: -1 + 0.1 * wobble(i), drift_noise=1.0)
    graded = {
        apart: [f.grade for f in diagnose(DONE, CONFIG, lines, {"apart": apart}) if "gap" in f.what]
        for apart in (10.0, 2.0)
    }
    assert graded == {10.0: ["good"], 2.0: ["watch"]}


def test_a_part_that_never_came_is_the_first_word():
    record = {**DONE, "plan": {"recipe": 400, "made": 400, "parts": [100, 400]}}
    found = diagnose(record, CONFIG, log(energy_gap=wobble))
    bad = [f for f in found if f.grade != "good"]
    assert "begins at update 400 of 400 never came" in bad[0].what and "--resume auto" in bad[0].remedy


def test_divergence_tells_the_reason_and_the_remedy():
    lines = [*log(energy_gap=wobble), {"step": 401, "event": "diverged", "reason": "loss is nan"}]
    found = said(lines, "loss is nan", {"state": "diverged"})
    assert found.grade == "bad" and "--seed" in found.remedy and "chain.steps" in found.remedy


def test_rollbacks_are_counted():
    event = {"event": "rollback", "failed_at": 77, "reason": "gap", "lr_multiplier": 0.25}
    assert "x 0.25" in said([*log(energy_gap=wobble), event], "1 rollbacks, the last at step 77").remedy


def test_a_killed_run_can_go_on():
    assert "--resume auto" in said(log(energy_gap=wobble), "step 400 of 400", {"state": "running"}).remedy


def test_the_best_checkpoint_is_recommended_once_passed():
    marks = [{"step": s, "validation": v} for s, v in ((100, 2.0), (200, 1.0), (300, 1.5))]
    assert "--which best" in said([*log(energy_gap=wobble), *marks], "best at step 200").remedy
    assert (
        said([*log(energy_gap=wobble), *marks[:2], {"step": 400, "validation": 0.9}], "validation").grade
        == "good"
    )


def test_numbers_that_are_no_numbers_are_left_out():
    lines = log(energy_gap=lambda i: "nan" if i == 7 else wobble(i))
    assert "bad" not in grades(lines).values()


def test_penalised_energies_are_not_blamed_for_their_size():
    config = {**CONFIG, "loss": {"energy_l2": 0.1}}
    assert not any(
        "their gap" in what for what in grades(log(energy_gap=wobble, energy_pos=1e5), config=config)
    )


def test_a_validation_that_is_no_number_is_not_the_best():
    marks = [{"step": s, "validation": v} for s, v in ((10, "nan"), (20, 2.0), (30, 1.0), (40, 1.5))]
    assert "best at step 30" in said([*log(energy_gap=wobble), *marks], "best at step").what


@pytest.mark.parametrize(
    ("record", "last", "steps", "grade", "told"),
    [
        (
            {"state": "done", "step": 62},
            60,
            5000,
            "watch",
            "cut short by its budget of time at step 62 of 5000",
        ),
        ({"state": "done", "step": 400}, 400, 400, "good", "done at step 400 of 400"),
        ({"state": "done", "step": 9000}, 9000, 5000, "good", "done at step 9000"),
        ({"state": "stopped", "step": 348}, 340, 1500, "watch", "stopped at step 348 of 1500"),
        ({"state": "running", "step": 62}, 340, 1500, "watch", "killed without a word at step 340 of 1500"),
        ({"state": "running"}, 0, 1500, "watch", "at step 0 of 1500"),
    ],
)
def test_the_state_agrees_with_the_record_of_a_run_that_was_cut(record, last, steps, grade, told):
    """A log line is not written for every update; after a rollback lines begin anew at an earlier step."""
    lines = [{"step": 500, "lr": 1e-3}, {"step": last, "lr": 1e-3}]
    found = diagnose(record, {"train": {"steps": steps}}, lines)[0]
    assert found.grade == grade and told in found.what and (grade == "good" or found.remedy)

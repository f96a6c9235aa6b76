"""Ratios, shares and targets from seconds that are known."""

from __future__ import annotations

import pytest
import torch
from known import TIMES

from benchmarks.cases import Case, Goal
from benchmarks.problems import Problem
from benchmarks.verdict import NEAR, better_peer, outcomes, quickest, share, speedup


def case(*goals: Goal) -> Case:
    def build(device: torch.device) -> Problem:
        raise AssertionError("a verdict builds nothing")

    return Case("made-up", "made up", build, goals)


def test_the_better_peer_has_the_lesser_median():
    assert better_peer(TIMES) == "ebmkit"
    assert quickest(TIMES, ["gibbsian", "compiled", "absent"]) == "compiled"
    assert quickest(TIMES, ["absent"]) == ""


def test_speed_is_against_the_better_peer():
    found = speedup(TIMES, "compiled")
    assert found is not None
    assert (found.median, found.low, found.high) == pytest.approx((4.0, 3.0, 4.0))
    assert speedup({**TIMES, "seconds": {"gibbsian": [1.0]}}, "gibbsian") is None


def test_a_share_is_of_the_ceiling_in_the_same_precision():
    fp32, bf16 = share(TIMES, "compiled"), share(TIMES, "bf16")
    assert fp32 is not None and bf16 is not None
    assert (fp32.median, bf16.median) == pytest.approx((0.6, 0.4))
    assert share({**TIMES, "ceilings": {}}, "gibbsian") is None


@pytest.mark.parametrize(
    ("kind", "by", "reached"),
    [
        ("compiled", "compiled", 4.0),
        ("fp32", "compiled", 4.0),
        ("bf16", "bf16", 8.0),
        ("any", "bf16", 8.0),
        ("ceiling", "compiled", 0.6),
    ],
)
def test_goals(kind, by, reached):
    just, over = outcomes(case(Goal(kind, reached - 1e-9), Goal(kind, reached + 0.01)), TIMES)
    assert (just.implementation, just.reached) == (by, pytest.approx(reached))
    assert just.met and not over.met


def test_a_module_of_ones_own_may_come_near_the_ceiling_instead():
    times = {**TIMES, "seconds": {**TIMES["seconds"], "own": [0.35, 0.35, 0.35]}}
    high, one = outcomes(case(Goal("own", 99.0), Goal("own", 1.0)), times)
    assert high.share == pytest.approx(share(times, "own").median) and high.met == (high.share >= NEAR)
    slow = {**TIMES, "seconds": {**TIMES["seconds"], "own": [9.0, 9.0, 9.0]}}
    assert not any(o.met for o in outcomes(case(Goal("own", 99.0), Goal("own", 1.0)), slow)) and one.reached


def test_a_goal_without_a_measurement_is_open():
    alone = {**TIMES, "seconds": {"gibbsian": [1.0, 1.0, 1.0]}, "ceilings": {}}
    for kind in ("compiled", "fp32", "bf16", "ceiling"):
        (found,) = outcomes(case(Goal(kind, 1.0)), alone)
        assert found.reached is None and not found.met

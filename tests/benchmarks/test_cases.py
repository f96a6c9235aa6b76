"""The table of cases: each can be built, and each target names something that is measured."""

from __future__ import annotations

import pytest
import torch

from benchmarks.cases import CASES, TRIALS, find
from benchmarks.problems import Chains
from benchmarks.verdict import RUNNERS
from gibbsian.core.errors import UsageError

every = pytest.mark.parametrize("name", [*CASES, *TRIALS])


@every
def test_a_case_gives_one_number_a_chain(name):
    problem = find(name).build(torch.device("cpu"))
    energy, x = (
        (problem.energy, problem.x0)
        if isinstance(problem, Chains)
        else (problem.learner.model.net, problem.batch.x)
    )
    with torch.no_grad():
        assert energy(x[:2]).shape == (2,) and len(x) > 2


@every
def test_goals_are_of_known_kinds(name):
    assert all(goal.kind in RUNNERS and goal.at_least > 0 for goal in find(name).goals)


def test_the_sizes_are_those_of_the_names():
    sizes = {}
    for name in ("mlp-64", "mlp-2000", "conv-16", "conv-64"):
        problem = find(name).build(torch.device("cpu"))
        sizes[name] = (*problem.x0.shape, problem.steps)
    assert sizes == {
        "mlp-64": (64, 2, 500),
        "mlp-2000": (2000, 2, 200),
        "conv-16": (128, 1, 28, 28, 20),
        "conv-64": (128, 1, 28, 28, 10),
    }


def test_an_unknown_case_names_the_nearest():
    with pytest.raises(UsageError, match="did you mean 'conv-16'"):
        find("conv16")

"""The Metropolis test, number by number."""

from __future__ import annotations

import math

import pytest
import torch

from gibbsian.core.draws import Replay
from gibbsian.mcmc.metropolis import choose, metropolis_test
from gibbsian.mcmc.state import ChainState

INF, NAN = math.inf, math.nan


@pytest.mark.parametrize(
    ("energy", "log_ratio", "u", "accepted", "acceptance", "divergent"),
    [
        (1.0, math.log(0.5), 0.49, True, 0.5, False),
        (1.0, math.log(0.5), 0.5, False, 0.5, False),
        (1.0, 3.0, 0.999, True, 1.0, False),
        (1.0, -INF, 0.0, False, 0.0, False),  # a uniform number may be 0: what is impossible stays so
        (INF, -INF, 0.0, False, 0.0, False),  # a wall
        (NAN, NAN, 0.0, False, 0.0, True),
        (-INF, INF, 0.5, False, 0.0, True),
        (1.0, NAN, 0.0, False, 0.0, True),  # the chain stands at NaN
    ],
)
def test_one_chain(energy, log_ratio, u, accepted, acceptance, divergent) -> None:
    proposal = ChainState(torch.zeros(1, 2), torch.tensor([energy]))
    found = metropolis_test(proposal, torch.tensor([log_ratio]), Replay([torch.tensor([u])]))
    assert [bool(found.accepted), bool(found.divergent)] == [accepted, divergent]
    assert float(found.acceptance) == pytest.approx(acceptance)


@pytest.mark.parametrize("place", [INF, NAN])
def test_a_place_out_of_the_numbers_is_no_wall(place: float) -> None:
    proposal = ChainState(torch.tensor([[place, 0.0]]), torch.tensor([INF]))
    found = metropolis_test(proposal, torch.tensor([-INF]), Replay([torch.zeros(1)]))
    assert bool(found.divergent) and not bool(found.accepted)


def test_each_chain_keeps_what_belongs_to_it() -> None:
    old = ChainState(torch.zeros(2, 1), torch.zeros(2), torch.zeros(2, 1), count=3)
    new = ChainState(torch.ones(2, 1), torch.ones(2), torch.ones(2, 1))
    test = metropolis_test(new, torch.tensor([0.0, -INF]), Replay([torch.tensor([0.5, 0.5])]))
    state = choose(test, new, old)
    for part in (state.position[:, 0], state.energy, state.grad[:, 0]):
        assert part.tolist() == [1, 0]
    assert state.count == 4

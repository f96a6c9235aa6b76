"""NUTS: how far trajectories go, what ends them, and what they tell. That they are exact: tests/oracles."""

from __future__ import annotations

import logging
import math

import pytest
import torch
from torch import Tensor

from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator
from gibbsian.mcmc import NUTS, run, tune
from gibbsian.mcmc.nuts import _ones, _turns

F64 = torch.float64


def bowl(x: Tensor) -> Tensor:
    return x.square().sum(1) / 2


def start(*shape: int) -> Tensor:
    return torch.randn(shape, generator=generator(1), dtype=F64)


def test_balanced_parts_end_where_binary_numbers_end_in_ones():
    assert [_ones(k) for k in range(8)] == [0, 1, 0, 2, 0, 1, 0, 3]


def test_the_ends_of_a_trajectory_count_half():
    first, middle, last = (torch.tensor([v], dtype=F64) for v in ([1.0, 0.0], [-0.9, 0.0], [0.1, 1.0]))
    assert bool(_turns(first, last, first + middle + last))  # r = (-.35, .5); the sum would be (.2, 1)
    assert not bool(_turns(first, last, first + last))
    assert bool(_turns(last, first, first + middle + last))


@pytest.mark.parametrize("h", [0.4, 0.1, 0.025])
def test_trajectories_end_about_half_a_period_on(h):
    """Of an oscillator with period 2 pi: the ends turn to one another from pi on, and doublings are whole,
    so that trajectories last from half of that to twice."""
    chain = run(NUTS(h), bowl, start(500, 1), steps=4, rng=generator(0))
    times = chain.info.trajectory * h
    assert math.pi / 2 < times.mean() < 2 * math.pi
    assert chain.info.acceptance.mean() > 0.9 and not chain.info.divergent.any()


def test_depth_bounds_them():
    chain = run(NUTS(1e-3, depth=3), bowl, start(7, 2), steps=5, rng=generator(0))
    assert torch.equal(chain.info.trajectory, torch.full((7,), 7.0, dtype=F64))
    assert chain.info.gradients == 1 + 5 * 7


def test_each_chain_tells_its_own_gradients():
    """A narrow chain turns sooner than a wide one, and waits for it."""

    def both(x: Tensor) -> Tensor:
        return (x / torch.tensor([[0.1], [3.0]], dtype=F64)).square().sum(1) / 2

    calls = []

    def counted(x: Tensor) -> Tensor:
        calls.append(1)
        return both(x)

    chain = run(NUTS(0.08), counted, start(2, 1), steps=20, rng=generator(0), replay=False)
    narrow, wide = chain.info.trajectory
    assert 5 * narrow < wide and len(calls) >= 20 * wide


def test_an_energy_that_runs_away_is_told_and_given_back():
    def cliff(x: Tensor) -> Tensor:
        return torch.where(x[:, 0] > 3, 1e6 * x[:, 0] ** 2, bowl(x))

    x = torch.full((50, 1), 2.9, dtype=F64)
    chain = run(NUTS(0.5), cliff, x, steps=3, rng=generator(0))
    assert chain.info.divergent.any() and bool((chain.position <= 3).all())


def test_a_fall_of_the_energy_is_no_loss():
    """From rest at 100, by a long step, H falls by more than 1,000 T and never rises above where it began."""
    chain = run(NUTS(1.5), bowl, torch.full((50, 1), 100.0, dtype=F64), steps=1, rng=generator(0))
    assert not chain.info.divergent.any() and bool((chain.position != 100).any())


def test_a_wall_is_not_told():
    def walled(x: Tensor) -> Tensor:
        return torch.where(x[:, 0].abs() > 1, torch.inf, bowl(x))

    chain = run(NUTS(0.3), walled, torch.zeros(200, 1, dtype=F64), steps=30, rng=generator(0))
    assert not chain.info.divergent.any() and bool((chain.position.abs() <= 1).all())
    assert 0.2 < chain.position.var() < 0.36  # a normal between -1 and 1 has .291


def test_a_chain_at_nan_stays_there_alone():
    x = start(4, 2)
    x[1] = torch.nan
    chain = run(NUTS(0.3), bowl, x, steps=5, rng=generator(0))
    assert chain.info.divergent.tolist() == [False, True, False, False]
    assert chain.position.isnan().all(1).tolist() == [False, True, False, False]
    assert float(chain.info.trajectory[1]) == 0


def test_compiled_chains_fall_back_with_one_line(caplog):
    caplog.set_level(logging.WARNING, logger="gibbsian")
    chains = [run(NUTS(0.3), bowl, start(4, 2), steps=12, rng=generator(0), compile=c) for c in (False, True)]
    assert torch.equal(chains[0].position, chains[1].position)
    assert ["as many numbers" in r.getMessage() for r in caplog.records] == [True]


def test_its_step_is_tuned_with_a_metric():
    scales = torch.tensor([0.1, 5.0], dtype=F64)
    x = start(40, 2) * scales
    kernel = tune(NUTS(1.0), lambda x: bowl(x / scales), x, generator(0), steps=150, metric=True)
    ratio = (kernel.metric[0][1] / kernel.metric[0][0]).sqrt()
    assert 30 < ratio < 80  # of the true scales: 50
    chain = run(kernel, lambda x: bowl(x / scales), start(40, 2) * scales, steps=50, rng=generator(1))
    assert 0.6 < chain.info.acceptance.mean() < 0.95


@pytest.mark.parametrize(
    ("options", "words"),
    [({"step_size": 0.0}, "step_size"), ({"depth": 0}, "1 to 20 times"), ({"depth": 2.5}, "1 to 20"),
     ({"temperature": -1.0}, "temperature")],
)  # fmt: skip
def test_numbers_out_of_range_are_one_line(options, words):
    with pytest.raises(UsageError, match=words):
        NUTS(**{"step_size": 0.1, **options})

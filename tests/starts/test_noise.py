"""Chains from fresh noise."""

from __future__ import annotations

import pytest
import torch

from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator
from gibbsian.starts import FixedNoise, ReplayBuffer, ReservoirBuffer
from gibbsian.starts.noise import GaussianNoise, UniformNoise, redraw


def within(x, mean, std, fourth):
    """Mean and variance within five standard errors: false alarm below 1.2e-6."""
    n = x.numel()
    assert abs(x.mean().item() - mean) < 5 * std / n**0.5
    assert abs(x.var().item() - std**2) < 5 * ((fourth - std**4) / n) ** 0.5


def test_laws():
    rng = generator(0)
    u = UniformNoise((3, 10), -1.0, 3.0, dtype=torch.float64).draw(1000, rng).position
    assert u.shape == (1000, 3, 10) and u.min() >= -1 and u.max() < 3
    within(u, 1.0, (16 / 12) ** 0.5, 4**4 / 80)
    g = GaussianNoise((30,), std=0.5, mean=2.0, dtype=torch.float64).draw(1000, rng).position
    within(g, 2.0, 0.5, 3 * 0.5**4)


def test_a_draw_says_restarted_and_keeps_the_labels():
    y = torch.tensor([2, 1])
    drawn = UniformNoise((3,)).draw(2, generator(0), y=y)
    assert drawn.restarted.tolist() == [True, True] and drawn.slots is None and torch.equal(drawn.y, y)
    with pytest.raises(UsageError, match="3 chains"):
        UniformNoise((3,)).draw(3, generator(0), y=y)


def test_each_draw_is_new_and_only_the_given_stream_moves():
    rng, before = generator(0), torch.get_rng_state()
    start = GaussianNoise((4,))
    assert not torch.equal(start.draw(3, rng).position, start.draw(3, rng).position)
    assert torch.equal(start.draw(3, generator(7)).position, start.draw(3, generator(7)).position)
    assert torch.equal(torch.get_rng_state(), before)


def test_redraw_mends_the_bad_rows_only():
    x = torch.full((4, 2), 9.0)
    x[1] = torch.nan
    mended = redraw(x, ~torch.isfinite(x).all(1), UniformNoise((2,), 0, 1), generator(0))
    assert torch.equal(mended[[0, 2, 3]], x[[0, 2, 3]]) and ((mended[1] >= 0) & (mended[1] < 1)).all()
    assert torch.isnan(x[1]).all()
    rng = generator(0)
    before = rng.get_state()
    good = torch.zeros(4, dtype=torch.bool)
    assert redraw(mended, good, UniformNoise((2,)), rng) is mended and torch.equal(rng.get_state(), before)
    with pytest.raises(UsageError, match="bools"):
        redraw(x, good[:2], UniformNoise((2,)), rng)


def test_wrong_arguments():
    with pytest.raises(UsageError, match="low must lie below high"):
        UniformNoise((2,), 1.0, 1.0)
    with pytest.raises(UsageError, match="std"):
        GaussianNoise((2,), std=0.0)


def test_starts_take_a_seed_or_nothing() -> None:
    init_noise = UniformNoise((2,), -2, 2)
    a, b = (init_noise.draw(5, rng).position for rng in (3, generator(3)))
    assert torch.equal(a, b)
    with torch.random.fork_rng():
        torch.manual_seed(3)
        assert torch.equal(init_noise.draw(5, None).position, a)
        for kind in (ReplayBuffer, FixedNoise, ReservoirBuffer):
            assert kind(init_noise, 8).draw(4, None).position.shape == (4, 2)
    assert torch.equal(
        ReplayBuffer(init_noise, 8, 1).stored, ReplayBuffer(init_noise, 8, generator(1)).stored
    )

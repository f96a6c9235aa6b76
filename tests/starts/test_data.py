"""Chains from the data."""

from __future__ import annotations

import pytest
import torch

from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator
from gibbsian.core.records import Batch
from gibbsian.starts.data import DataStart
from gibbsian.starts.noise import UniformNoise
from gibbsian.starts.replay import ReplayBuffer
from gibbsian.starts.reservoir import ReservoirBuffer


def test_chains_begin_at_the_batch_without_touching_it():
    batch = Batch(torch.arange(6.0).reshape(3, 2))
    drawn = DataStart().draw(2, generator(0), batch=batch)
    assert torch.equal(drawn.position, batch.x[:2]) and drawn.restarted.all()
    drawn.position.zero_()
    assert batch.x[0, 1] == 1.0


def test_noise_has_its_scale():
    batch = Batch(torch.zeros(1000, 20, dtype=torch.float64))
    x = DataStart(noise=0.3).draw(1000, generator(0), batch=batch).position
    assert abs(x.std().item() / 0.3 - 1) < 5 * (1 / 4e4) ** 0.5  # false alarm 6e-7
    assert batch.x.abs().max() == 0


def test_too_small_a_batch_is_refused():
    with pytest.raises(UsageError, match="batch of 3"):
        DataStart().draw(4, generator(0), batch=Batch(torch.zeros(3, 2)))
    with pytest.raises(UsageError, match="no batch.*fallback"):
        DataStart().draw(4, generator(0))
    with pytest.raises(UsageError, match="standard deviation"):
        DataStart(noise=-1.0)


@pytest.mark.parametrize("buffer", [ReplayBuffer, ReservoirBuffer])
def test_fresh_chains_of_a_buffer_begin_at_the_batch(buffer):
    far, batch = UniformNoise((2,), 5.0, 6.0), Batch(torch.zeros(50, 2))
    kept = buffer(DataStart(0.1, far), 50, 0, reinit=0.5)
    kept.write(drawn := kept.draw(50, 0), torch.full((50, 2), 9.0))
    assert (drawn.position >= 5).all()  # without a batch
    drawn = kept.draw(50, 1, batch=batch)
    assert 10 < int(drawn.restarted.sum()) < 40
    assert (drawn.position[drawn.restarted].abs() < 1).all()
    assert (drawn.position[~drawn.restarted] == 9).all()


def test_a_buffer_of_data_alone_says_what_fills_it():
    with pytest.raises(UsageError, match="50 chains from no batch.*fallback"):
        ReplayBuffer(DataStart(), 50, 0)

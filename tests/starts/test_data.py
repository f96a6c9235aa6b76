"""Chains from the data."""

from __future__ import annotations

import pytest
import torch

from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator
from gibbsian.core.records import Batch
from gibbsian.starts.data import DataStart


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
    with pytest.raises(UsageError, match="batch of 0"):
        DataStart().draw(4, generator(0))
    with pytest.raises(UsageError, match="standard deviation"):
        DataStart(noise=-1.0)

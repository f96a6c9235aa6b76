"""Chains from a bank of noise."""

from __future__ import annotations

import pytest
import torch

from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator
from gibbsian.starts.fixed import FixedNoise
from gibbsian.starts.noise import GaussianNoise


def test_rows_are_distinct_and_the_bank_never_changes():
    rng = generator(0)
    start = FixedNoise(GaussianNoise((3,)), 10, rng)
    bank = start.bank.clone()
    for _ in range(5):
        drawn = start.draw(10, rng)
        assert torch.equal(drawn.position.sort(0).values, bank.sort(0).values)
        assert torch.equal(drawn.position, bank[drawn.slots])
        start.write(drawn, drawn.position + 1)
        drawn.position.zero_()
    assert torch.equal(start.bank, bank) and "bank" in start.state_dict()


def test_too_many_are_refused():
    start = FixedNoise(GaussianNoise((3,)), 4, generator(0))
    with pytest.raises(UsageError, match="bank of 4"):
        start.draw(5, generator(0))
    with pytest.raises(UsageError, match="at least one"):
        FixedNoise(GaussianNoise((3,)), 0, generator(0))

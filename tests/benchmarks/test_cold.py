"""Starts of the compiled path, in processes of their own."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from benchmarks.cases import TRIALS
from benchmarks.cold import starts
from gibbsian.core.errors import GibbsianError

CPU = torch.device("cpu")


def test_a_start_that_takes_too_long_is_given_up():
    with pytest.raises(GibbsianError, match="trial-chains.*0.01 s"):
        starts(TRIALS["trial-chains"], CPU, limit=0.01)


@pytest.mark.slow
def test_a_start_that_fails_says_why():
    with pytest.raises(GibbsianError, match="no-such-case"):
        starts(replace(TRIALS["trial-chains"], name="no-such-case"), CPU)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_warm_start_is_shorter_than_a_cold_one():
    found = starts(TRIALS["trial-chains"], CPU)
    assert found["cold"] > found["warm"] > found["steady"] > 0

"""Warnings are shown at the person's own line."""

from __future__ import annotations

import warnings

import pytest
import torch
from torch import nn

import gibbsian as gb
from gibbsian.core.explain import warn

NORMED = nn.Sequential(nn.Flatten(), nn.Linear(2, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))


@pytest.mark.parametrize(
    "call",
    [
        lambda: warn("so"),
        lambda: gb.prepared_net(NORMED, (2,)),
        lambda: gb.build("short_run", {}, (2,), net=NORMED),
        lambda: gb.fit("short_run", torch.randn(64, 2), net=NORMED, steps=0, progress=False),
    ],
)
def test_warnings_show_a_line_of_ones_own(call):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    assert caught and all(w.filename == __file__ for w in caught)

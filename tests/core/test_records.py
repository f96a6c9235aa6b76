"""Batches split without losing rows; losses add."""

from __future__ import annotations

import pytest
import torch

from gibbsian.core.records import Batch, Loss


@pytest.mark.parametrize("parts", [1, 2, 3, 7])
def test_split_keeps_rows_together(parts: int) -> None:
    n = 7
    batch = Batch(torch.randn(n, 2, generator=torch.Generator()), torch.arange(n), index=torch.arange(n) * 10)
    pieces = batch.split(parts)
    assert len(pieces) == parts and max(map(len, pieces)) - min(map(len, pieces)) <= 1
    assert torch.equal(torch.cat([p.x for p in pieces]), batch.x)
    assert torch.equal(torch.cat([p.y for p in pieces]) * 10, torch.cat([p.index for p in pieces]))
    assert all(p.cond is None for p in pieces)


def test_to_moves_what_is_there() -> None:
    moved = Batch(torch.zeros(2, 1), torch.zeros(2)).to("cpu")
    assert moved.cond is None and moved.x.device.type == "cpu" and len(moved) == 2


def test_losses_add_values_and_join_metrics() -> None:
    a, b = (
        Loss(torch.tensor(1.0), {"a": torch.tensor(1.0)}),
        Loss(torch.tensor(2.0), {"b": torch.tensor(2.0)}),
    )
    total = a + b
    assert float(total.value) == 3.0 and set(total.metrics) == {"a", "b"}

"""Factors of variation travel with their rows."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gibbsian.core.errors import DataError
from gibbsian.data.dataset import Dataset, from_arrays
from gibbsian.data.factors import Factors

VALUES = torch.cartesian_prod(torch.arange(4), torch.arange(5))


def factors(values: torch.Tensor = VALUES, sizes: tuple[int, ...] = (4, 5)) -> Factors:
    return Factors(values, ("shape", "place"), sizes)


def grid(known: Factors | None) -> Dataset:
    return from_arrays(np.arange(20)[:, None], factors=known)


def test_factors_stay_beside_their_rows():
    data = grid(factors())
    one, two = data.split_off(6)
    for part in (data, data.subset(torch.tensor([7, 3, 3])), data.take(9), one, two):
        rows = part.x[:, 0].long()
        assert torch.equal(part.factors.values, torch.stack([rows // 5, rows % 5], 1))
        assert part.factors.names == ("shape", "place") and part.factors.sizes == (4, 5)


def test_the_fingerprint_tells_factors_and_is_as_before_without():
    known = {grid(f).fingerprint for f in (None, factors(), factors(sizes=(4, 6)), factors(VALUES.flip(0)))}
    assert len(known) == 4
    assert grid(None).fingerprint == "8bdd5398c53e9b9c7933a22d1ac55cbe6674a7c93e35861b736ee556489eb4b6"


def test_factors_that_do_not_fit_are_refused():
    for bad in (VALUES.float(), VALUES[:, 0]):
        with pytest.raises(DataError, match="expected int64"):
            factors(bad)
    with pytest.raises(DataError, match="expected int64"):
        Factors(VALUES, ("shape",), (4, 5))
    for sizes in ((4, 4), (3, 5)):
        with pytest.raises(DataError, match="leave their ranges"):
            factors(sizes=sizes)
    with pytest.raises(DataError, match="20 rows but factors of 10"):
        grid(factors(VALUES[:10]))

"""Smaller by means, larger by copies."""

from __future__ import annotations

import pytest
import torch

from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator
from gibbsian.nets.resize import enlarge, shrink


def test_values_by_hand():
    x = torch.tensor([[[[1.0, 3.0, 0.0, 0.0], [5.0, 7.0, 0.0, 8.0]]]])
    assert shrink(x, (1, 2)).tolist() == [[[[4.0, 2.0]]]]
    assert enlarge(shrink(x, (1, 2)), (2, 4)).tolist() == [[[[4.0, 4.0, 2.0, 2.0], [4.0, 4.0, 2.0, 2.0]]]]


@pytest.mark.parametrize("size", [(6, 4), (12, 8), (18, 16)])
def test_shrinking_undoes_enlarging(size):
    """Blocks of 1, 4 and 12 copies; the mean of 12 is rounded."""
    x = torch.randint(-8, 9, (3, 2, 6, 4), generator=generator(0)) / 8
    assert torch.allclose(shrink(enlarge(x, size), (6, 4)), x, atol=1e-7)
    assert enlarge(x, size).shape == (3, 2, *size)


def test_the_same_size_is_the_same_tensor():
    x = torch.zeros(1, 1, 4, 4)
    assert shrink(x, (4, 4)) is x and enlarge(x, (4, 4)) is x


@pytest.mark.parametrize("change", [shrink, enlarge])
def test_sizes_that_do_not_divide_are_refused(change):
    with pytest.raises(UsageError, match="no multiple"):
        change(torch.zeros(1, 1, 6, 6), (4, 4))

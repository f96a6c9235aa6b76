"""Modes found and divergences of class shares, by hand and against SciPy."""

from __future__ import annotations

import math

import pytest
import torch
from scipy.stats import entropy

from gibbsian.core.errors import UsageError
from gibbsian.metrics.modes import class_shares, kl_floor, modes


def test_even_missing_and_single_classes():
    even = modes(torch.arange(30) % 10, 10)
    assert (even.found, even.kl, even.reverse, even.n) == (10, pytest.approx(0, abs=1e-12), 0, 30)
    half = modes(torch.arange(30) % 5, 10)
    assert half.found == 5 and half.kl == pytest.approx(math.log(2)) and half.reverse == math.inf
    assert modes(torch.full((9,), 3), 1000).kl == pytest.approx(math.log(1000))


def test_both_directions_are_scipys():
    rng = torch.Generator().manual_seed(0)
    y = torch.multinomial(torch.tensor([0.1, 0.2, 0.3, 0.4]), 500, replacement=True, generator=rng)
    p = torch.tensor([0.4, 0.3, 0.2, 0.1])
    found, q = modes(y, 4, reference=p), class_shares(y, 4).numpy()
    p64 = p.double().numpy() / p.double().numpy().sum()
    assert found.kl == pytest.approx(float(entropy(q, p64)), rel=1e-9)
    assert found.reverse == pytest.approx(float(entropy(p64, q)), rel=1e-9)


def test_a_perfect_model_scores_the_floor():
    """20 sets of 26,000 uniform draws of 1,000 classes: 2n KL is about chi^2 of 999 degrees, so the mean KL
    has deviation sqrt(2 * 999 / 20) / 2n; z < 5 fails one time in 10^6."""
    rng = torch.Generator().manual_seed(0)
    n, k, sets = 26_000, 1000, 20
    found = [modes(torch.randint(k, (n,), generator=rng), k) for _ in range(sets)]
    mean = sum(m.kl for m in found) / sets
    assert abs(mean - found[0].floor) < 5 * math.sqrt(2 * (k - 1) / sets) / (2 * n)
    assert found[0].floor == kl_floor(k, n) == 999 / 52_000 and all(m.found == k for m in found)


def test_classes_absent_from_the_reference_are_not_in_the_floor():
    found = modes(torch.tensor([0, 1, 0, 1]), 3, reference=torch.tensor([0.5, 0.5, 0.0]))
    assert found.kl == pytest.approx(0, abs=1e-12) and found.floor == 1 / 8
    assert modes(torch.tensor([2]), 3, reference=torch.tensor([0.5, 0.5, 0.0])).kl == math.inf


@pytest.mark.parametrize(
    "bad", [torch.tensor([0, 4]), torch.tensor([-1]), torch.rand(3), torch.zeros(0).long()]
)
def test_bad_numbers_are_refused(bad):
    with pytest.raises(UsageError, match="class numbers"):
        modes(bad, 4)
    with pytest.raises(UsageError, match="reference must be 4 shares"):
        modes(torch.tensor([0]), 4, reference=torch.ones(4))

"""Discriminator rejection. Bounds are |z| < 4.5: false alarms 6.8e-6 each, 3 in this file; fixed seeds."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from gibbsian.core.random import generator
from gibbsian.mcmc.rejection import acceptance

F64 = torch.float64
MEAN, STD = 0.5, 0.6


def log_ratio(x: Tensor) -> Tensor:
    """log N(x; .5, .6^2) / N(x; 0, 1)."""
    return x.square() / 2 - ((x - MEAN) / STD).square() / 2 - math.log(STD)


def highest() -> float:
    """Its maximum, where x = (x - mean) / std^2."""
    return float(log_ratio(torch.tensor(MEAN / (1 - STD**2), dtype=F64)))


def test_kept_draws_follow_the_target_and_as_many_as_they_should():
    """With exact F and M at gamma 0 this is rejection sampling: density p, share exp(-M)."""
    x = torch.randn(200_000, generator=generator(0), dtype=F64)
    u = torch.rand(200_000, generator=generator(1), dtype=F64)
    kept = x[u < acceptance(log_ratio(x), highest())]
    share = math.exp(-highest())
    assert abs(len(kept) / 200_000 - share) < 4.5 * (share * (1 - share) / 200_000) ** 0.5
    assert abs(float(kept.mean()) - MEAN) < 4.5 * STD / len(kept) ** 0.5
    assert abs(float((kept - MEAN).square().mean()) - STD**2) < 4.5 * STD**2 * (2 / len(kept)) ** 0.5


@pytest.mark.parametrize("dtype", [torch.float32, F64])
def test_without_a_shift_it_is_exp_of_f_minus_m(dtype):
    f = torch.linspace(-60, 0, 601, dtype=dtype)
    torch.testing.assert_close(
        acceptance(f, 0.0), f.exp(), rtol=2e-5, atol=1e-5 if dtype == torch.float32 else 2e-6
    )
    torch.testing.assert_close(
        acceptance(f + 800, torch.tensor(800.0)), acceptance(f, 0.0), rtol=1e-3, atol=1e-4
    )


def test_the_formula_of_the_paper():
    f, m, gamma, eps = torch.tensor([-2.0, -0.1, -7.0], dtype=F64), 0.3, 0.8, 1e-3
    logit = (f - m) - torch.log(1 - torch.exp(f - m - eps)) - gamma
    torch.testing.assert_close(acceptance(f, m, gamma, eps=eps), torch.sigmoid(logit))


def test_more_shift_keeps_less_and_better_draws_more():
    f = torch.linspace(-5, 0, 50)
    strict, plain, loose = (acceptance(f, 0.0, gamma) for gamma in (1.0, 0.0, -1.0))
    assert (strict[:-1] < plain[:-1]).all() and (plain[:-1] < loose[:-1]).all()
    assert all((p.diff() > 0).all() for p in (strict, plain, loose))


def test_ends_of_the_range():
    f = torch.tensor([5.0, 2.0, -1e4, -math.inf])
    p = acceptance(f, 2.0)
    assert p[0] == p[1] > 0.999 and p[2] == p[3] == 0
    assert not (torch.zeros(1) < acceptance(torch.tensor([math.nan]), 0.0)).any()

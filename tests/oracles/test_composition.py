"""Conditionals of one model put together: 16 Gaussians of unequal weights, each with four binary causes.

Cause i of component k is its i-th bit, so that causes are independent given x where the components lie apart:
p(x | c_1, ..., c_n) is then the mixture of the components whose bits agree, at their own weights.
"""

from __future__ import annotations

import math

import pytest
import torch

import gibbsian as gb
from gibbsian.core.spec import DataSpec
from gibbsian.models.model import EnergyModel

WEIGHTS = torch.arange(1.0, 17.0) / torch.arange(1.0, 17.0).sum()
BITS = torch.tensor([[k >> i & 1 for i in range(4)] for k in range(16)])
SIDE = torch.linspace(-3, 3, 301)
GRID = torch.stack(torch.meshgrid(SIDE, SIDE, indexing="ij"), -1).reshape(-1, 2)


class Causes(EnergyModel):
    """p(x), and p(x | c_i = b) as class 2 i + b, of the 16 components on a grid of unit spacing."""

    joint = True

    def __init__(self, sd: float) -> None:
        super().__init__(DataSpec((2,), -3.0, 3.0, 8), 1.0, claims_density=True)
        self.sd, self.means = sd, torch.cartesian_prod(*[torch.arange(4.0) - 1.5] * 2)

    def log_density(self, x: torch.Tensor, allowed: torch.Tensor) -> torch.Tensor:
        """log of the mixture of the components that are `allowed`, `(B, 16)`, normalised."""
        weights = WEIGHTS * allowed
        apart = (x[:, None] - self.means).square().sum(2) / (2 * self.sd**2)
        log_weights = (weights / weights.sum(1, keepdim=True)).log()
        return (log_weights - apart - math.log(2 * math.pi * self.sd**2)).logsumexp(1)

    def neg_log_prob(self, x, y=None):
        allowed = torch.ones(len(x), 16) if y is None else (BITS[:, y // 2] == y % 2).T.float()
        return -self.log_density(x, allowed)

    def energy(self, x, y=None):
        return self.neg_log_prob(x, y)


def on_grid(energy) -> torch.Tensor:
    log_p = -energy(GRID)
    return log_p - log_p.logsumexp(0)


def divergence(model: Causes, classes: list[int], found: EnergyModel) -> float:
    """KL(p(x | all causes) | found) on the grid, in nats."""
    agree = torch.stack([BITS[:, c // 2] == c % 2 for c in classes]).all(0).float()
    right = on_grid(lambda x: -model.log_density(x, agree.expand(len(x), 16)))
    return float((right.exp() * (right - on_grid(found.neg_log_prob))).sum())


def plain(model: Causes, classes: list[int]) -> EnergyModel:
    return gb.product(*[gb.conditional(model, c) for c in classes])


@pytest.mark.parametrize("classes", [[0, 2], [1, 3, 4], [1, 2, 5, 6]])
def test_the_right_formula_is_exact_and_the_plain_sum_is_not(classes) -> None:
    model = Causes(sd=0.1)
    assert divergence(model, classes, gb.conjunction(model, classes)) < 0.02
    n = len(classes)
    narrow = n - 1 - math.log(n)  # KL(p | q) of Gaussians in the plane, q of 1/n the variance of p
    assert divergence(model, classes, plain(model, classes)) > narrow - 0.02


def test_causes_that_depend_on_each_other_given_x_leave_an_error() -> None:
    """Components that overlap: neither formula is right, the right one is nearer."""
    model, classes = Causes(sd=0.5), [1, 2, 5, 6]
    error = divergence(model, classes, gb.conjunction(model, classes))
    assert 0.05 < error < divergence(model, classes, plain(model, classes))


@pytest.mark.parametrize(("make", "share"), [(gb.conjunction, 1.0), (plain, 0.25)])
def test_chains_show_the_narrowed_variance(make, share) -> None:
    model, classes = Causes(sd=0.3), [1, 3, 5, 7]
    model.means = model.means * 4  # component 15, at a corner, far from all others
    begin = model.means[15] + 0.3 * torch.randn(1000, 2, generator=gb.generator(0))
    drawn = gb.sample(make(model, classes), 1000, kernel=gb.MALA(0.05), start=begin, steps=300).x
    variance = float(drawn.var(0).mean())
    assert abs(variance / (share * 0.3**2) - 1) < 4 * math.sqrt(1 / 1000)

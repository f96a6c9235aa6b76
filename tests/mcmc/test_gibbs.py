"""Gibbs sampling of bits keeps its target, against exact answers."""

from __future__ import annotations

import pytest
import torch

import gibbsian as gb
from gibbsian.core.errors import UsageError
from gibbsian.energies.binary import Ising
from gibbsian.mcmc import Gibbs


@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_the_target_is_kept(temperature):
    """Sweeps from exact draws: means and energy stay within 4.5 standard errors."""
    target = Ising(3, 3, 0.4 / temperature, 0.1 / temperature)
    energy = gb.Scaled(target, temperature)
    x = target.draw(20_000, 1)
    chain = gb.run(Gibbs(-1, 1, temperature), energy, x, steps=5, rng=2)
    at = chain.position
    z = (at.double().mean(0) - target.mean) / (target.var / len(at)).sqrt()
    assert float(z.abs().max()) < 4.5
    torch.testing.assert_close(chain.energy, energy(at))
    before, after = target(x).double(), target(at).double()
    assert abs(float(after.mean() - before.mean())) < 4.5 * float(before.std()) * (2 / len(x)) ** 0.5
    assert 0.1 < float(chain.info.acceptance.mean()) < 0.5


def test_it_forgets_where_it_began():
    target = Ising(2, 3, 0.3, -0.4)
    x = torch.ones(20_000, 2, 3)
    at = gb.run(Gibbs(-1, 1), target, x, steps=30, rng=0).position.double()
    z = (at.mean(0) - target.mean) / (target.var / len(at)).sqrt()
    assert float(z.abs().max()) < 4.5


def test_one_coordinate_is_drawn_with_its_probability():
    at = gb.run(Gibbs(), lambda x: 2 * x[:, 0], torch.zeros(50_000, 1), steps=1, rng=0).position
    assert abs(float(at.mean()) - 1 / (1 + torch.e**2)) < 0.006


def test_what_is_not_of_two_values():
    with pytest.raises(UsageError, match="other values than 0 and 1"):
        gb.run(Gibbs(), lambda x: x[:, 0], torch.full((2, 1), 0.5), steps=1)
    for bad in ({"low": 1.0}, {"temperature": 0.0}):
        with pytest.raises(UsageError, match="two values"):
            Gibbs(**bad)

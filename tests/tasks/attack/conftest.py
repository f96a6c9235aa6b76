"""Systems on a bowl, whose chains are known step by step."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from gibbsian.systems.base import Standing, System
from torch import nn

from gibbsian.energies.conditional import Given
from gibbsian.mcmc.langevin import Langevin

WEIGHTS = torch.tensor(
    [[0.5, -1, 0.2, 0.8], [1, 0.4, -0.9, 0.1], [-0.3, 0.6, 0.5, -0.7]], dtype=torch.float64
)


class Bowl(System):
    """E(x) = a |x|^2 / 2 or E(x, y) = a |x - c_y|^2 / 2: a step without noise shrinks by 1 - s a / 2.

    The logits are linear, x W', whatever the energy is.
    """

    def __init__(self, *, joint=True, step_size=0.5, temperature=0.0, a=1.0):
        super().__init__()
        self.joint, self.a, self.kernel = joint, a, Langevin(step_size, temperature)
        self.event_shape = (4,)
        self.config = SimpleNamespace(pixels=SimpleNamespace(low=-1.0, high=1.0))
        self.weight = nn.Parameter(WEIGHTS.clone())
        self.centres = WEIGHTS.flip(0)

    def energy(self, x, y=None):
        """The bowl."""
        centre = 0.0 if y is None else self.centres[y]
        return self.a * (x - centre).square().sum(1) / 2

    def logits(self, x):
        """Linear ones."""
        return x @ self.weight.T

    def standing(self, x, rng, y=None):
        """The chain at x."""
        return Standing(self.energy if y is None else Given(self.energy, y), self.kernel, x)

    def shrink(self, steps):
        """The factor of so many steps."""
        return (1 - self.kernel.step_size * self.a / 2) ** steps

    def groups(self):
        """Nothing that trains."""
        return {"energy": self}

    def losses(self, batch, step, rng):
        """None."""
        return iter(())

    def plan(self, n, rng, *, y=None, steps=None):
        """No plan."""
        raise NotImplementedError

    def decode(self, position):
        """The position."""
        return position

    def surprisal(self, x, y=None):
        """The bowl."""
        return self.energy(x, y)


@pytest.fixture
def bowl():
    """`bowl(joint=True, step_size=.5, temperature=0., a=1.)`."""
    return Bowl

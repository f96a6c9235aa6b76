"""Models on a bowl, whose chains are known step by step."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from gibbsian.core.spec import DataSpec
from gibbsian.energies.conditional import Given
from gibbsian.mcmc.langevin import Langevin
from gibbsian.models.model import EnergyModel
from gibbsian.models.sampler import DataChain, Sampler

WEIGHTS = torch.tensor(
    [[0.5, -1, 0.2, 0.8], [1, 0.4, -0.9, 0.1], [-0.3, 0.6, 0.5, -0.7]], dtype=torch.float64
)


class Bowl(EnergyModel):
    """E(x) = a |x|^2 / 2 or E(x, y) = a |x - c_y|^2 / 2: a step without noise shrinks by 1 - s a / 2.

    The logits are linear, x W', whatever the energy is.
    """

    def __init__(self, *, joint=True, step_size=0.5, temperature=0.0, a=1.0):
        super().__init__(DataSpec((4,), -1.0, 1.0, 3))
        self.joint, self.a, self.kernel = joint, a, Langevin(step_size, temperature)
        self.weight = nn.Parameter(WEIGHTS.clone())
        self.centres = WEIGHTS.flip(0)
        self.samplers["default"] = AtData(self)

    def energy(self, x, y=None):
        """The bowl."""
        centre = 0.0 if y is None else self.centres[y]
        return self.a * (x - centre).square().sum(1) / 2

    def neg_log_prob(self, x, y=None):
        """The bowl."""
        return self.energy(x, y)

    def logits(self, x):
        """Linear ones."""
        return x @ self.weight.T

    def shrink(self, steps):
        """The factor of so many steps."""
        return (1 - self.kernel.step_size * self.a / 2) ** steps


class AtData(Sampler):
    """Chains that begin at data only."""

    def __init__(self, model):
        self.model = model

    def stages(self, n, rng, *, y=None, steps=None):
        """None."""
        raise NotImplementedError

    def from_data(self, x, rng, y=None):
        """The chain at x."""
        energy = self.model.energy if y is None else Given(self.model.energy, y)
        return DataChain(energy, self.model.kernel, x)


@pytest.fixture
def bowl():
    """`bowl(joint=True, step_size=.5, temperature=0., a=1.)`."""
    return Bowl

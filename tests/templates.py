"""A conditional model whose chains are known: one step leads to the template of the class asked for."""

from __future__ import annotations

import torch
from torch import nn

from gibbsian.core.spec import DataSpec
from gibbsian.data.load import load
from gibbsian.energies.conditional import Given
from gibbsian.mcmc.langevin import Langevin
from gibbsian.models.model import EnergyModel
from gibbsian.models.sampler import ChainStage, Sampler
from gibbsian.tasks.features import classifier_for


class Templates(EnergyModel):
    """E(x, y) = weight |x - t_y|^2 / 2 without noise: one step of size 2 / weight ends at t_y."""

    def __init__(self, templates: torch.Tensor, weight: float) -> None:
        super().__init__(DataSpec(tuple(templates.shape[1:]), -1.0, 1.0, len(templates)), temperature=0.0)
        self.templates, self.weight = nn.Parameter(templates), weight
        self.samplers["default"] = OneStep(self)

    def energy(self, x, y=None):
        """E(x, y), of class 0 without a label."""
        y = torch.zeros(len(x), dtype=torch.long) if y is None else y
        return self.weight * (x - self.templates[y]).square().flatten(1).sum(1) / 2

    def neg_log_prob(self, x, y=None):
        """The same."""
        return self.energy(x, y)


class OneStep(Sampler):
    """A step from noise."""

    def __init__(self, model: Templates) -> None:
        self.model = model

    def stages(self, n, rng, *, y=None, steps=None):
        """One stage."""
        start = torch.randn(n, *self.model.spec.event_shape, generator=rng)
        kernel = Langevin(2 / (self.model.weight or 1.0), 0.0)
        yield ChainStage(Given(self.model.energy, 0 if y is None else y), kernel, steps or 1, start)


def digits_of_each_class() -> torch.Tensor:
    """A test digit of each class that the judge sees as such."""
    test = load("digits", "test")
    right = classifier_for(load("digits"), role="judge").answers(test.x) == test.y
    rows = [int(((test.y == c) & right).nonzero()[0]) for c in range(10)]
    return test.batch(torch.tensor(rows), -1.0, 1.0).x

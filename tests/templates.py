"""A conditional system whose chains are known: one step leads to the template of the class asked for."""

from __future__ import annotations

from types import SimpleNamespace

import torch
from gibbsian.systems.base import Leg, System
from torch import nn

from gibbsian.data.load import load
from gibbsian.energies.conditional import Given
from gibbsian.mcmc.langevin import Langevin
from gibbsian.tasks.features import classifier_for


class Templates(System):
    """E(x, y) = weight |x - t_y|^2 / 2 without noise: one step of size 2 / weight ends at t_y."""

    def __init__(self, templates: torch.Tensor, weight: float) -> None:
        super().__init__()
        self.templates, self.weight = nn.Parameter(templates), weight
        self.event_shape, self.temperature = tuple(templates.shape[1:]), 0.0
        pixels = SimpleNamespace(low=-1.0, high=1.0)
        self.config = SimpleNamespace(net=SimpleNamespace(classes=len(templates)), pixels=pixels)

    def groups(self):
        """The templates, which nothing trains."""
        return {"energy": self}

    def losses(self, batch, step, rng):
        """None."""
        return iter(())

    def plan(self, n, rng, *, y=None, steps=None):
        """A step from noise."""
        start = torch.randn(n, *self.event_shape, generator=rng)
        kernel = Langevin(2 / (self.weight or 1.0), 0.0)
        yield Leg(Given(self.energy, 0 if y is None else y), kernel, steps or 1, start)

    def decode(self, position):
        """The position is the data."""
        return position

    def energy(self, x, y):
        """E(x, y)."""
        return self.weight * (x - self.templates[y]).square().flatten(1).sum(1) / 2

    def surprisal(self, x, y=None):
        """E(x, y), of class 0 without a label."""
        return self.energy(x, torch.zeros(len(x), dtype=torch.long) if y is None else y)


def digits_of_each_class() -> torch.Tensor:
    """A test digit of each class that the judge sees as such."""
    test = load("digits", "test")
    right = classifier_for(load("digits"), role="judge").answers(test.x) == test.y
    rows = [int(((test.y == c) & right).nonzero()[0]) for c in range(10)]
    return test.batch(torch.tensor(rows), -1.0, 1.0).x

"""Systems whose density is known, so that a restoration has an exact answer."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from gibbsian.systems.base import Leg, System
from torch import Tensor, nn

from gibbsian.mcmc.langevin import Langevin


class Normal(System):
    """p(x) normal with `mean` and `precision` (D, D) on images of `event_shape`, at temperature T.

    E = T (x - mean)' precision (x - mean) / 2; the chain takes steps of `step` / T at T, as (E / T, step, 1).
    """

    def __init__(
        self,
        precision: Tensor,
        mean: Tensor,
        event_shape: tuple[int, ...],
        *,
        step: float = 0.1,
        temperature: float = 1.0,
        bounds: tuple[float, float] = (-40.0, 40.0),
        steps: int = 100,
    ) -> None:
        super().__init__()
        self.inverse, self.mean = precision, nn.Parameter(mean)
        self.event_shape, self.step, self.temperature, self.steps = event_shape, step, temperature, steps
        low, high = bounds
        pixels = SimpleNamespace(low=low, high=high)
        self.config = SimpleNamespace(net=SimpleNamespace(classes=0), pixels=pixels)
        self.matched = True

    def groups(self):
        """The mean, which nothing trains."""
        return {"energy": self}

    def losses(self, batch, step, rng):
        """None."""
        return iter(())

    def plan(self, n, rng, *, y=None, steps=None):
        """A chain from noise."""
        kernel = Langevin(self.step / self.temperature, self.temperature)
        yield Leg(self.energy, kernel, steps or self.steps, torch.randn(n, *self.event_shape, generator=rng))

    def decode(self, position):
        """The position is the data."""
        return position

    def energy(self, x):
        """E(x)."""
        return self.temperature * self.surprisal(x)

    def surprisal(self, x, y=None):
        """-log p(x) up to a constant."""
        d = x.flatten(1) - self.mean
        return 0.5 * ((d @ self.inverse) * d).sum(1)

    def biased(self, precision: Tensor) -> Tensor:
        """Covariance of the unadjusted chain: (P (1 - s P / 4))^-1."""
        eye = torch.eye(len(precision), dtype=precision.dtype)
        return torch.linalg.inv(precision @ (eye - self.step * precision / 4))


@pytest.fixture
def normal() -> type[Normal]:
    """`normal(precision, mean, event_shape, ...)`."""
    return Normal


@pytest.fixture
def correlated() -> Normal:
    """Four correlated pixels."""
    root = torch.tensor([[1.0, 0.4, 0, 0.3], [0, 1, 0.5, 0], [0, 0, 1, -0.6], [0, 0, 0, 1]]).double()
    return Normal(root @ root.T, torch.tensor([0.5, -1.0, 2.0, 0.0]).double(), (1, 2, 2), step=0.4)


def zs(x: Tensor, mean: Tensor, covariance: Tensor) -> Tensor:
    """z-scores of the sample mean and the sample covariance of rows `x` (N, D) of a normal distribution."""
    n, spread = len(x), covariance.diagonal()
    of_mean = (x.mean(0) - mean) / (spread / n).sqrt()
    error = ((spread[:, None] * spread[None] + covariance**2) / n).sqrt()
    return torch.cat([of_mean, ((torch.cov(x.T) - covariance) / error).flatten()])


@pytest.fixture
def scores():
    """`scores(x, mean, covariance)`: z-scores of moments."""
    return zs

"""Models whose density is known, so that a restoration has an exact answer."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from gibbsian.core.spec import DataSpec
from gibbsian.mcmc.langevin import Langevin
from gibbsian.models.model import EnergyModel
from gibbsian.models.sampler import ChainStage, Sampler


class Normal(EnergyModel):
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
        super().__init__(DataSpec(event_shape, *bounds), temperature, claims_density=True)
        self.inverse, self.mean, self.step, self.steps = precision, nn.Parameter(mean), step, steps
        self.samplers["default"] = FromNoise(self)

    def energy(self, x, y=None):
        """E(x)."""
        return self.temperature * self.neg_log_prob(x)

    def neg_log_prob(self, x, y=None):
        """-log p(x) up to a constant."""
        d = x.flatten(1) - self.mean
        return 0.5 * ((d @ self.inverse) * d).sum(1)

    def biased(self, precision: Tensor) -> Tensor:
        """Covariance of the unadjusted chain: (P (1 - s P / 4))^-1."""
        eye = torch.eye(len(precision), dtype=precision.dtype)
        return torch.linalg.inv(precision @ (eye - self.step * precision / 4))


class FromNoise(Sampler):
    """A chain from noise."""

    def __init__(self, model):
        self.model, self.temperature = model, model.temperature

    def stages(self, n, rng, *, y=None, steps=None):
        """One stage."""
        model = self.model
        kernel = Langevin(model.step / model.temperature, model.temperature)
        start = torch.randn(n, *model.spec.event_shape, generator=rng)
        yield ChainStage(model.energy, kernel, steps or model.steps, start)


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
    """z-scores of the sample mean and of the sample covariance of rows `x` (N, D) of a Gaussian."""
    n, spread = len(x), covariance.diagonal()
    of_mean = (x.mean(0) - mean) / (spread / n).sqrt()
    error = ((spread[:, None] * spread[None] + covariance**2) / n).sqrt()
    return torch.cat([of_mean, ((torch.cov(x.T) - covariance) / error).flatten()])


@pytest.fixture
def scores():
    """`scores(x, mean, covariance)`: z-scores of moments."""
    return zs

"""Three targets for Hamiltonian Monte Carlo, each written for torch and, word for word, for jax.

    gaussian    100 dimensions, condition number 100, turned at random, so that no diagonal metric helps
    funnel      10 dimensions: v ~ N(0, 1.5^2), the others N(0, e^v) (Neal 2003, where v ~ N(0, 3^2))
    mixture     four normals in the plane, of unequal weight, close enough for trajectories to cross

Accuracy is judged on `ranks`: numbers in (0, 1) that are uniform, each by itself, if the sample is right.
They have mean 1/2 and variance 1/12 exactly, and no tails, which makes z-scores trustworthy even for the
funnel, whose own fourth moments no chain can measure.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from gibbsian.core.random import generator
from gibbsian.energies.analytic import Funnel, Gaussian, GaussianMixture
from gibbsian.energies.target import Target

SEED = 0


@dataclass(frozen=True, eq=False)
class Problem:
    """A target and how it is sampled.

    `energy` maps `(B, d)` to `(B,)`; `twin` makes the jax log density of a single `(d,)`; `exact` draws
    the starting points; `ranks` maps `(..., d)` to uniform numbers of the same shape. `leapfrogs` is the
    length of a trajectory, `acceptance` what step sizes are tuned to.
    """

    name: str
    about: str
    exact: Target
    energy: nn.Module
    twin: Callable[[], Callable[[Any], Any]]
    ranks: Callable[[Tensor], Tensor]
    leapfrogs: int
    acceptance: float

    def start(self, chains: int) -> Tensor:
        """Exact draws `(chains, d)`, float32, the same at every call."""
        return self.exact.draw(chains, generator(SEED))


class Correlated(nn.Module):
    """E(x) = |x W|^2 / 2 with `whiten` W `(d, d)`."""

    whiten: Tensor

    def __init__(self, whiten: Tensor) -> None:
        super().__init__()
        self.register_buffer("whiten", whiten.float())

    def forward(self, x: Tensor) -> Tensor:
        """`(B, d)` to `(B,)`."""
        y = x @ self.whiten
        return 0.5 * (y * y).sum(1)


class Neck(nn.Module):
    """E(v, r) = v^2 / (2 scale^2) + |r|^2 e^-v / 2 + n v / 2 for n numbers r."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        """`(B, 1 + n)` to `(B,)`."""
        v, r = x[:, 0], x[:, 1:]
        return 0.5 / self.scale**2 * v * v + 0.5 * (r * r).sum(1) * torch.exp(-v) + 0.5 * r.shape[1] * v


class Mixture(nn.Module):
    """E(x) = -log sum_k exp(logits_k - |x - means_k|^2 / (2 variance))."""

    means: Tensor
    logits: Tensor

    def __init__(self, weights: Tensor, means: Tensor, variance: float) -> None:
        super().__init__()
        self.variance = variance
        self.register_buffer("means", means.float())
        self.register_buffer("logits", weights.log().float())

    def forward(self, x: Tensor) -> Tensor:
        """`(B, d)` to `(B,)`."""
        y = x[:, None] - self.means
        return -torch.logsumexp(self.logits - 0.5 / self.variance * (y * y).sum(2), dim=1)


def gaussian(dim: int = 100, condition: float = 100.0) -> Problem:
    """Variances spread evenly in their logarithm from 1 down to 1/`condition`, in turned coordinates."""
    noise = torch.randn(dim, dim, generator=generator(SEED), dtype=torch.float64)
    turn = torch.linalg.qr(noise).Q
    var = torch.logspace(0, -math.log10(condition), dim, dtype=torch.float64)
    exact = Gaussian(torch.zeros(dim), (turn * var) @ turn.T)
    energy = Correlated(turn * var.rsqrt())
    about = f"normal in {dim} dimensions, condition number {condition:g}, turned at random"
    scale = exact.var.sqrt()

    def twin() -> Callable[[Any], Any]:
        import jax.numpy as jnp

        whiten = jnp.asarray(energy.whiten.numpy())

        def log_density(x: Any) -> Any:
            y = x @ whiten
            return -0.5 * (y * y).sum()

        return log_density

    return Problem("gaussian", about, exact, energy, twin, lambda x: _cdf(x / scale), 16, 0.8)


def funnel(dim: int = 10, scale: float = 1.5) -> Problem:
    """v / scale and r e^(-v / 2) are independent standard normals: their ranks are the test."""

    def twin() -> Callable[[Any], Any]:
        import jax.numpy as jnp

        def log_density(x: Any) -> Any:
            v, r = x[0], x[1:]
            return -(0.5 / scale**2 * v * v + 0.5 * (r * r).sum() * jnp.exp(-v) + 0.5 * r.shape[0] * v)

        return log_density

    def ranks(x: Tensor) -> Tensor:
        v, r = x[..., :1], x[..., 1:]
        return _cdf(torch.cat([v / scale, r * torch.exp(-v / 2)], dim=-1))

    about = f"Neal's funnel in {dim} dimensions, v of standard deviation {scale:g}"
    return Problem("funnel", about, Funnel(dim, scale), Neck(scale), twin, ranks, 16, 0.95)


def mixture(spacing: float = 1.5, std: float = 0.75) -> Problem:
    """Modes at (+-`spacing`, +-`spacing`), of weights .4, .3, .2 and .1."""
    weights = torch.tensor([0.4, 0.3, 0.2, 0.1], dtype=torch.float64)
    means = spacing * torch.tensor([[1, 1], [-1, 1], [-1, -1], [1, -1]], dtype=torch.float64)
    energy = Mixture(weights, means, std**2)

    def twin() -> Callable[[Any], Any]:
        import jax.numpy as jnp
        from jax.scipy.special import logsumexp

        centres, logits = jnp.asarray(energy.means.numpy()), jnp.asarray(energy.logits.numpy())

        def log_density(x: Any) -> Any:
            y = x - centres
            return logsumexp(logits - 0.5 / std**2 * (y * y).sum(1))

        return log_density

    def ranks(x: Tensor) -> Tensor:
        return (weights[:, None] * _cdf((x[..., None, :] - means) / std)).sum(-2)

    about = "four normals in the plane, weights .4 .3 .2 .1, neighbours 4 standard deviations apart"
    exact = GaussianMixture(weights, means, std=std)
    return Problem("mixture", about, exact, energy, twin, ranks, 4, 0.8)


def problems() -> list[Problem]:
    """All three."""
    return [gaussian(), funnel(), mixture()]


def _cdf(x: Tensor) -> Tensor:
    return torch.special.ndtr(x.double())

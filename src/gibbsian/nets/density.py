"""Distributions with exact draws and an exact log-density over events of any shape: noise to tell data from.

All are modules with `draw(n, rng) -> (n, *event)` and `log_density(x (B, *event)) -> (B,)` in nats.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import cast

import torch
from torch import Tensor, nn

from ..core.errors import UsageError, require_not_negative, require_positive
from ..core.random import RngLike, as_generator
from .generator import FlowGenerator
from .precision import full_precision, widened
from .settings import GeneratorConfig

LOG_2PI = math.log(2 * math.pi)


class Density(nn.Module, ABC):
    """A normalised density over events of `event_shape`."""

    def __init__(self, event_shape: tuple[int, ...]) -> None:
        super().__init__()
        self.event_shape = tuple(event_shape)
        self.size = math.prod(self.event_shape)

    def extra_repr(self) -> str:
        """The shape of an event."""
        return f"event_shape={self.event_shape}"

    @abstractmethod
    def draw(self, n: int, rng: RngLike = None) -> Tensor:
        """`n` independent draws `(n, *event)`, on the device of `rng`, without a graph."""

    @abstractmethod
    def log_density(self, x: Tensor) -> Tensor:
        """log q(x) in nats, `(B,)`, with its graph to `x` `(B, *event)`."""


class GaussianDensity(Density):
    """N(mean, covariance + ridge I), fitted by `update` to batches as they come and fixed by `settle`.

    Until then it is N(0, I). Buffers: `count`, `mean` (D,), `covariance` (D, D) of what was seen, and
    `whiten` (D, D), the inverse Cholesky factor. `ridge` > 0 is a variance: it makes the density proper where
    data do not vary. Batches are merged as by T. Chan, G. Golub, R. LeVeque (1979). Raises `UsageError` for a
    bad ridge, and on settling with fewer than 2 points.
    """

    def __init__(self, event_shape: tuple[int, ...], ridge: float = 1e-4) -> None:
        super().__init__(event_shape)
        require_positive(ridge=ridge)
        self.ridge = ridge
        self.count: Tensor
        self.mean: Tensor
        self.centre: Tensor
        self.covariance: Tensor
        self.whiten: Tensor
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))
        self.register_buffer("mean", torch.zeros(self.size))
        self.register_buffer("covariance", torch.zeros(self.size, self.size))
        self.register_buffer("centre", torch.zeros(self.size))
        self.register_buffer("whiten", torch.eye(self.size))

    @torch.no_grad()
    def update(self, x: Tensor) -> None:
        """Take a batch `(B, *event)` into mean and covariance."""
        points = x.flatten(1).to(self.mean.dtype)
        total = self.count + len(points)
        share, apart = len(points) / total, points.mean(0) - self.mean
        spread = points - points.mean(0)
        self.covariance.lerp_(spread.T @ spread / len(points), share)
        self.covariance.addr_(apart, apart, alpha=float(share * (1 - share)))
        self.mean.add_(share * apart)
        self.count.copy_(total)

    @torch.no_grad()
    def forget(self) -> None:
        """N(0, I) again, as if no batch had come."""
        for buffer in (self.count, self.mean, self.covariance, self.centre):
            buffer.zero_()
        self.whiten.copy_(torch.eye(self.size))

    @torch.no_grad()
    def settle(self) -> None:
        """From now on, the density is that of the batches seen so far."""
        if int(self.count) < 2:
            raise UsageError(f"a Gaussian of {int(self.count)} points: give it at least 2 before it settles")
        ridged = self.covariance.double() + self.ridge * torch.eye(self.size).to(self.covariance).double()
        identity = torch.eye(self.size).to(ridged)
        root = torch.linalg.cholesky(ridged)
        self.whiten.copy_(torch.linalg.solve_triangular(root, identity, upper=False))
        self.centre.copy_(self.mean)

    @torch.no_grad()
    def draw(self, n: int, rng: RngLike = None) -> Tensor:
        """Draws by the Cholesky factor."""
        rng = as_generator(rng)
        z = torch.randn(self.size, n, generator=rng, device=rng.device, dtype=self.mean.dtype)
        x = self.centre + torch.linalg.solve_triangular(self.whiten, z, upper=False).T
        return x.reshape(n, *self.event_shape)

    def log_density(self, x: Tensor) -> Tensor:
        """log N(x; mean, covariance + ridge I)."""
        with full_precision(x):
            white = (widened(x).flatten(1) - self.centre) @ self.whiten.T
            log_scale = self.whiten.diagonal().log().sum() - 0.5 * self.size * LOG_2PI
            return log_scale - 0.5 * white.square().sum(1)


class BoxDensity(Density):
    """Uniform on [low, high] in each coordinate, `widen` times the width beyond on either side; -inf outside.

    Raises `UsageError` unless low < high and widen >= 0.
    """

    def __init__(self, event_shape: tuple[int, ...], low: float, high: float, widen: float = 0.0) -> None:
        super().__init__(event_shape)
        require_not_negative(widen=widen)
        if not -math.inf < low < high < math.inf:
            raise UsageError(f"box is [{low}, {high}]: it needs finite low < high")
        margin = widen * (high - low)
        self.low, self.high = low - margin, high + margin

    def draw(self, n: int, rng: RngLike = None) -> Tensor:
        """Draws from the box."""
        rng = as_generator(rng)
        unit = torch.rand(n, *self.event_shape, generator=rng, device=rng.device)
        return self.low + (self.high - self.low) * unit

    def log_density(self, x: Tensor) -> Tensor:
        """-log of the volume inside, -inf outside; its gradient is 0."""
        flat = widened(x).flatten(1)
        inside = ((flat >= self.low) & (flat <= self.high)).all(1)
        level = -self.size * math.log(self.high - self.low) + 0 * flat[:, 0]
        return torch.where(inside, level, -math.inf)


class FlowDensity(Density):
    """Affine couplings from N(0, I); the only density here with parameters. `config.name` must be "flow".

    Raises `UsageError` for other generators, or events of one number.
    """

    def __init__(self, event_shape: tuple[int, ...], config: GeneratorConfig) -> None:
        super().__init__(event_shape)
        if config.name != "flow":
            raise UsageError(f"a generator '{config.name}' has no density: set its name to flow")
        self.generator = FlowGenerator(self.event_shape, config)

    @torch.no_grad()
    def draw(self, n: int, rng: RngLike = None) -> Tensor:
        """The couplings applied to standard normal latents."""
        rng = as_generator(rng)
        z = torch.randn(n, self.size, generator=rng, device=rng.device)
        return cast(Tensor, self.generator(z))

    def log_density(self, x: Tensor) -> Tensor:
        """The exact log-density, with its graph to the parameters too."""
        return self.generator.log_density(x)

"""Targets with exact answers that only tests need: curved, walled by NaN, and on lattices."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from gibbsian.core.errors import UsageError, require_positive
from gibbsian.core.position import Position
from gibbsian.core.random import RngLike, as_generator
from gibbsian.energies.context import single
from gibbsian.energies.target import LOG_2PI, Target, normal


class Banana(Target):
    """x_1 ~ N(0, scale^2), x_2 | x_1 ~ N(bend (x_1^2 - scale^2), 1): uncorrelated, far from independent.

    E(x) = x_1^2 / (2 scale^2) + (x_2 - bend (x_1^2 - scale^2))^2 / 2. After H. Haario, E. Saksman,
    J. Tamminen, Adaptive proposal distribution for random walk Metropolis algorithm, 1999.
    """

    event = (2,)

    def __init__(self, scale: float = 2.0, bend: float = 0.5, *, dtype: torch.dtype = torch.float32) -> None:
        require_positive(scale=scale)
        self.scale, self.bend, self.dtype = scale, bend, dtype
        self.log_z = LOG_2PI + math.log(scale)
        self.mean = torch.zeros(2, dtype=torch.float64)
        self.var = torch.tensor([scale**2, 1 + 2 * bend**2 * scale**4], dtype=torch.float64)

    def __call__(self, x: Position) -> Tensor:
        first, second = single(x).unbind(1)
        return 0.5 * (first / self.scale).square() + 0.5 * (second - self._ridge(first)).square()

    def draw(self, n: int, rng: RngLike = None) -> Tensor:
        rng = as_generator(rng)
        first, second = normal((n, 2), rng).unbind(1)
        first = self.scale * first
        return torch.stack([first, second + self._ridge(first)], dim=1).to(self.dtype)

    def _ridge(self, first: Tensor) -> Tensor:
        return self.bend * (first.square() - self.scale**2)


class Bounded(Target):
    """E(x) = sum_i x_i^2 / 2 - sqrt(4 - x_i^2) on (-2, 2)^dim, NaN outside: a wall not of +inf.

    A Metropolis kernel must take NaN for a rejection. The density does not vanish at the wall. log Z and
    the variance are by quadrature, exact to about 1e-14; draws by rejection.
    """

    def __init__(self, dim: int = 1, *, dtype: torch.dtype = torch.float32) -> None:
        require_positive(dim=dim)
        self.dtype, self.event = dtype, (dim,)
        mass = _over_bounded(lambda x: np.ones_like(x))
        self.log_z = dim * math.log(mass)
        self.mean = torch.zeros(dim, dtype=torch.float64)
        self.var = torch.full((dim,), _over_bounded(np.square) / mass, dtype=torch.float64)

    def __call__(self, x: Position) -> Tensor:
        x = single(x)
        return (0.5 * x.square() - (4 - x.square()).sqrt()).sum(1)

    def draw(self, n: int, rng: RngLike = None) -> Tensor:
        rng = as_generator(rng)
        kept = torch.empty(0, dtype=torch.float64, device=rng.device)
        while len(kept) < n * self.event[0]:
            point, height = torch.rand((2, 3 * n), generator=rng, dtype=torch.float64, device=rng.device)
            x = 4 * point - 2
            kept = torch.cat([kept, x[height.log() < (4 - x.square()).sqrt() - 0.5 * x.square() - 2]])
        return kept[: n * self.event[0]].reshape(n, *self.event).to(self.dtype)


def _over_bounded(moment: Callable[[np.ndarray], np.ndarray]) -> float:
    """The integral of moment(x) exp(-E(x)) over (-2, 2); x = 2 sin(t) makes the integrand smooth."""
    nodes, weights = np.polynomial.legendre.leggauss(64)
    t = nodes * math.pi / 2
    x, cos = 2 * np.sin(t), np.cos(t)
    return float((weights * moment(x) * np.exp(2 * cos - x**2 / 2) * 2 * cos).sum() * math.pi / 2)


class GaussianField(Target):
    """A smooth Gaussian image `(C, H, W)`: E(x) = mass ||x||^2 / 2 + stiffness ||grad x||^2 / 2.

    grad x holds the differences to the right and lower neighbours, around the edges (a torus), channel by
    channel. The precision is circulant, so with k, l the frequencies its eigenvalues are

        mass + stiffness (2 - 2 cos(2 pi k / H) + 2 - 2 cos(2 pi l / W)),

    whence log Z, the variance (one for all pixels) and draws by FFT. Raises `UsageError` unless `shape`
    has three entries, mass > 0 and stiffness >= 0.
    """

    def __init__(
        self,
        shape: tuple[int, ...] = (1, 8, 8),
        mass: float = 0.5,
        stiffness: float = 1.0,
        *,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        require_positive(mass=mass)
        if len(shape) != 3 or min(shape) < 1 or not 0 <= stiffness < math.inf:
            raise UsageError(f"shape is {shape}, stiffness {stiffness}: give (C, H, W) and 0 or more")
        self.mass, self.stiffness, self.dtype, self.event = mass, stiffness, dtype, tuple(shape)
        channels, height, width = shape
        self.spectrum = mass + stiffness * (_laplacian(height)[:, None] + _laplacian(width)[None, :])
        self.log_z = channels * (0.5 * height * width * LOG_2PI - 0.5 * float(self.spectrum.log().sum()))
        self.mean = torch.zeros(shape, dtype=torch.float64)
        self.var = torch.full(shape, float(self.spectrum.reciprocal().mean()), dtype=torch.float64)

    def __call__(self, x: Position) -> Tensor:
        x = single(x)
        down, right = x - x.roll(-1, dims=2), x - x.roll(-1, dims=3)
        slopes = (down.square() + right.square()).flatten(1).sum(1)
        return 0.5 * self.mass * x.square().flatten(1).sum(1) + 0.5 * self.stiffness * slopes

    def draw(self, n: int, rng: RngLike = None) -> Tensor:
        rng = as_generator(rng)
        noise = torch.fft.fft2(normal((n, *self.event), rng))
        return torch.fft.ifft2(noise / self.spectrum.to(rng.device).sqrt()).real.to(self.dtype)


class Ising(Target):
    """Spins -1, +1 on a `side` x `side` square with free edges, all 2^(side^2) states enumerated.

    E(s) = -coupling sum over neighbours s_i s_j - field sum s_i. On real x the same formula is the
    multilinear extension whose gradient discrete kernels use. log Z is a sum over states, mean and
    variance are of the spins. Raises `UsageError` unless 1 <= side <= 4.
    """

    def __init__(
        self, side: int = 3, coupling: float = 0.3, field: float = 0.0, *, dtype: torch.dtype = torch.float32
    ) -> None:
        if not 1 <= side <= 4:
            raise UsageError(f"side is {side}: enumeration takes 2^(side^2) states, so sides go from 1 to 4")
        self.coupling, self.field, self.dtype, self.event = coupling, field, dtype, (side, side)
        bits = torch.arange(2 ** (side * side))[:, None] >> torch.arange(side * side)
        self.states = (2 * (bits & 1) - 1).to(torch.int8).reshape(-1, side, side)
        spins = self.states.double()
        log_weights = -self(spins)
        self.log_z = float(log_weights.logsumexp(0))
        self.probabilities = (log_weights - self.log_z).exp()
        self.mean = torch.einsum("s,sij->ij", self.probabilities, spins)
        self.var = 1 - self.mean.square()

    def __call__(self, x: Position) -> Tensor:
        x = single(x)
        bonds = (x[:, 1:] * x[:, :-1]).flatten(1).sum(1) + (x[:, :, 1:] * x[:, :, :-1]).flatten(1).sum(1)
        return -self.coupling * bonds - self.field * x.flatten(1).sum(1)

    def draw(self, n: int, rng: RngLike = None) -> Tensor:
        rng = as_generator(rng)
        chosen = torch.multinomial(self.probabilities.to(rng.device), n, replacement=True, generator=rng)
        return self.states.to(rng.device)[chosen].to(self.dtype)


def _laplacian(size: int) -> Tensor:
    """Eigenvalues of the second difference on a ring of `size` points, in FFT order."""
    return 2 - 2 * torch.cos(2 * math.pi * torch.arange(size, dtype=torch.float64) / size)

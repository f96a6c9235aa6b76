"""Targets on lattices with exact answers: an image-shaped Gaussian field, a small Ising model."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..core.errors import UsageError, require_positive
from ..core.position import Position
from ..core.random import RngLike, as_generator
from .context import single
from .target import LOG_2PI, Target, normal


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

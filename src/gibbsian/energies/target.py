"""What a target with exact answers offers, for tests, demonstrations and measures.

    p(x) = exp(-E(x)) / Z on events of shape `event`, with log Z, mean, variance and exact draws known.

Exact answers are kept in float64. An energy is computed in the dtype and on the device of x, draws come
in the target's `dtype`, on the device of the generator; the same generator gives the same draws, rounded.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor

from ..core.errors import UsageError
from ..core.position import Position
from ..core.random import RngLike
from .context import Index

LOG_2PI = math.log(2 * math.pi)


class Target(ABC):
    """An energy `(B, *event) -> (B,)` with exact answers. Final classes set the attributes when built."""

    event: tuple[int, ...]
    """Shape of one event."""
    log_z: float
    """log of the integral (or sum) of exp(-E), in nats."""
    mean: Tensor
    """E[x], shape `event`, float64."""
    var: Tensor
    """Var[x] coordinate by coordinate, shape `event`, float64."""
    dtype: torch.dtype
    """Of the draws."""

    def __repr__(self) -> str:
        return f"{type(self).__name__} target of events {self.event}, log Z = {self.log_z:.4g}"

    @abstractmethod
    def __call__(self, x: Position) -> Tensor:
        """E(x), shape `(B,)`."""

    @abstractmethod
    def draw(self, n: int, rng: RngLike = None) -> Tensor:
        """`n` > 0 independent exact draws, shape `(n, *event)`."""

    def log_density(self, x: Position) -> Tensor:
        """log p(x) = -E(x) - log Z in nats, shape `(B,)`."""
        return -self(x) - self.log_z

    def rows(self, index: Index) -> Target:
        """Itself: no per-chain context."""
        return self


def normal(shape: tuple[int, ...], rng: torch.Generator) -> Tensor:
    """Standard normal float64 draws on the device of `rng`."""
    return torch.randn(shape, generator=rng, dtype=torch.float64, device=rng.device)


def exact(values: object, name: str, dim: int) -> Tensor:
    """`values` as a float64 CPU tensor of `dim` dimensions, else `UsageError`."""
    try:
        tensor = torch.as_tensor(values, dtype=torch.float64, device="cpu")
    except (TypeError, ValueError, RuntimeError) as error:
        raise UsageError(f"{name} is {values!r:.60}: it must be numbers, {error}") from error
    if tensor.dim() != dim:
        raise UsageError(f"{name} has shape {tuple(tensor.shape)}: it must have {dim} dimension(s)")
    return tensor


def cholesky(cov: Tensor, name: str) -> Tensor:
    """Lower factor of one or many covariances `(..., d, d)`, else `UsageError`."""
    if cov.shape[-1] != cov.shape[-2] or not torch.allclose(cov, cov.mT):
        raise UsageError(f"{name} of shape {tuple(cov.shape)} is not symmetric: pass covariances (..., d, d)")
    factor, failed = torch.linalg.cholesky_ex(cov)
    if bool(failed.any()):
        raise UsageError(f"{name} is not positive definite: its smallest eigenvalue must be above zero")
    return factor

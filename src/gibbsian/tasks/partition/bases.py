"""Densities that the path to an energy begins at: one Gaussian, one for each class, independent bits."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from ...core.position import Position
from ...energies.context import Index, single
from ...energies.target import LOG_2PI, normal

WIDER = 1.1
"""The fitted Gaussian's standard deviations, over the particles': weights of narrow ones vary most."""
FULL = 200
"""Dimensions up to which covariances are fitted to particles, and not variances alone."""
RIDGE = 1e-3
"""Added to covariances of data, of their mean variance: pixels may never change."""


class Base(Protocol):
    """A normalised density, as its -log, that can be drawn from."""

    def __call__(self, x: Position) -> Tensor:
        """-log q(x), `(B,)`."""

    def rows(self, index: Index) -> Base:
        """Itself: no context of single chains."""

    def draw(self, n: int, rng: torch.Generator, dtype: torch.dtype) -> Tensor:
        """Draws `(n, *event)`."""


@dataclass(frozen=True, eq=False)
class Normal:
    """A normal density on events of any shape: mean `(d,)`, and a factor L of its covariance, float64."""

    shape: tuple[int, ...]
    mean: Tensor
    factor: Tensor
    whiten: Tensor = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "whiten", torch.linalg.inv(self.factor))

    def __call__(self, x: Position) -> Tensor:
        x = single(x)
        z = (x.flatten(1) - self.mean.to(x)) @ self.whiten.to(x).T
        return 0.5 * z.square().sum(1) + float(
            self.factor.diagonal().log().sum() + len(self.mean) * LOG_2PI / 2
        )

    def rows(self, index: Index) -> Normal:
        """Itself."""
        return self

    def draw(self, n: int, rng: torch.Generator, dtype: torch.dtype) -> Tensor:
        """Draws `(n, *event)`."""
        z = normal((n, len(self.mean)), rng)
        return (self.mean.to(z) + z @ self.factor.to(z).T).to(dtype).reshape(n, *self.shape)


@dataclass(frozen=True, eq=False)
class Normals:
    """A mixture of normal densities with shares `(K,)`, float64."""

    shares: Tensor
    parts: tuple[Normal, ...]

    def __call__(self, x: Position) -> Tensor:
        each = [math.log(w) - part(x) for w, part in zip(self.shares.tolist(), self.parts, strict=True)]
        return -torch.stack(each).logsumexp(0)

    def rows(self, index: Index) -> Normals:
        """Itself."""
        return self

    def draw(self, n: int, rng: torch.Generator, dtype: torch.dtype) -> Tensor:
        """Draws `(n, *event)`, in the order of the parts."""
        shares = self.shares.to(rng.device)
        counts = torch.multinomial(shares, n, replacement=True, generator=rng).bincount(minlength=len(shares))
        drawn = [
            part.draw(int(k), rng, dtype) for part, k in zip(self.parts, counts.tolist(), strict=True) if k
        ]
        return torch.cat(drawn)


@dataclass(frozen=True, eq=False)
class Bits:
    """Independent coordinates that are `low` or `high`, the latter with probabilities `(d,)` in (0, 1)."""

    shape: tuple[int, ...]
    chances: Tensor
    low: float
    high: float

    def __call__(self, x: Position) -> Tensor:
        x = single(x)
        up = (x.flatten(1) - self.low) / (self.high - self.low)
        p = self.chances.to(x)
        return -(up * p.log() + (1 - up) * (-p).log1p()).sum(1)

    def rows(self, index: Index) -> Bits:
        """Itself."""
        return self

    def draw(self, n: int, rng: torch.Generator, dtype: torch.dtype) -> Tensor:
        """Draws `(n, *event)`."""
        u = torch.rand(n, len(self.chances), generator=rng, device=rng.device, dtype=torch.float64)
        up = (u < self.chances.to(u)).to(dtype)
        return (self.low + (self.high - self.low) * up).reshape(n, *self.shape)


def fitted_normal(x: Tensor, shape: tuple[int, ...]) -> Normal:
    """A Gaussian of the moments of particles, a little wider; of variances alone in many dimensions."""
    rows = x.flatten(1).double().cpu()
    mean, size = rows.mean(0), rows.shape[1]
    if size <= FULL and len(rows) >= 10 * size:
        cov = torch.cov(rows.T).reshape(size, size)
        cov = cov + 1e-6 * cov.diagonal().mean() * torch.eye(size, dtype=cov.dtype)
    else:
        cov = rows.var(0).clamp_min(1e-12).diag()
    return Normal(shape, mean, WIDER * torch.linalg.cholesky(cov))


def fitted_normals(
    x: Tensor, labels: Tensor | None, shape: tuple[int, ...], *, wider: float = WIDER
) -> Normals:
    """A Gaussian for each class of data `(N, *event)` with labels `(N,)`, or one for all, made `wider`.

    Covariances S of few rows are drawn to their diagonals, (1 - a) S + a diag S, a = d / (d + n).
    """
    y = torch.zeros(len(x), dtype=torch.long) if labels is None else labels.cpu()
    rows, classes = x.flatten(1).double().cpu(), [c for c in y.unique() if int((y == c).sum()) > 1]
    parts = tuple(_shrunk(rows[y == c], shape, wider) for c in classes)
    counts = torch.stack([(y == c).sum() for c in classes]).double()
    return Normals(counts / counts.sum(), parts)


def fitted_bits(x: Tensor, shape: tuple[int, ...], low: float, high: float) -> Bits:
    """Independent bits with the means of particles, drawn a little to 1/2."""
    up = ((x.flatten(1).double().cpu() - low) / (high - low)).sum(0)
    return Bits(shape, (up + 1) / (len(x) + 2), low, high)


def _shrunk(rows: Tensor, shape: tuple[int, ...], wider: float) -> Normal:
    n, size = rows.shape
    cov = torch.cov(rows.T).reshape(size, size)
    share, variances = size / (size + n), cov.diagonal()
    ridge = RIDGE * variances.mean().clamp_min(1e-12)
    cov = (1 - share) * cov + (share * variances + ridge).diag()
    return Normal(shape, rows.mean(0), wider * torch.linalg.cholesky(cov))

"""The Gaussian of the data with noise on them, N(mean, C + sigma^2 I): a normalised energy at every level.

C is the covariance along the K leading principal axes, and one variance along all others (M. Tipping,
C. Bishop, "Probabilistic principal component analysis", 1999); with K = D it is that of the data. Noise of
deviation sigma leaves the axes as they are, so that a density and a draw cost two products with the axes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..core.errors import UsageError
from ..core.random import RngLike, as_generator, seeded_init

LOG_2PI = math.log(2 * math.pi)
LEAST = 1e-6
"""The least variance, as a share of the largest: data may not vary along some axes."""
EXACT = 4096
"""Coordinates up to which all principal axes are found, by the eigenvectors of the covariance."""


class NoisedGaussian(nn.Module):
    """N(mean, C + sigma^2 I) of events of `size` D coordinates, flattened, with `axes` K <= D of its own.

    Until `fit`, mean 0 and C = I. Buffers: `mean` (D,), `variances` (K,) falling, `axes` (D, K), `rest` (),
    the variance along the other D - K directions. Raises `UsageError` for an impossible K.
    """

    def __init__(self, size: int, axes: int | None = None) -> None:
        super().__init__()
        count = size if axes is None else axes
        if not 1 <= count <= size:
            raise UsageError(
                f"base of {count} principal axes for data of {size} coordinates: give 1 to {size}"
            )
        self.mean: Tensor
        self.variances: Tensor
        self.axes: Tensor
        self.rest: Tensor
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("variances", torch.ones(count))
        self.register_buffer("axes", torch.eye(size, count))
        self.register_buffer("rest", torch.ones(()))

    @property
    def size(self) -> int:
        """D."""
        return len(self.mean)

    @torch.no_grad()
    def fit(self, x: Tensor) -> None:
        """Take mean, axes and variances from data `(N, *event)`.

        Raises `UsageError` for fewer than 2 rows.
        """
        if len(x) < 2:
            raise UsageError(f"a Gaussian of {len(x)} rows: give it at least 2")
        points = x.flatten(1).double()
        mean, count = points.mean(0), len(self.variances)
        points = points - mean
        if self.size <= EXACT:
            values, vectors = torch.linalg.eigh(points.T @ points / (len(points) - 1))
            values, vectors = values.flip(0)[:count], vectors.flip(1)[:, :count]
        else:
            with seeded_init(0):  # the method begins at random directions
                _, roots, vectors = torch.svd_lowrank(points, q=min(count, *points.shape), niter=4)
            values = roots.square() / (len(points) - 1)
        kept = torch.zeros(count).to(values)
        kept[: len(values)] = values
        least = LEAST * float(values.max().clamp(min=1e-12))
        others = (points.square().sum() / (len(points) - 1) - kept.sum()) / max(self.size - count, 1)
        self.mean.copy_(mean)
        self.variances.copy_(kept.clamp(min=least))
        self.axes[:, : vectors.shape[1]] = vectors.to(self.axes)
        self.rest.copy_(others.clamp(min=least))

    def coordinates(self, x: Tensor) -> Tensor:
        """x - mean along the axes, `(B, K)`."""
        return (x.flatten(1) - self.mean) @ self.axes

    def neg_log_density(self, x: Tensor, sigma: Tensor) -> Tensor:
        """-log N(x; mean, C + sigma^2 I) in nats, `(B,)`, at `x` `(B, *event)`, levels `(B,)` or `(1,)`."""
        noise = sigma.square()
        return self.neg_log_normal(
            x.flatten(1) - self.mean, self.variances + noise[:, None], self.rest + noise
        )

    def neg_log_normal(self, centred: Tensor, variances: Tensor, rest: Tensor) -> Tensor:
        """-log of a normal density about 0: `variances` along the axes, `rest` beside, `(B,)`."""
        along, others = centred @ self.axes, self.size - len(self.variances)
        square = (along.square() / variances).sum(1)
        log_volume = variances.log().sum(-1)
        if others:
            off = (centred.square().sum(1) - along.square().sum(1)).clamp(min=0)
            square = square + off / rest
            log_volume = log_volume + others * rest.log()
        return 0.5 * (square + log_volume + self.size * LOG_2PI)

    def draw(self, n: int, sigma: float, rng: RngLike = None) -> Tensor:
        """`n` draws `(n, D)`."""
        rng = as_generator(rng)
        white = torch.randn(n, self.size, generator=rng, device=rng.device)
        roots = (self.variances + sigma**2).sqrt(), (self.rest + sigma**2).sqrt()
        return self.mean + self.scaled(white, *roots)

    def signal(self, x: Tensor, sigma: Tensor) -> Tensor:
        """(C / (C + sigma^2))^(1/2) (x - mean), `(B, D)`: of covariance C whatever the level."""
        noise = sigma.square()[:, None]
        kept = (self.variances / (self.variances + noise)).sqrt()
        return self.scaled(x.flatten(1) - self.mean, kept, (self.rest / (self.rest + noise)).sqrt())

    def doubt(self, sigma: float) -> float:
        """Mean over axes of C / (C + sigma^2): what noise `sigma` leaves unknown, over its variance."""
        others = self.size - len(self.variances)
        kept = (self.variances / (self.variances + sigma**2)).sum()
        return float(kept + others * self.rest / (self.rest + sigma**2)) / self.size

    def reverse(self, sigma: float | Tensor, to: float | Tensor, share: float | Tensor = 1.0) -> Reverse:
        """What data with noise `to` < `sigma` are around their mean given data with noise `sigma`.

        `share`: how much of this Gaussian's doubt about clean data there is; 1 if it is their density, 0 if
        they are known. All are numbers, or `(B,)` with one for each row.
        """
        levels = [torch.as_tensor(v).to(self.mean) for v in (sigma, to, share)]
        along = _left(self.variances, *(v[..., None] for v in levels))
        return Reverse(self, along, _left(self.rest, *levels))

    def scaled(self, centred: Tensor, along: Tensor, off: Tensor) -> Tensor:
        """`centred` `(B, D)` times a factor for each axis, `(K,)` or `(B, K)`, and `off` for the rest."""
        return off * centred + ((centred @ self.axes) * (along - off)) @ self.axes.T


@dataclass(frozen=True, eq=False)
class Reverse:
    """N(0, V) along the axes of `base`, V `variances` `(K,)` or `(B, K)` and `rest` `()` or `(B,)` beside."""

    base: NoisedGaussian
    variances: Tensor
    rest: Tensor

    def draw(self, n: int, rng: torch.Generator) -> Tensor:
        """`n` draws `(n, D)`."""
        white = torch.randn(n, self.base.size, generator=rng, device=rng.device)
        return self.base.scaled(white, self.variances.sqrt(), self.rest.sqrt())

    def neg_log_density(self, z: Tensor) -> Tensor:
        """-log of the density in nats, `(B,)`, at `z` `(B, *event)`."""
        return self.base.neg_log_normal(z.flatten(1), self.variances, self.rest)


def _left(variances: Tensor, sigma: Tensor, to: Tensor, share: Tensor) -> Tensor:
    """Variances of noise `to` given noise `sigma`, with a share of the doubt of N(0, `variances`) left."""
    added = sigma**2 - to**2
    doubt = share * variances / (variances + sigma**2)
    return added / sigma**2 * (to**2 + added * doubt)

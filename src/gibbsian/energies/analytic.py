"""Continuous targets on vectors with exact log Z, moments and draws.

`Gaussian` and `GaussianMixture` (several modes, unequal weights), `Funnel` (many scales), `Skewed`
(asymmetric: a symmetric target hides sign errors).
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from ..core.errors import UsageError, require_positive
from ..core.position import Position
from ..core.random import RngLike, as_generator
from .context import above_zero, single
from .target import LOG_2PI, Target, cholesky, exact, normal


class Gaussian(Target):
    """N(mean `(d,)`, cov `(d, d)`), E(x) = (x - mean)^T cov^-1 (x - mean) / 2, not normalised.

    Raises `UsageError` unless cov is symmetric positive definite.
    """

    def __init__(self, mean: object, cov: object, *, dtype: torch.dtype = torch.float32) -> None:
        self.mean, self.cov, self.dtype = exact(mean, "mean", 1), exact(cov, "cov", 2), dtype
        self.event, self.var = tuple(self.mean.shape), self.cov.diagonal()
        if self.cov.shape != (*self.event, *self.event):
            sizes = f"mean has {len(self.mean)} entries, cov is {tuple(self.cov.shape)}"
            raise UsageError(f"{sizes}: give (d,) and (d, d)")
        self._factor = cholesky(self.cov, "cov")
        self._whiten = torch.linalg.inv(self._factor)
        self.log_z = 0.5 * len(self.mean) * LOG_2PI + float(self._factor.diagonal().log().sum())

    def __call__(self, x: Position) -> Tensor:
        x = single(x)
        return 0.5 * ((x - self.mean.to(x)) @ self._whiten.to(x).T).square().sum(1)

    def draw(self, n: int, rng: RngLike = None) -> Tensor:
        rng = as_generator(rng)
        noise = normal((n, *self.event), rng)
        return (self.mean.to(noise) + noise @ self._factor.to(noise).T).to(self.dtype)


class GaussianMixture(Target):
    """sum_i w_i N(means_i, covs_i), E = -log of it, so log Z = 0.

    `weights` `(K,)` positive (normalised here), `means` `(K, d)`, and either `covs` `(K, d, d)` or `std`,
    one number or `(K,)`. Raises `UsageError` when both or neither are given, or when sizes differ.
    """

    log_z = 0.0

    def __init__(
        self,
        weights: object,
        means: object,
        covs: object | None = None,
        *,
        std: object | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.weights, self.means, self.dtype = exact(weights, "weights", 1), exact(means, "means", 2), dtype
        above_zero("weights", self.weights)
        self.weights = self.weights / self.weights.sum()
        self.covs = _covariances(len(self.means), self.means.shape[1], covs, std)
        if len(self.weights) != len(self.means):
            raise UsageError(f"{len(self.weights)} weights for {len(self.means)} means: give one each")
        self._factor = cholesky(self.covs, "covs")
        self._whiten = torch.linalg.inv(self._factor)
        self.event = (self.means.shape[1],)
        self.mean = self.weights @ self.means
        spread = self.means - self.mean
        about_mean = self.covs + spread[:, :, None] * spread[:, None, :]
        self.cov = torch.einsum("k,kij->ij", self.weights, about_mean)
        self.var = self.cov.diagonal()

    def __call__(self, x: Position) -> Tensor:
        return -torch.logsumexp(self.log_joint(x), dim=1)

    def log_joint(self, x: Position) -> Tensor:
        """log w_k + log N(x; means_k, covs_k), shape `(B, K)`; its softmax are the responsibilities."""
        x = single(x)
        white = torch.einsum("kij,bkj->bki", self._whiten.to(x), x[:, None] - self.means.to(x))
        shift = self.weights.log() - self._factor.diagonal(dim1=1, dim2=2).log().sum(1)
        return shift.to(x) - 0.5 * white.square().sum(2) - 0.5 * self.event[0] * LOG_2PI

    def draw(self, n: int, rng: RngLike = None) -> Tensor:
        rng = as_generator(rng)
        noise = normal((n, *self.event), rng)
        k = torch.multinomial(self.weights.to(noise), n, replacement=True, generator=rng)
        moved = torch.einsum("nij,nj->ni", self._factor.to(noise)[k], noise)
        return (self.means.to(noise)[k] + moved).to(self.dtype)


class Funnel(Target):
    """v = x_1 ~ N(0, scale^2), x_2..x_d | v ~ N(0, e^v): R. Neal, Slice sampling, 2003, section 8.

    E(x) = v^2 / (2 scale^2) + sum_i x_i^2 e^-v / 2 + (d - 1) v / 2. Raises `UsageError` unless dim >= 2.
    """

    def __init__(self, dim: int = 10, scale: float = 3.0, *, dtype: torch.dtype = torch.float32) -> None:
        require_positive(scale=scale)
        if dim < 2:
            raise UsageError(f"dim is {dim}: a funnel needs its neck and one more coordinate, 2 or more")
        self.scale, self.dtype, self.event = scale, dtype, (dim,)
        self.log_z = 0.5 * dim * LOG_2PI + math.log(scale)
        self.mean = torch.zeros(dim, dtype=torch.float64)
        self.var = torch.tensor([scale**2] + [math.exp(scale**2 / 2)] * (dim - 1), dtype=torch.float64)

    def __call__(self, x: Position) -> Tensor:
        x = single(x)
        neck, rest = x[:, 0], x[:, 1:]
        width = 0.5 * rest.square().sum(1) * torch.exp(-neck)
        return 0.5 * (neck / self.scale).square() + width + 0.5 * rest.shape[1] * neck

    def draw(self, n: int, rng: RngLike = None) -> Tensor:
        rng = as_generator(rng)
        noise = normal((n, *self.event), rng)
        neck = self.scale * noise[:, :1]
        return torch.cat([neck, noise[:, 1:] * torch.exp(neck / 2)], dim=1).to(self.dtype)


class Skewed(Target):
    """E(x) = sum_i exp(x_i) - a_i x_i: x_i is the log of a Gamma(a_i, 1) variable, smooth and asymmetric.

    `shape` holds the a_i > 0, one number a coordinate. log Z = sum lgamma(a_i), mean digamma(a_i),
    variance trigamma(a_i).
    """

    def __init__(self, shape: object = (2.0, 0.7), *, dtype: torch.dtype = torch.float32) -> None:
        self.shape, self.dtype = exact(shape, "shape", 1), dtype
        above_zero("shape", self.shape)
        self.event = tuple(self.shape.shape)
        self.log_z = float(torch.lgamma(self.shape).sum())
        self.mean, self.var = torch.digamma(self.shape), torch.polygamma(1, self.shape)

    def __call__(self, x: Position) -> Tensor:
        x = single(x)
        return (x.exp() - self.shape.to(x) * x).sum(1)

    def draw(self, n: int, rng: RngLike = None) -> Tensor:
        rng = as_generator(rng)
        # torch draws Gamma variables from its global stream only.
        seed = int(torch.randint(2**62, (), generator=rng, device=rng.device))
        gammas = np.random.default_rng(seed).standard_gamma(self.shape.numpy(), size=(n, *self.event))
        return torch.from_numpy(np.log(gammas)).to(rng.device, self.dtype)


def _covariances(size: int, dim: int, covs: object | None, std: object | None) -> Tensor:
    """Covariances `(size, dim, dim)` from themselves, or from one deviation or `size` of them."""
    if (covs is None) == (std is None):
        raise UsageError("a mixture takes covs or std: give exactly one of them")
    if covs is None:
        deviations = torch.as_tensor(std, dtype=torch.float64).reshape(-1, 1, 1)
        above_zero("std", deviations)
        out = deviations.square() * torch.eye(dim, dtype=torch.float64)
        out = out.expand(size, dim, dim) if len(out) == 1 else out
    else:
        out = exact(covs, "covs", 3)
    if out.shape != (size, dim, dim):
        raise UsageError(f"covs has shape {tuple(out.shape)} for {size} means of {dim}: sizes differ")
    return out

"""Energies whose latent variable is integrated out exactly, because its prior is conjugate.

    p(x, z)  ~  exp <t(x), eta(z)> p(z),    eta(z) = (z, z^2),    t(x) = (t1, -t2^2)

With a Gaussian prior of natural parameters lambda both the energy of x alone and the posterior of z are
closed forms, and so they are with K such Gaussians in equal parts:

    E(x)      = A(lambda) - A(lambda + t(x))                                       Gaussian
    E(x)      = -logsumexp_k [A(lambda_k + t(x)) - A(lambda_k)] + log K            mixture
    p(z | x)  = sum_k r_k(x) N(z; lambda_k + t(x)),   r = softmax_k [A(lambda_k + t(x)) - A(lambda_k)]
    E(x | z)  = -<t(x), eta(z)>    up to log Z(z), which does not depend on x

A(n) = -n1^2 / (4 n2) - log(-2 n2) / 2, summed over the L independent coordinates, is the log-normaliser under
the base measure dz / sqrt(2 pi). All of it holds at temperature 1 and for any network t.

Source: H. Wu, B. Esmaeili, M. Wick, J.-B. Tristan, J.-W. van de Meent, ICML 2021, arXiv 2106.13798.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn

from ..core.errors import UsageError, require_positive, unknown
from ..core.position import Position
from .context import single

Point: TypeAlias = Literal["component", "mean"]
MARGIN = 1e-6


@dataclass(frozen=True)
class Natural:
    """Natural parameters of L independent Gaussians, `first` and `second` `(..., L)`, `second` below 0."""

    first: Tensor
    second: Tensor

    def __add__(self, other: Natural) -> Natural:
        return Natural(self.first + other.first, self.second + other.second)

    def __getitem__(self, index: int | slice | tuple[int | slice | None, ...]) -> Natural:
        return Natural(self.first[index], self.second[index])

    @property
    def mean(self) -> Tensor:
        """-n1 / (2 n2), shape `(..., L)`."""
        return -self.first / (2 * self.second)

    @property
    def variance(self) -> Tensor:
        """-1 / (2 n2), shape `(..., L)`."""
        return -1 / (2 * self.second)

    def log_normaliser(self) -> Tensor:
        """A(n), shape `(...)`."""
        return (-self.first.square() / (4 * self.second) - 0.5 * torch.log(-2 * self.second)).sum(-1)


def sufficient(raw: Tensor) -> Natural:
    """t(x) from the outputs `(B, 2 L)` of a network: the first half, and minus the square of the second.

    MARGIN keeps the second part below 0, so that exp <t, eta(z)> alone is a Gaussian in z, however wide.
    Raises `UsageError` for an odd number of outputs.
    """
    if raw.dim() != 2 or raw.shape[1] % 2:
        raise UsageError(f"statistics have shape {tuple(raw.shape)}: give (B, 2 L), two numbers a latent")
    first, second = raw.chunk(2, dim=1)
    return Natural(first, -second.square() - MARGIN)


def conditional_energy(statistics: Natural, z: Tensor) -> Tensor:
    """E(x | z) = -<t(x), eta(z)> for t of `(B, L)` and z `(B, L)`, or `(L,)` shared by all; shape `(B,)`.

    Chains descend this energy, so they climb the log-factor; the released code of the paper descends it.
    Raises `UsageError` unless z fits.
    """
    shape = tuple(statistics.first.shape)
    if tuple(z.shape) not in (shape, shape[1:], (1, *shape[1:])):
        raise UsageError(f"z has shape {tuple(z.shape)} beside statistics of shape {shape}: give one each")
    return -(statistics.first * z + statistics.second * z.square()).sum(1)


@dataclass(frozen=True)
class Posterior:
    """p(z | x) of B points: Gaussians `components` `(B, K, L)` with `responsibilities` `(B, K)`.

    A Gaussian prior has K = 1.
    """

    components: Natural
    responsibilities: Tensor

    @property
    def mean(self) -> Tensor:
        """E[z | x], shape `(B, L)`."""
        return (self.responsibilities[..., None] * self.components.mean).sum(1)

    @property
    def variance(self) -> Tensor:
        """Var[z | x] of each coordinate, shape `(B, L)`: within components and between them."""
        about = self.components.variance + (self.components.mean - self.mean[:, None]).square()
        return (self.responsibilities[..., None] * about).sum(1)

    @property
    def component(self) -> Tensor:
        """The likeliest component of each point, shape `(B,)`, int64."""
        return self.responsibilities.argmax(1)

    @property
    def natural(self) -> Natural:
        """Natural parameters `(B, L)` of the likeliest component: of the posterior itself if K = 1."""
        rows = torch.arange(len(self.component), device=self.component.device)
        return Natural(
            self.components.first[rows, self.component], self.components.second[rows, self.component]
        )

    def point(self, kind: Point = "component") -> Tensor:
        """One latent a point, `(B, L)`: the mean of the likeliest component (as in the paper), or of all."""
        if kind not in ("component", "mean"):
            raise unknown("point latent", kind, ("component", "mean"))
        return self.natural.mean if kind == "component" else self.mean

    def draw(self, rng: torch.Generator) -> Tensor:
        """One draw of z for each point, shape `(B, L)`."""
        k = torch.multinomial(self.responsibilities, 1, generator=rng)[:, 0]
        rows = torch.arange(len(k), device=k.device)
        mean, variance = self.components.mean[rows, k], self.components.variance[rows, k]
        noise = torch.randn(mean.shape, generator=rng, device=mean.device, dtype=mean.dtype)
        return mean + variance.sqrt() * noise


class Prior(nn.Module):
    """K Gaussians in equal parts with `means` `(K, L)`; variances start at 1.

    With `learn` means and log-variances are parameters, else both stand. `GaussianPrior` and `MixturePrior`
    below say where the means begin.
    """

    means: Tensor
    log_variances: Tensor

    def __init__(self, means: Tensor, learn: bool = False) -> None:
        super().__init__()
        values = {"means": means, "log_variances": torch.zeros_like(means)}
        for name, value in values.items():
            if learn:
                self.register_parameter(name, nn.Parameter(value))
            else:
                self.register_buffer(name, value)

    @property
    def components(self) -> int:
        """K."""
        return self.means.shape[0]

    def natural(self) -> Natural:
        """lambda, `(K, L)`."""
        precision = (-self.log_variances).exp()
        return Natural(self.means * precision, -0.5 * precision)

    def evidence(self, statistics: Natural) -> Tensor:
        """A(lambda_k + t) - A(lambda_k), shape `(B, K)`, for statistics t of `(B, L)`."""
        prior = self.natural()
        return (prior + statistics[:, None]).log_normaliser() - prior.log_normaliser()

    def energy(self, statistics: Natural) -> Tensor:
        """E = -log int exp <t, eta(z)> p(z) dz, shape `(B,)`."""
        evidence = self.evidence(statistics)
        if self.components == 1:
            return -evidence[:, 0]
        return math.log(self.components) - evidence.logsumexp(1)

    def posterior(self, statistics: Natural) -> Posterior:
        """p(z | x) for statistics t(x) of `(B, L)`."""
        return Posterior(self.natural() + statistics[:, None], self.evidence(statistics).softmax(1))

    def draw(self, n: int, rng: torch.Generator) -> Tensor:
        """`n` draws of z from the prior, shape `(n, L)`."""
        k = torch.randint(self.components, (n,), generator=rng, device=rng.device)
        noise = torch.randn((n, self.means.shape[1]), generator=rng, device=rng.device)
        return self.means[k] + (0.5 * self.log_variances[k]).exp() * noise.to(self.means)


class GaussianPrior(Prior):
    """N(0, I) on `latent` coordinates, where it stays unless `learn`."""

    def __init__(self, latent: int, *, learn: bool = False) -> None:
        require_positive(latent=latent)
        super().__init__(torch.zeros(1, latent), learn)


class MixturePrior(Prior):
    """`components` Gaussians of unit variance in equal parts, their means drawn from N(0, I) by `rng`.

    They stay there unless `learn`.
    """

    def __init__(
        self, latent: int, components: int = 20, *, rng: torch.Generator, learn: bool = False
    ) -> None:
        require_positive(latent=latent, components=components)
        super().__init__(torch.randn(components, latent, generator=rng, device=rng.device), learn)


class Conjugate(nn.Module):
    """E(x), p(z | x) and E(x | z) from a network of statistics, `(B, *event)` to `(B, 2 L)`, and a prior.

    Called with x alone it is the marginal energy of `prior`; see the head of this file.
    """

    def __init__(self, net: nn.Module, prior: Prior) -> None:
        super().__init__()
        self.net, self.prior = net, prior

    def statistics(self, x: Position) -> Natural:
        """t(x), natural parameters of shape `(B, L)`."""
        return sufficient(self.net(single(x)))

    def forward(self, x: Position) -> Tensor:
        return self.prior.energy(self.statistics(x))

    def posterior(self, x: Tensor) -> Posterior:
        """p(z | x), exact."""
        return self.prior.posterior(self.statistics(x))

    def conditional(self, x: Position, z: Tensor) -> Tensor:
        """E(x | z) = -<t(x), eta(z)>, shape `(B,)`, up to log Z(z)."""
        return conditional_energy(self.statistics(x), z)

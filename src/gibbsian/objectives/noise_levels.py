"""Learning energies U(x, sigma) of noised data that are normalised: losses, each blind to something.

    denoising        mean (eps - sigma grad U)^2: the slope in x; blind to a function of sigma, and all but
                     blind to the weights of modes that are apart
    time score       (sigma dU/dsigma + |eps|^2 - d)^2 / 4d: the slope in sigma; blind to a function of x
    classification   which of two levels has this noise? Differences of levels at one x; blind to the same
    balance          log of p(x, sigma) q(x' | x) / p(x', sigma') r(x | x'): noise put on and taken off

at x = x_0 + sigma eps with d coordinates, the last one at any x, also where no data are. The first is
P. Vincent, 2011, weighted as by T. Karras et al., 2022, arXiv 2206.00364; the second F. Guth,
Z. Kadkhodaie, E. Simoncelli, "Learning normalized image densities via dual score matching", 2025, with
t = sigma^2, so that t dU/dt = sigma dU/dsigma / 2, here as a mean square in units of its own deviation; the
third R. OuYang, L. Grenioux, J. M. Hernandez-Lobato, 2026, arXiv 2601.21025, with pairs of levels; the last
the detailed balance of Y. Bengio et al., 2023 (JMLR 24), with q and r of `mcmc.noise_moves`. All have the
true -log p(x, sigma) among their minima; where U is normalised at the top, the first three leave no other
where data are, and the last none anywhere.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor

from ..core.energy import value_and_grad
from ..core.position import expand

LevelEnergy = Callable[[Tensor, Tensor], Tensor]
"""U(x, sigma) `(B,)` of `x` `(B, *event)` and levels `(B,)`."""


def slopes(energy: LevelEnergy, x: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """U `(B,)`, its gradient by `x` `(B, *event)` and by `sigma` `(B,)`, with their graphs."""
    value, grad = value_and_grad(lambda at: energy(*at), (x, sigma), differentiable=True)
    by_x, by_sigma = cast(tuple[Tensor, Tensor], grad)
    return value, by_x, by_sigma


def denoising_error(by_x: Tensor, eps: Tensor, sigma: Tensor, spread: float | Tensor) -> Tensor:
    """Mean over coordinates of (eps - sigma grad U)^2 (1 + sigma^2 / spread^2), `(B,)`.

    The factor makes an error count alike at all levels, for data of deviation `spread` > 0.
    """
    error = (eps - expand(sigma, eps) * by_x).flatten(1).square().mean(1)
    return error * (1 + (sigma / spread).square())


def time_score_error(by_sigma: Tensor, eps: Tensor, sigma: Tensor) -> Tensor:
    """((sigma dU/dsigma + |eps|^2 - d) / 2)^2 / d, `(B,)`, 1/2 on average where U does not change with
    sigma."""
    noise = eps.flatten(1)
    return (sigma * by_sigma + noise.square().sum(1) - noise.shape[1]).square() / (4 * noise.shape[1])


def classification_error(own: Tensor, other: Tensor) -> Tensor:
    """-log of the chance that a row is of its own level and not of the other, `(B,)`, where U at these levels
    is `own` and `other` `(B,)` and both are as likely beforehand: log 2 where nothing is known."""
    return F.softplus(own - other)


def balance_error(own: Tensor, other: Tensor, log_ratio: Tensor, gap: Tensor, size: int) -> Tensor:
    """Huber's loss of (U(x, sigma) - U(x', sigma') + log r - log q) / (gap 2 root d), `(B,)`.

    `own`, `other`: U at the less and the more noisy end; `log_ratio`: log r(x | x') - log q(x' | x); `gap`:
    of the logarithms of their levels; all `(B,)`; `size`: d coordinates. So it is in the units of
    `time_score_error`, to which it tends at data; quadratic up to three deviations.
    """
    error = (own - other + log_ratio) / (2 * size**0.5 * gap)
    return 2 * F.huber_loss(error, torch.zeros_like(error), reduction="none", delta=1.5)


def neighbours(sigma: Tensor, apart: float, size: int, rng: torch.Generator) -> Tensor:
    """Another level for each of `sigma` `(B,)`, log-normal around it with a deviation of `apart` / root d.

    Data of d = `size` coordinates tell levels by about root(2 d) of the difference of their logarithms, so
    that with `apart` about 1 a row is neither plainly of the one level nor equally of both.
    """
    step = torch.randn(sigma.shape, generator=rng, device=sigma.device, dtype=sigma.dtype)
    return sigma * (apart / size**0.5 * step).exp()

"""The entropy of a generator with Gaussian noise: its gradient, though its density is unknown.

    x = g(z) + sigma eps,   z ~ N(0, I),  eps ~ N(0, I),        q(x) = mean over z of N(x; g(z), sigma^2 I)

    grad_x log q(x)  =  E_{q(z | x)} [(g(z) - x) / sigma^2]                            (the score identity)
    grad H(q)        =  -E [grad_x log q(x) . dx]          dx through g and sigma, the score held constant

The posterior q(z | x) is reached by importance weights from z' ~ N(z, spread^2) around the z that made x,
itself an exact draw of it: w_i ~ q(x, z'_i) / N(z'_i; z, spread^2), made to sum to 1; their bias falls as one
over the particles. VERA's spread is a `width` `(latent,)` learnt by the evidence bound of log q(x) with
N(z, width^2) for the posterior. That is the posterior's own width, but two draws of it lie sqrt(2) times as
far apart, so that sqrt(2) width is the better spread: for g(z) = W z with one latent, |W| = .85, sigma = .5
and 20 particles the gradient by W is 21 % too small at `width` and 6 % at sqrt(2) width.

z itself must not be among the particles, good draw though it is: dx depends on z too, and a score that leans
on the same z is wrong together with it (with z alone, the gradient by W would be 0).

`generator` takes z `(B, latent)` to g(z) `(B, *event)` row by row: batch normalisation would tie the rows.

Sources: W. Grathwohl et al., "No MCMC for me", ICLR 2021, arXiv 2010.04230 (VERA: the estimate, the bound);
A. Dieng et al., "Prescribed GANs", 2019, arXiv 1910.04302 (the identity).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor

from ..core.errors import UsageError
from ..core.position import dot
from ..core.records import Loss

Generator: TypeAlias = Callable[[Tensor], Tensor]


class Score(NamedTuple):
    """grad_x log q(x) `(B, *event)`, and the effective number of particles behind it, `(B,)`, 1 to all."""

    value: Tensor
    effective: Tensor


@torch.no_grad()
def score(
    generator: Generator,
    x: Tensor,
    z: Tensor,
    sigma: float,
    spread: Tensor,
    rng: torch.Generator,
    *,
    particles: int = 20,
) -> Score:
    """grad_x log q(x) at x `(B, *event)` made from z `(B, latent)`, by `particles` latents each; no graph.

    `sigma` > 0 is the generator's noise, `spread` `(latent,)` > 0 that of the particles. Raises `UsageError`
    for fewer than 2 of them.
    """
    if particles < 2:
        raise UsageError(f"particles is {particles}: weights that sum to 1 need 2 or more; VERA takes 20")
    eps = torch.randn(particles, *z.shape, generator=rng, device=z.device, dtype=z.dtype)
    near = z + spread * eps
    pull = generator(near.flatten(0, 1)).unflatten(0, near.shape[:2]) - x
    log_joint = -pull.square().flatten(2).sum(2) / (2 * sigma**2) - near.square().sum(2) / 2
    weight = (log_joint + eps.square().sum(2) / 2).softmax(0)
    mean = torch.einsum("sb,sb...->b...", weight, pull)
    return Score(mean / sigma**2, 1 / weight.square().sum(0))


def entropy_slope(x: Tensor, found: Tensor) -> Tensor:
    """-mean <score, x>, a scalar whose gradient by the generator's parameters is that of H(q).

    `x` `(B, *event)` carries the graph; `found` is the score there, `(B, *event)`. The value is no entropy.
    """
    return -dot(found.detach(), x).mean()


def width_loss(
    generator: Generator, x: Tensor, z: Tensor, sigma: float, width: Tensor, rng: torch.Generator
) -> Loss:
    """-mean log q(x, z') - sum log width, z' = z + width eps with one draw a row: minus the bound of `width`.

    Arguments as in `score`; the graph reaches `width`, and the generator unless its parameters rest. For
    g(z) = W z the minimum is at width_j^2 = 1 / (1 + |W_j|^2 / sigma^2), the variance of z_j given x and the
    other latents. Metric: `width`, the mean.
    """
    near = z + width * torch.randn(z.shape, generator=rng, device=z.device, dtype=z.dtype)
    away = (generator(near) - x).square().flatten(1).sum(1) / (2 * sigma**2) + near.square().sum(1) / 2
    return Loss(away.mean() - width.log().sum(), {"width": width.detach().mean()})

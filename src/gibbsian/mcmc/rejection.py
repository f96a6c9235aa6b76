"""Discriminator rejection sampling (Azadi et al. 2019, arXiv 1810.06758): draws of a generator,
thinned to the data.

A draw x of the generator q is kept with a probability that grows with F = log p/q at x, as a critic estimates
it. With M the largest F seen (the caller keeps it running),

    F_hat = (F - M) - log(1 - exp(F - M - eps)) - gamma,    probability = sigmoid(F_hat)

At gamma = 0 this is exp(F - M), plain rejection, whose kept draws follow p if F and M are exact. A gamma
below 0 keeps more, for ratios of so wide a range that plain rejection keeps hardly anything; one above 0
keeps less.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def acceptance(
    log_ratio: Tensor, maximum: float | Tensor, gamma: float = 0.0, *, eps: float = 1e-6
) -> Tensor:
    """Probability to keep each draw, `(B,)` in [0, 1].

    Args:
        log_ratio: F `(B,)`, an estimate of log p/q up to a constant. One above `maximum` counts as `maximum`;
            NaN stays NaN, which no comparison accepts.
        maximum: M, the largest F over all draws so far, these included.
        gamma: shift of the logit; equation 8 of the paper.
        eps: > 0, keeps the logit of the best draw finite.
    """
    below = (log_ratio - maximum).clamp(max=0.0)
    return torch.sigmoid(below - _log1mexp(below - eps) - gamma)


def _log1mexp(x: Tensor) -> Tensor:
    """log(1 - exp(x)) for x < 0, by whichever of its two forms is accurate (Maechler 2012)."""
    near = x > -math.log(2)
    return torch.where(near, torch.log(-torch.expm1(x)), torch.log1p(-torch.exp(x)))

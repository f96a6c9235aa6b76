"""Importance resampling: from draws with weights to draws without.

With z_i from a base and weights w_i ~ exp(-E(z_i)), points taken in proportion to w follow the density
proportional to the base's times exp(-E) as N grows. How many draws the weights are worth is their effective
sample size, (sum w)^2 / sum w^2.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..core.draws import Recorder, Replay, Rng, uniform
from ..core.errors import GibbsianError, UsageError
from ..core.random import RngLike, as_generator


def resample(log_weights: Tensor, n: int, rng: RngLike | Rng = None) -> Tensor:
    """`n` indices, sorted, of draws taken in proportion to exp(`log_weights`), int64 `(n,)`.

    Systematic resampling: one uniform number shifts a comb of `n` teeth over the cumulative weights (Kitagawa
    1996; Douc, Cappe and Moulines 2005, arXiv cs/0507025). Index i comes n w_i times on average, w being
    normalised, and never a whole time more or less; the variance is below that of independent draws.

    Args:
        log_weights: `(N,)` up to a constant, -inf for a weight of 0.
        n: 0 or more; above N is allowed.
        rng: a generator on the device of `log_weights`, a seed, or None for torch's own generator.

    Raises:
        UsageError: for weights that are not `(N,)`, or NaN or +inf, or n below 0.
        GibbsianError: if all weights are 0.
    """
    if n < 0:
        raise UsageError(f"n is {n}: the number of draws must be 0 or more")
    total = _normalised(log_weights).exp().cumsum(0)
    drawn = rng if isinstance(rng, (Recorder, Replay)) else as_generator(rng, total.device)
    shift = uniform(total.sum(), drawn)
    # Teeth in (0, 1] and an end of exactly 1: a weight of 0 is never met, an index beyond N neither.
    teeth = (torch.arange(1, n + 1, dtype=torch.float64, device=total.device) - shift) / max(n, 1)
    return torch.searchsorted(total / total[-1], teeth)


def effective_sample_size(log_weights: Tensor) -> Tensor:
    """(sum w)^2 / sum w^2 of w = exp(`log_weights`) `(N,)`: a number from 1 to N, float64 (Kong 1992).

    Raises as `resample`.
    """
    log_w = _normalised(log_weights)
    return (-(2 * log_w).logsumexp(0)).exp()


def _normalised(log_weights: Tensor) -> Tensor:
    """log w with sum w = 1, float64 `(N,)`; raises as `resample`."""
    if log_weights.dim() != 1 or not len(log_weights):
        raise UsageError(f"log_weights has shape {tuple(log_weights.shape)}: give one number a draw, (N,)")
    log_w = log_weights.detach().double()
    if not bool((log_w < torch.inf).all()):
        raise UsageError("log_weights holds NaN or +inf: every one must be a number or -inf")
    if bool((log_w == -torch.inf).all()):
        raise GibbsianError("all weights are 0: no draw has a finite energy")
    return log_w - log_w.logsumexp(0)

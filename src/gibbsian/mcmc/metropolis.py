"""The Metropolis test, chain by chain, shared by every exact kernel (Hastings 1970).

A chain moves with probability min(1, exp(log_ratio)). A proposal is usable when its position, energy and
gradient are finite. An energy of +inf at a finite position is a wall: rejected, not counted as divergent.
All else that is not finite (NaN, -inf, a position out of the numbers) is rejected and counted.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ..core.draws import Rng, uniform
from ..core.position import finite, where
from .state import ChainState, cached


class Verdict(NamedTuple):
    """`(B,)` each: moved or not (bool), the probability of moving, not finite and no wall (bool)."""

    accepted: Tensor
    acceptance: Tensor
    divergent: Tensor


def judge(proposal: ChainState, log_ratio: Tensor, rng: Rng) -> Verdict:
    """Accept or reject each chain of `proposal` by its own `log_ratio` `(B,)`; one uniform a chain."""
    energy, grad = cached(proposal)
    placed = finite(proposal.position)
    usable = placed & finite(grad) & energy.isfinite()
    wall = placed & (energy == float("inf"))
    probability = log_ratio.clamp(max=0.0).exp()
    acceptance = torch.where(usable & ~log_ratio.isnan(), probability, torch.zeros_like(probability))
    u = uniform(energy, rng)
    return Verdict(u < acceptance, acceptance, ~(usable | wall))


def choose(verdict: Verdict, new: ChainState, old: ChainState) -> ChainState:
    """Position, energy and gradient of `new` where accepted, of `old` elsewhere; one step further."""
    (e_new, grad_new), (e, grad) = cached(new), cached(old)
    return ChainState(
        where(verdict.accepted, new.position, old.position),
        torch.where(verdict.accepted, e_new, e),
        where(verdict.accepted, grad_new, grad),
        count=old.count + 1,
    )

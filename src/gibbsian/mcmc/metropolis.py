"""The Metropolis test, chain by chain, shared by every exact kernel (Hastings 1970).

A chain moves with probability min(1, exp(log_ratio)). A proposal is usable when its position, energy and
gradient (if the kernel takes one) are finite. An energy of +inf at a finite position is a wall: rejected, not
counted as divergent. All else that is not finite (NaN, -inf, a position out of the numbers; a ratio of NaN,
which says that the chain stands at NaN) is rejected and counted.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ..core.draws import Rng, uniform
from ..core.position import finite, where
from .state import ChainState, known_energy


class Acceptance(NamedTuple):
    """`(B,)` each: moved or not (bool), the probability of moving, not finite and no wall (bool)."""

    accepted: Tensor
    acceptance: Tensor
    divergent: Tensor


def metropolis_test(proposal: ChainState, log_ratio: Tensor, rng: Rng) -> Acceptance:
    """Accept or reject each chain of `proposal` by its own `log_ratio` `(B,)`; one uniform a chain."""
    energy, undefined = known_energy(proposal), log_ratio.isnan()
    placed = finite(proposal.position)
    usable = placed & energy.isfinite()
    if proposal.grad is not None:
        usable = usable & finite(proposal.grad)
    wall = placed & (energy == float("inf"))
    probability = log_ratio.clamp(max=0.0).exp()
    acceptance = torch.where(usable & ~undefined, probability, torch.zeros_like(probability))
    u = uniform(energy, rng)
    return Acceptance(u < acceptance, acceptance, ~(usable | wall) | (usable & undefined))


def choose(test: Acceptance, new: ChainState, old: ChainState) -> ChainState:
    """Position and energy, and the gradient where there is one, of `new` where accepted, of `old` elsewhere;
    one step further."""
    grad = None
    if new.grad is not None and old.grad is not None:
        grad = where(test.accepted, new.grad, old.grad)
    return ChainState(
        where(test.accepted, new.position, old.position),
        torch.where(test.accepted, known_energy(new), known_energy(old)),
        grad,
        count=old.count + 1,
    )

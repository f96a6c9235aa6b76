"""Metropolis with proposals that forget where the chain stands: draws from the prior of latents.

    z' ~ N(0, I);    log alpha = [U(z) - |z|^2 / 2] - [U(z') - |z'|^2 / 2]

For U(z) = E(G(z)) + |z|^2 / 2 (see `energies.latent.PullBack`) the brackets are E(G(z)): the chain draws from
the generator and keeps what the energy likes. No gradient is taken, modes are reached from anywhere in one
step, and a chain stays long where exp(-E) is far above its mean over the prior: steps are accepted with a
probability that falls with the variance of E, not with the roughness of G.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from ..core.draws import Rng
from ..core.energy import Energy, value
from ..core.position import Position, detach, dot, randn_like
from ..core.show import one_line
from .metropolis import choose, metropolis_test
from .reports import ChainInfo
from .settings import IndependentSettings
from .state import ChainState, known_energy


@dataclass(frozen=True)
class IndependentMH(IndependentSettings):
    """Independent Metropolis with proposals N(0, I) (Hastings 1970; Tierney 1994; for the latents of a
    Generalized EBM: Arbel et al. 2021, arXiv 2003.05033).

    Exact for any target exp(-U), useful where U is |z|^2 / 2 and a moderate energy. K steps cost K + 1
    energies and no gradient. There is nothing to set: proposals are the prior, so the temperature of U is 1
    (to temper the moderate energy alone, see `algebra.Tempered`). Non-finite proposals are rejected and
    flagged `divergent`; an energy of +inf is a wall, rejected in silence. A chain that starts at NaN stays
    there, flagged.
    """

    exact: ClassVar[bool] = True
    gradients_per_step: ClassVar[int] = 0

    __repr__ = one_line

    @torch.no_grad()
    def init(self, energy: Energy, x: Position) -> ChainState:
        """A state at `x` with its energy."""
        return ChainState(detach(x), value(energy, x))

    @torch.no_grad()
    def step(self, energy: Energy, state: ChainState, rng: Rng) -> tuple[ChainState, ChainInfo]:
        """Propose a draw from the prior for every chain, and test it."""
        z = randn_like(state.position, rng)
        new = ChainState(z, value(energy, z))
        test = metropolis_test(new, _without_prior(state) - _without_prior(new), rng)
        return choose(test, new, state), ChainInfo(test.acceptance, test.divergent)


def _without_prior(state: ChainState) -> Tensor:
    """U(z) - |z|^2 / 2, what is left of the energy without the prior, `(B,)`."""
    return known_energy(state) - dot(state.position, state.position) / 2

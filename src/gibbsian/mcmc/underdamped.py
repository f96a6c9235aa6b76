"""Underdamped (kinetic) Langevin dynamics by splitting, with or without a Metropolis test.

A step of size h is made of B (kick, v -= .. grad E), A (drift, x += .. v) and O (friction and noise)

    O:  v <- c v + sqrt(T (1 - c^2)) xi,    c = exp(-friction h)   (half an O: friction h / 2)

                                 stationary variances on N(0, 1) at T = 1, h < 2
    baoab   B/2 A/2 O A/2 B/2    x 1                 v 1 - h^2/4          gradient at the end, cached
    aboba   A/2 B/2 O B/2 A/2    x 1                 v 1 / (1 - h^2/4)    gradient at the midpoint (GEBM)
    obabo   O/2 B/2 A B/2 O/2    x 1 / (1 - h^2/4)   v 1                  at the end, takes a Metropolis test

The velocity is drawn from N(0, T) at the first step and kept in the state.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from ..core.draws import Rng
from ..core.energy import Energy, value_and_grad
from ..core.errors import UsageError
from ..core.position import Position, detach, finite, randn_like, tree_map, where
from ..core.show import one_line
from .leapfrog import hamiltonian, leapfrog, shift
from .metropolis import choose, metropolis_test
from .reports import ChainInfo
from .settings import UnderdampedSettings
from .state import ChainState, cached


@dataclass(frozen=True)
class Underdamped(UnderdampedSettings):
    """Underdamped Langevin: velocities persist, so that chains cross between modes.

    Leimkuhler and Matthews 2013 (arXiv 1203.5428) for the splittings; Horowitz 1991 for the Metropolis form
    (generalised HMC): half an O, L leapfrog steps accepted or rejected with *the velocity negated on
    rejection*, half an O. GEBM's latent sampler (Arbel et al. 2021, arXiv 2003.05033) is "aboba".
    K steps cost K gradients ("aboba"), else 1 + K L.

    Args:
        step_size: h > 0, in units of x over the square root of energy; stable for h below 2 over the
            square root of the largest curvature.
        friction: > 0, per unit of time; friction h of .05 keeps a direction for 20 steps, 5 for none.
        temperature: T > 0 of the target exp(-E/T).
        splitting: "baoab", "aboba" or "obabo".
        metropolis: test each step, which makes it exact; "obabo" only.
        leapfrogs: L >= 1, "obabo" only. Friction acts once a step, c = exp(-friction h), whatever L.

    Raises:
        UsageError: for a value out of range, an unknown splitting, or options that exclude each other.
    """

    __repr__ = one_line

    @property
    def exact(self) -> bool:
        """True with a Metropolis test."""
        return self.metropolis

    @property
    def gradients_per_step(self) -> int:
        """L, which is 1 unless set."""
        return self.leapfrogs

    def init(self, energy: Energy, x: Position) -> ChainState:
        """A state at `x` with energy and gradient ("aboba": neither); the first step draws the velocity."""
        if self.splitting == "aboba":
            return ChainState(detach(x))
        return ChainState(detach(x), *value_and_grad(energy, x))

    @torch.no_grad()
    def step(self, energy: Energy, state: ChainState, rng: Rng) -> tuple[ChainState, ChainInfo]:
        """One step of every chain by the chosen splitting."""
        if state.velocity is None:
            v = tree_map(lambda n: n * self.temperature**0.5, randn_like(state.position, rng))
            state = state._replace(velocity=v)
        if self.splitting == "obabo":
            return self._obabo(energy, state, _velocity(state), rng)
        move = self._baoab if self.splitting == "baoab" else self._aboba
        new = move(energy, state, _velocity(state), rng)
        return new, ChainInfo(None, ~finite(new.position))

    def _baoab(self, energy: Energy, state: ChainState, v: Position, rng: Rng) -> ChainState:
        half = self.step_size / 2
        v = shift(v, cached(state)[1], -half)
        x = shift(state.position, v, half)
        v = self._refresh(v, 1.0, rng)
        x = shift(x, v, half)
        e, grad = value_and_grad(energy, x)
        return ChainState(x, e, grad, shift(v, grad, -half), state.count + 1)

    def _aboba(self, energy: Energy, state: ChainState, v: Position, rng: Rng) -> ChainState:
        half = self.step_size / 2
        x = shift(state.position, v, half)
        _, grad = value_and_grad(energy, x)
        v = self._refresh(shift(v, grad, -half), 1.0, rng)
        v = shift(v, grad, -half)
        return ChainState(shift(x, v, half), velocity=v, count=state.count + 1)

    def _obabo(
        self, energy: Energy, state: ChainState, v: Position, rng: Rng
    ) -> tuple[ChainState, ChainInfo]:
        v = self._refresh(v, 0.5, rng)
        new, v_new = leapfrog(energy, state, v, self.step_size, self.leapfrogs)
        if not self.metropolis:
            new = new._replace(velocity=self._refresh(v_new, 0.5, rng), count=state.count + 1)
            return new, ChainInfo(None, ~finite(new.position))
        log_ratio = (hamiltonian(state, v) - hamiltonian(new, v_new)) / self.temperature
        test = metropolis_test(new, log_ratio, rng)
        v = where(test.accepted, v_new, tree_map(torch.neg, v))
        new = choose(test, new, state)._replace(velocity=self._refresh(v, 0.5, rng))
        return new, ChainInfo(test.acceptance, test.divergent)

    def _refresh(self, v: Position, share: float, rng: Rng) -> Position:
        """O over `share` of a step: exact for the friction and noise alone."""
        c = math.exp(-self.friction * self.step_size * share)
        sigma = math.sqrt(self.temperature * -math.expm1(-2 * self.friction * self.step_size * share))
        return tree_map(lambda a, n: c * a + sigma * n, v, randn_like(v, rng))


def _velocity(state: ChainState) -> Position:
    if state.velocity is None:
        raise UsageError("this state holds no velocity: start it with the `init` of Underdamped")
    return state.velocity

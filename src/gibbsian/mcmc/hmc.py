"""Hamiltonian Monte Carlo: a fresh velocity, L leapfrog steps, one Metropolis test.

    v ~ N(0, T);    (x', v') = leapfrog^L(x, v);    alpha = min(1, exp((H(x, v) - H(x', v')) / T))

with H = E + |v|^2 / 2, and H(x, v) taken with the *refreshed* velocity. Kinetic energy sums over all event
dimensions and leaves. One leapfrog step of h is MALA at s = h^2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from ..core.draws import Rng
from ..core.energy import Energy, value_and_grad
from ..core.position import Position, detach, rand_chains, randn_like, tree_map
from ..core.show import one_line
from .leapfrog import Step, hamiltonian, leapfrog
from .metric import Metric, require_fit, require_metric
from .metropolis import choose, metropolis_test
from .reports import ChainInfo
from .settings import HMCSettings
from .state import ChainState


@dataclass(frozen=True)
class HMC(HMCSettings):
    """Hamiltonian Monte Carlo (Duane et al. 1987; Neal 2011, arXiv 1206.1901).

    K steps cost 1 + K L gradients. A trajectory that ends non-finite is rejected and flagged `divergent`; an
    energy of +inf at its end is a wall, rejected in silence. Nothing is repaired on the way.

    Args:
        step_size: h > 0 of the leapfrog, in units of x over the square root of energy.
        leapfrogs: L >= 1 steps a trajectory.
        temperature: T > 0 of the target exp(-E/T).
        jitter: in [0, 1); each chain's h is multiplied by a uniform from [1 - jitter, 1 + jitter], so that
            no trajectory length resonates with the target.
        metric: inverse masses, one positive tensor of the event's shape a leaf (see `metric`), or None.

    Raises:
        UsageError: for a value out of range; in `init`, for a metric that does not fit the position.
    """

    metric: Metric = None

    exact: ClassVar[bool] = True

    __repr__ = one_line

    def __post_init__(self) -> None:
        super().__post_init__()
        require_metric(self.metric)

    @property
    def gradients_per_step(self) -> int:
        """L."""
        return self.leapfrogs

    def init(self, energy: Energy, x: Position) -> ChainState:
        """A state at `x` with its energy and gradient."""
        require_fit(self.metric, x)
        return ChainState(detach(x), *value_and_grad(energy, x))

    @torch.no_grad()
    def step(self, energy: Energy, state: ChainState, rng: Rng) -> tuple[ChainState, ChainInfo]:
        """One trajectory of every chain."""
        v = tree_map(lambda n: n * self.temperature**0.5, randn_like(state.position, rng))
        h = self._step_size(state.position, rng)
        new, v_new = leapfrog(energy, state, v, h, self.leapfrogs, self.metric)
        log_ratio = (hamiltonian(state, v) - hamiltonian(new, v_new)) / self.temperature
        test = metropolis_test(new, log_ratio, rng)
        return choose(test, new, state), ChainInfo(test.acceptance, test.divergent)

    def _step_size(self, x: Position, rng: Rng) -> Step:
        if self.jitter == 0:
            return self.step_size
        return self.step_size * (1 + self.jitter * (2 * rand_chains(x, rng) - 1))

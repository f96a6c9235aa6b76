"""Langevin proposals with a Metropolis test: exact at any step size.

    x' = x - (s/2) m grad E(x) + sqrt(s T m) xi
    log alpha = (E(x) - E(x'))/T + [|x' - x + (s/2) m g|^2 - |x - x' + (s/2) m g'|^2]_{1/m} / (2 s T)
              = (E(x) - E(x'))/T + <xi, a> - |a|^2 / 2,    a = sqrt(s m / T) (g + g') / 2

with inverse mass m (1 without a metric), g = grad E(x), g' = grad E(x'). The second line follows because the
forward residual is the noise itself; it has no division by s and no difference of large squares. Each
chain is accepted or rejected by itself, and the cached energy and gradient follow.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from ..core.draws import Rng
from ..core.energy import Energy, value_and_grad
from ..core.position import Position, detach, dot, randn_like, tree_map
from ..core.show import one_line
from .metric import Metric, require_fit, require_metric, scaled
from .metropolis import choose, metropolis_test
from .reports import ChainInfo, Length
from .settings import MALASettings
from .state import ChainState, cached


@dataclass(frozen=True)
class MALA(MALASettings):
    """Metropolis-adjusted Langevin (Roberts and Tweedie 1996; Roberts and Rosenthal 1998 for the .574).

    K steps cost K + 1 gradients. A non-finite proposal is rejected and flagged `divergent`; an energy of
    +inf is a wall, rejected in silence.

    Args:
        step_size: s > 0, in units of x squared over energy (with a metric m: s m).
        temperature: T > 0 of the target exp(-E/T).
        metric: inverse masses, one positive tensor of the event's shape a leaf (see `metric`), or None.

    Raises:
        UsageError: for a value out of range; in `init`, for a metric that does not fit the position.
    """

    metric: Metric = None

    exact: ClassVar[bool] = True
    gradients_per_step: ClassVar[int] = 1

    __repr__ = one_line

    def __post_init__(self) -> None:
        super().__post_init__()
        require_metric(self.metric)

    def init(self, energy: Energy, x: Position) -> ChainState:
        """A state at `x` with its energy and gradient."""
        require_fit(self.metric, x)
        return ChainState(detach(x), *value_and_grad(energy, x))

    @torch.no_grad()
    def step(self, energy: Energy, state: ChainState, rng: Rng) -> tuple[ChainState, ChainInfo]:
        """Propose and test one step of every chain."""
        _, grad = cached(state)
        xi = randn_like(state.position, rng)
        drift = scaled(tree_map(lambda g: g * (-self.step_size / 2), scaled(grad, self.metric)), self.metric)
        noise = scaled(tree_map(lambda n: n * (self.step_size * self.temperature) ** 0.5, xi), self.metric)
        x = tree_map(lambda a, d, n: a + d + n, state.position, drift, noise)
        new = ChainState(x, *value_and_grad(energy, x))
        test = metropolis_test(new, self._log_ratio(state, new, xi), rng)
        info = ChainInfo(test.acceptance, test.divergent, drift=Length(drift), noise=Length(noise))
        return choose(test, new, state), info

    def _log_ratio(self, old: ChainState, new: ChainState, xi: Position) -> Tensor:
        """log of the Metropolis ratio `(B,)`, by the second line of the module's formula."""
        (e, grad), (e_new, grad_new) = cached(old), cached(new)
        half = (self.step_size / self.temperature) ** 0.5 / 2
        a = scaled(tree_map(lambda g, h: (g + h) * half, grad, grad_new), self.metric)
        return (e - e_new) / self.temperature + dot(xi, a) - dot(a, a) / 2

"""One step of sequential Monte Carlo between two levels of noise: noise taken off, then rows drawn anew.

    x~ = x - (sigma^2 - sigma'^2) grad U(x, sigma) + v^(1/2) xi,   v = sigma'^2 (sigma^2 - sigma'^2) / sigma^2
    log w = U(x, sigma) - U(x~, sigma') + log q(x | x~) - log r(x~ | x),   rows in proportion to w

with q and r of `mcmc.noise_moves`. Weights bring chains to the energies given even where these are not those
of data with noise, as with sums (J. Thornton et al., 2025, arXiv 2502.12786): what a level's energy calls
unlikely is left. Chains so drawn are alike in part; moves at the level take them apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, cast

import torch
from torch import Tensor

from ..core.draws import Rng
from ..core.energy import Energy, value, value_and_grad
from ..core.errors import UsageError
from ..core.position import Position, detach, norm, randn_like
from ..core.show import one_line
from .importance import resample
from .noise_moves import ancestral, log_normal
from .reports import ChainInfo
from .state import ChainState


@dataclass(frozen=True, eq=False)
class WeightedDescent:
    """From level `sigma`, whose energy the step is given, to less noise `to`, whose energy is `ahead`.

    All chains of a step are one population, so that they must have one energy.
    """

    sigma: float
    to: float
    ahead: Energy
    exact: ClassVar[bool] = False
    gradients_per_step: ClassVar[int] = 1

    __repr__ = one_line

    def __post_init__(self) -> None:
        if not 0 < self.to < self.sigma:
            raise UsageError(f"noise goes from {self.sigma:g} to {self.to:g}: it must fall, and stay above 0")

    def init(self, energy: Energy, x: Position) -> ChainState:
        """A state at `x`. The energy is not called."""
        return ChainState(detach(x))

    @torch.no_grad()
    def step(self, energy: Energy, state: ChainState, rng: Rng) -> tuple[ChainState, ChainInfo]:
        """One step. A row whose weight is not finite is left; raises `GibbsianError` if none is finite."""
        x = cast(Tensor, state.position)
        u, slope = value_and_grad(energy, x)
        mean, v = ancestral(x, cast(Tensor, slope), self.sigma, self.to)
        moved = mean + v**0.5 * cast(Tensor, randn_like(x, rng))
        ratio = log_normal(x - moved, self.sigma**2 - self.to**2) - log_normal(moved - mean, v)
        log_w = u - value(self.ahead, moved) + ratio
        kept = resample(log_w.where(log_w.isfinite(), -torch.inf), len(x), rng)
        info = ChainInfo(None, divergent=torch.zeros_like(u, dtype=torch.bool), drift=norm(mean - x))
        return ChainState(moved[kept], count=state.count + 1), info

"""Gibbs sampling of events that are made of two values: each coordinate anew, given all others.

p(x_i = high | others) = 1 / (1 + exp((E(high) - E(low)) / T))
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from ..core.draws import Rng, uniform
from ..core.energy import Energy, value
from ..core.errors import UsageError
from ..core.position import Position, detach
from ..core.show import one_line
from ..energies.context import single
from .reports import ChainInfo
from .state import ChainState, known_energy


@dataclass(frozen=True)
class Gibbs:
    """A sweep over all coordinates, in order, of events `(B, *event)` whose numbers are `low` or `high`
    (S. Geman and D. Geman 1984). Exact; a step of d coordinates costs d energies and no gradient.

    Args:
        low, high: the two values, such as 0 and 1, or -1 and 1.
        temperature: T > 0 of the target exp(-E/T).

    Raises:
        UsageError: for values that are equal, a temperature of 0 or less; in `init`, for a position with
            other values.
    """

    low: float = 0.0
    high: float = 1.0
    temperature: float = 1.0

    exact: ClassVar[bool] = True
    gradients_per_step: ClassVar[int] = 0

    __repr__ = one_line

    def __post_init__(self) -> None:
        if self.low == self.high or not self.temperature > 0:
            raise UsageError(
                f"low is {self.low}, high {self.high}, temperature {self.temperature}: give two values and a "
                "temperature above 0"
            )

    @torch.no_grad()
    def init(self, energy: Energy, x: Position) -> ChainState:
        """A state at `x` with its energy."""
        at = single(x)
        if not bool(((at == self.low) | (at == self.high)).all()):
            raise UsageError(f"a position has other values than {self.low:g} and {self.high:g}")
        return ChainState(detach(x), value(energy, x))

    @torch.no_grad()
    def step(self, energy: Energy, state: ChainState, rng: Rng) -> tuple[ChainState, ChainInfo]:
        """Draw every coordinate of all chains anew, one after another."""
        x, at, moved = single(state.position), known_energy(state), torch.zeros(())
        flat = x.flatten(1)
        draws = uniform(flat, rng)
        for i in range(flat.shape[1]):
            other = flat.clone()
            other[:, i] = self.low + self.high - flat[:, i]
            there = value(energy, other.reshape(x.shape))
            flips = draws[:, i] < ((at - there) / self.temperature).sigmoid()
            flat, at = torch.where(flips[:, None], other, flat), torch.where(flips, there, at)
            moved = moved + flips.float().mean()
        lost = ~at.isfinite()
        return ChainState(flat.reshape(x.shape), at, count=state.count + 1), ChainInfo(
            (moved / flat.shape[1]).expand(len(x)), lost
        )

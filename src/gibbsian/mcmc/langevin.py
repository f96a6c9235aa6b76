"""Unadjusted Langevin dynamics, the work-horse of deep energy-based models.

    x' = x - (s/2) grad E(x) + sqrt(s T) xi,    xi ~ N(0, I),    s = step_size, T = temperature

The stationary law is exp(-E/T) up to a bias of order s: on a Gaussian of precision lambda at T = 1 the
variance is 1 / (lambda (1 - s lambda / 4)). (E, s, T) and (E/T, s T, 1) are the same chain.

The image papers vary the order of the parts (noise before the gradient, clipped gradient, clamped pixels).
Each variation is a wrapper; all of them come down to one `Move`, whose parts always act in one order (see
`move`), so wrappers nest in any order and mean the same. Positions are `(B, *event)` or tuples of such.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace

import torch

from ..core.draws import Rng
from ..core.energy import Energy
from ..core.errors import UsageError, require_positive
from ..core.position import Position
from .move import Move, langevin_step
from .state import ChainInfo, ChainState


class Unadjusted(ABC):
    """The Langevin family: a kernel is its `move`; `init` and `step` are the same for all.

    `exact` is False: a step-size bias remains. One gradient a step, none at the start.
    """

    exact = False
    gradients_per_step = 1

    @abstractmethod
    def move(self, count: int) -> Move:
        """The numbers of the step that follows `count` earlier ones."""

    @property
    def steady(self) -> bool:
        """Whether the move is known to be the same at every step; False is always safe."""
        return False

    @property
    def matched(self) -> bool:
        """Whether log-densities of exp(-E/T) make sense for what this chain samples (design: `matched`)."""
        return self.move(0).matched

    def init(self, energy: Energy, x: Position) -> ChainState:
        """A state at `x`. The energy is not called."""
        move = self.move(0)
        if move.box_noised and not move.noise_first:
            raise UsageError("Clamped(noised=True) clamps the point after noise: wrap NoiseFirst as well")
        return ChainState(x)

    def step(self, energy: Energy, state: ChainState, rng: Rng) -> tuple[ChainState, ChainInfo]:
        """One step without a graph."""
        with torch.no_grad():
            x, info = langevin_step(self.move(state.count), energy, state.position, rng)
        return ChainState(x, count=state.count + 1), info

    def step_with_graph(self, energy: Energy, state: ChainState, rng: Rng) -> tuple[ChainState, ChainInfo]:
        """One step whose result depends, for autograd, on the energy's parameters and on the position."""
        with torch.enable_grad():
            x, info = langevin_step(self.move(state.count), energy, state.position, rng, differentiable=True)
        return ChainState(x, count=state.count + 1), info


@dataclass(frozen=True)
class Langevin(Unadjusted):
    """x' = x - (s/2) grad E(x) + sqrt(s T) xi (Roberts and Tweedie 1996, Bernoulli 2(4), eq. 2).

    Args:
        step_size: s > 0, in units of x squared over energy.
        temperature: T >= 0; 0 is plain gradient descent.

    Raises:
        UsageError: for a step size or temperature out of range.
    """

    step_size: float
    temperature: float = 1.0
    steady = True

    def __post_init__(self) -> None:
        self.move(0)

    @classmethod
    def matched_to(cls, drift: float, noise: float) -> Langevin:
        """The papers' pair: factor `drift` on grad E, standard deviation `noise`.

        s = 2 drift and T = noise^2 / (2 drift): IGEBM (10, .005) has T = 1.25e-6, JEM (1, .01) 5e-5.
        """
        require_positive(drift=drift)
        if not 0 <= noise < float("inf"):
            raise UsageError(f"noise is {noise}: a standard deviation must be finite and not negative")
        return cls(step_size=2 * drift, temperature=noise**2 / (2 * drift))

    def move(self, count: int) -> Move:
        """Step size and temperature, the same at every step."""
        return Move(self.step_size, self.temperature)


@dataclass(frozen=True)
class Fixed(Unadjusted):
    """A kernel whose every step is the same, given `numbers`: one step of any other of this family."""

    numbers: Move
    steady = True

    def move(self, count: int) -> Move:
        """The numbers, at every step."""
        return self.numbers


@dataclass(frozen=True)
class NoiseFirst(Unadjusted):
    """Noise is added, then the gradient is taken at the noised point: y = x + sqrt(s T) xi,
    x' = y - (s/2) grad E(y).

    The order of IGEBM's released code (Du and Mordatch 2019, arXiv 1903.08689) and of the UvA
    deep-learning tutorial 8. `kernel` is any of the Langevin family, else `UsageError`.
    """

    kernel: Unadjusted

    def __post_init__(self) -> None:
        require_unadjusted("NoiseFirst", self.kernel)

    @property
    def steady(self) -> bool:
        """As the wrapped kernel."""
        return self.kernel.steady

    def move(self, count: int) -> Move:
        """The wrapped move with the noise first."""
        return replace(self.kernel.move(count), noise_first=True)


def require_unadjusted(wrapper: str, kernel: object) -> None:
    """Raise `UsageError` unless `kernel` is of the Langevin family."""
    if not isinstance(kernel, Unadjusted):
        raise UsageError(
            f"{wrapper} cannot wrap {type(kernel).__name__}: it would change the proposal behind the "
            "acceptance ratio and bias the chain; wrap Langevin, or give the energy a +inf wall"
        )

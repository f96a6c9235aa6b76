"""What a kernel is: hyper-parameters with two functions.

`init` makes a state from a position; `step` makes the next state and a report. The state holds what the
next step needs (cached energy and gradient where they are reused), the report what a person needs.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from ..core.draws import Rng
from ..core.energy import Energy
from ..core.position import Position
from .reports import ChainInfo
from .state import ChainState


class Kernel(Protocol):
    """A Markov transition with its hyper-parameters; the public ones are frozen dataclasses.

    Draw noise by `core.position.randn_like`, `rand_chains` or `core.draws` only: then chains can be compiled.
    """

    @property
    def exact(self) -> bool:
        """Whether exp(-E/T) is invariant at any step size."""

    @property
    def gradients_per_step(self) -> int:
        """Evaluations of the gradient a step; a kernel that caches one needs one more at the start."""

    def init(self, energy: Energy, x: Position) -> ChainState:
        """The state at position `x` `(B, *event)`."""

    def step(self, energy: Energy, state: ChainState, rng: Rng) -> tuple[ChainState, ChainInfo]:
        """The next state of B chains and its report."""


@runtime_checkable
class DifferentiableKernel(Kernel, Protocol):
    """A kernel whose step can keep its graph, back to the energy's parameters and to the start."""

    def step_with_graph(self, energy: Energy, state: ChainState, rng: Rng) -> tuple[ChainState, ChainInfo]:
        """As `step`, with a graph."""

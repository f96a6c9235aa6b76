"""The leapfrog integrator (velocity Verlet), shared by the Hamiltonian and underdamped kernels.

    v -= (h/2) grad E(x);    x += h v;    v -= (h/2) grad E(x)

in coordinates scaled by sqrt(m) (see `metric`), with kinetic energy |v|^2 / 2. The map is reversible
(negate v and it returns) and keeps volume, whatever the gradient does. L steps cost L gradients, the one
at the start being cached. `step_size` is a number, or a tensor `(B,)` with one for each chain.
"""

from __future__ import annotations

from typing import TypeAlias

from torch import Tensor

from ..core.energy import Energy, value_and_grad
from ..core.errors import UsageError
from ..core.position import Position, dot, expand, tree_map
from .metric import Metric, scaled
from .state import ChainState, cached

Step: TypeAlias = float | Tensor


def shift(x: Position, direction: Position, amount: Step) -> Position:
    """x + amount * direction, with one number or one for each chain."""
    if isinstance(amount, Tensor):
        sizes = amount
        return tree_map(lambda a, d: a + expand(sizes, a) * d, x, direction)
    return tree_map(lambda a, d: a + amount * d, x, direction)


def leapfrog(
    energy: Energy, state: ChainState, velocity: Position, step_size: Step, steps: int, metric: Metric = None
) -> tuple[ChainState, Position]:
    """State and velocity after `steps` leapfrog steps of `step_size` h from a state with its gradient."""
    x, v = state.position, velocity
    e, grad = cached(state)
    for k in range(steps):
        v = shift(v, scaled(grad, metric), -step_size / 2 if k == 0 else -step_size)
        x = shift(x, scaled(v, metric), step_size)
        e, grad = value_and_grad(energy, x)
    v = shift(v, scaled(grad, metric), -step_size / 2)
    return ChainState(x, e, grad), v


def require_leapfrogs(leapfrogs: int) -> None:
    """Raise `UsageError` unless `leapfrogs` is a whole number above zero."""
    if leapfrogs < 1 or leapfrogs != int(leapfrogs):
        raise UsageError(f"leapfrogs is {leapfrogs}: a trajectory needs a whole number of steps, at least 1")


def hamiltonian(state: ChainState, velocity: Position) -> Tensor:
    """E + |v|^2 / 2 of a state with its energy, shape `(B,)`."""
    return cached(state)[0] + dot(velocity, velocity) / 2

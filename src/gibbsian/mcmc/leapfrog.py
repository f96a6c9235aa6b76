"""The leapfrog integrator (velocity Verlet), shared by the Hamiltonian and underdamped kernels.

    v -= (h/2) grad E(x);    x += h v;    v -= (h/2) grad E(x)

in coordinates scaled by sqrt(m) (see `metric`), with kinetic energy |v|^2 / 2. The map is reversible
(negate v and it returns) and keeps volume, whatever the gradient does. L steps cost L gradients, the one
at the start being cached. `step_size` is a number, or a tensor `(B,)` with one for each chain.
"""

from __future__ import annotations

from typing import TypeAlias

import torch
from torch import Tensor

from ..core.energy import Energy, gradient, value_and_grad
from ..core.position import Position, dot, expand, like, tree_map
from .metric import Metric
from .state import ChainState, cached

Step: TypeAlias = float | Tensor


def shift(x: Position, direction: Position, amount: float) -> Position:
    """x + amount * direction."""
    return tree_map(lambda a, d: torch.add(a, d, alpha=amount), x, direction)


def leapfrog(
    energy: Energy, state: ChainState, velocity: Position, step_size: Step, steps: int, metric: Metric = None
) -> tuple[ChainState, Position]:
    """State and velocity after `steps` leapfrog steps of `step_size` h from a state with its gradient."""
    x, v = state.position, velocity
    e, grad = cached(state)
    stride = strides(x, step_size, metric)
    for k in range(steps):
        v = moved(v, grad, stride, -0.5 if k == 0 else -1.0)
        x = moved(x, v, stride, 1.0)
        if k < steps - 1:
            grad = gradient(energy, x)
        else:  # E at the end alone
            e, grad = value_and_grad(energy, x)
    v = moved(v, grad, stride, -0.5)
    return ChainState(x, e, grad), v


def strides(x: Position, step_size: Step, metric: Metric) -> Position | float:
    """h sqrt(m), the way of each coordinate in a step; a number if that is the same for all of them."""
    if metric is None:
        sizes = step_size
        return sizes if not isinstance(sizes, Tensor) else tree_map(lambda a: expand(sizes, a), x)
    return tree_map(lambda a, m: m.sqrt() * _beside(step_size, a), x, like(x, metric))


def moved(x: Position, direction: Position, stride: Position | float, factor: float) -> Position:
    """x + factor * stride * direction, one operation a leaf."""
    if isinstance(stride, float | int):
        return shift(x, direction, factor * stride)
    return tree_map(lambda a, s, d: torch.addcmul(a, s, d, value=factor), x, stride, direction)


def _beside(step_size: Step, x: Tensor) -> Step:
    return expand(step_size, x) if isinstance(step_size, Tensor) else step_size


def hamiltonian(state: ChainState, velocity: Position) -> Tensor:
    """E + |v|^2 / 2 of a state with its energy, shape `(B,)`."""
    return cached(state)[0] + dot(velocity, velocity) / 2

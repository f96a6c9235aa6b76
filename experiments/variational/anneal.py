"""Temperature sweep T -> 0: chains that begin in the warm and end in the minima of an energy.

At every T the chains aim at exp(-E/T)/Z(T). Warm chains cross barriers but hardly see depths; as T falls the
mass gathers in the global minima, and crossings become as rare as exp(-barrier/T). Chains that cool slowly
choose among the basins for as long as they can cross; quenched ones stay in the basin where they were.

    T_k = T_0 (T_last / T_0)^(k / (n - 1)),   k = 0 ... n - 1        geometric

Sources: S. Kirkpatrick, C. Gelatt, M. Vecchi, Science 220, 1983; S. Geman, D. Geman, 1984, who show that
T must fall as slowly as 1 / log(steps) for the global minimum to be sure. A geometric sweep is a compromise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from experiments.grid import Grid
from gibbsian.core.energy import Energy, value_and_grad
from gibbsian.core.errors import UsageError, require_positive
from gibbsian.energies.algebra import Tempered
from gibbsian.mcmc.base import run
from gibbsian.mcmc.kernel import Kernel
from gibbsian.mcmc.mala import MALA

KernelAt = Callable[[float], Kernel]
"""A temperature to a kernel."""

EXACT: KernelAt = partial(MALA, 0.1)
"""MALA with s = .1 at every T: on E/T that is a step of s T, which falls with the temperature as the wells'
squared widths do, so that the acceptance in a well stays what it was."""


@dataclass(frozen=True, eq=False)
class Basins:
    """Which of K minima a point runs down to: by plain gradient descent on `energy`, then the nearest.

    `minima` `(K, *event)`. With `descents` 0 it is the minimum nearest to the point itself, and no energy is
    needed. `step_size` is that of x' = x - step_size grad E(x). Raises `UsageError` for values that do not
    fit.
    """

    minima: Tensor
    energy: Energy | None = None
    descents: int = 0
    step_size: float = 0.01

    def __post_init__(self) -> None:
        require_positive(step_size=self.step_size)
        if self.minima.dim() < 2 or len(self.minima) == 0:
            raise UsageError(f"minima have shape {tuple(self.minima.shape)}: give (K, *event), K at least 1")
        if (self.descents > 0) != (self.energy is not None) or self.descents < 0:
            raise UsageError(f"descents is {self.descents}: to run downhill give the energy and 1 or more")

    def __call__(self, x: Tensor) -> Tensor:
        """The number of the minimum, `(B,)` int64, for each of `x` `(B, *event)`."""
        if self.energy is not None:
            for _ in range(self.descents):
                grad = value_and_grad(self.energy, x)[1]
                assert isinstance(grad, Tensor)
                x = x.detach() - self.step_size * grad
        return torch.cdist(x.flatten(1), self.minima.to(x).flatten(1)).argmin(1)

    def shares(self, x: Tensor) -> Tensor:
        """The share of `x` `(B, *event)` in each basin, `(K,)` float64."""
        return torch.bincount(self(x).cpu(), minlength=len(self.minima)).double() / len(x)


@dataclass(frozen=True, eq=False)
class Sweep:
    """What each leg of a sweep left behind, warmest first.

    `positions` `(legs, B, *event)` and `energies` `(legs, B)` at the end of each leg, `acceptance` `(legs,)`
    (None for kernels without a test), `shares` `(legs, K)` of chains in each basin (None without basins).
    """

    temperatures: tuple[float, ...]
    positions: Tensor
    energies: Tensor
    acceptance: Tensor | None
    shares: Tensor | None


def geometric(first: float, last: float, legs: int) -> tuple[float, ...]:
    """`legs` >= 2 temperatures from `first` down to `last` > 0, each the same fraction of the one before.

    >>> geometric(4, 0.25, 3)
    (4.0, 1.0, 0.25)
    """
    require_positive(first=first, last=last)
    if last >= first or legs < 2:
        raise UsageError(f"{legs} temperatures from {first} to {last}: they must fall, and be 2 or more")
    return tuple(first * (last / first) ** (k / (legs - 1)) for k in range(legs))


def sweep(
    energy: Energy,
    x: Tensor,
    temperatures: Sequence[float],
    *,
    steps: int,
    rng: torch.Generator,
    kernel: KernelAt = EXACT,
    basins: Basins | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Sweep:
    """Run B chains `steps` steps at each of falling `temperatures`, each leg from where the last one ended.

    Args:
        x: start `(B, *event)`, spread wide enough for the first temperature.
        kernel: makes the kernel for a temperature, such as `partial(MALA, step_size)`.
        basins: whose shares to take after each leg.
        progress: called with (legs done, legs).

    Raises:
        UsageError: for temperatures that do not fall or are not positive, or no steps.
    """
    _check(temperatures, steps)
    ends, energies, accepted = [], [], []
    for done, temperature in enumerate(temperatures):
        chain = run(kernel(temperature), energy, x, steps=steps, rng=rng)
        assert isinstance(chain.position, Tensor) and chain.energy is not None
        x = chain.position
        ends.append(x)
        energies.append(chain.energy)
        if chain.info.acceptance is not None:
            accepted.append(chain.info.acceptance.mean())
        if progress is not None:
            progress(done + 1, len(temperatures))
    return Sweep(
        tuple(temperatures),
        torch.stack(ends),
        torch.stack(energies),
        torch.stack(accepted) if accepted else None,
        torch.stack([basins.shares(x) for x in ends]) if basins else None,
    )


def exact_shares(
    energy: Energy, temperatures: Sequence[float], basins: Basins, grid: Grid | None = None
) -> Tensor:
    """Mass of exp(-E/T)/Z in each basin at each temperature, `(legs, K)` float64, on the plane.

    By the trapezoid rule; the square of `grid` must hold the mass of the warmest. A border between basins
    costs at most about the mass of a strip one cell wide.
    """
    grid = grid or Grid()
    which = basins(grid.points()).cpu()
    shares = []
    for temperature in temperatures:
        mass = (grid.log_density(Tempered(energy, temperature)) + grid.log_weights()).exp().flatten()
        shares.append(torch.zeros(len(basins.minima), dtype=torch.float64).index_add_(0, which, mass))
    return torch.stack(shares)


def _check(temperatures: Sequence[float], steps: int) -> None:
    if not temperatures or steps < 1:
        raise UsageError(f"{len(temperatures)} temperatures of {steps} steps: give at least 1 of each")
    for warmer, colder in zip(temperatures[:-1], temperatures[1:], strict=True):
        if colder >= warmer:
            raise UsageError(f"temperature {colder} follows {warmer}: a sweep cools, list them falling")
    require_positive(temperature=temperatures[-1])

"""log Z of anybody's energy, by annealing from a fitted density in both directions.

    U_b = (1 - b) U_q + b E / T,   b from 0 to 1;   log Z = log Z_1 / Z_0, q being normalised

Particles are drawn from q and carried along b by exact moves, their weights multiplied by exp(-(b' - b)
(E/T - U_q)); where the weights fall behind, particles are drawn anew (sequential Monte Carlo). The mean
weight has the mean Z, so that its logarithm is below log Z on average; the reverse run, begun at draws of
the model, gives a number that is above (R. Neal, Statistics and Computing 11, 2001; R. Grosse, Z.
Ghahramani and R. Adams, 2015, arXiv 1511.02543). The gap between both says what the value is worth: where
it is wide, neither is to be believed. The steps of b are chosen so that a step keeps a share of the
particles (P. Del Moral, A. Doucet and A. Jasra, 2012); the runs that count are made anew with these steps
fixed, or they would be biased.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from ...core.energy import Energy
from ...core.errors import UsageError
from ...core.random import RngLike, as_generator
from ...energies.algebra import Scaled
from ...mcmc.annealed import annealed
from ...mcmc.base import run
from ...mcmc.importance import resample
from ...nets.frozen import frozen
from .bases import fitted_normals
from .path import Integrand, adapted, path, reverse_path
from .result import LogPartition, Run, summed
from .spaces import Binary, Reals, Space


def log_partition(
    energy: Energy,
    *,
    event_shape: tuple[int, ...],
    rng: RngLike = None,
    temperature: float = 1.0,
    values: tuple[float, float] | None = None,
    start: Tensor | tuple[Tensor, Tensor] | None = None,
    particles: int = 1000,
    runs: int = 4,
    kept: float = 0.9,
    moves: int = 3,
    leapfrogs: int = 5,
    resampling: float = 0.5,
    dtype: torch.dtype = torch.float32,
    device: str | torch.device = "cpu",
    progress: Callable[[str], None] = lambda text: None,
) -> LogPartition:
    """log of the integral of exp(-E(x) / T) over all x, or of the sum over events of two values, in nats.

    Args:
        energy: maps `(B, *event)` to `(B,)`. It must grow far away faster than a logarithm, or Z is infinite.
        event_shape: of one event, such as `(2,)` or `(1, 8, 8)`.
        rng: a generator, a seed, or None for torch's own.
        temperature: T > 0.
        values: the two numbers that events are made of, such as `(0, 1)`; None for real events.
        start: rows `(N, *event)` that look like draws, such as training data, and with them labels `(N,)`:
            the path begins at a Gaussian of these, or at one for each class. By default at one that is
            fitted to particles that came from N(0, I), which may miss modes that data show.
        particles: of each run, at least 100.
        runs: of each direction, at least 2: the interval is taken over them.
        kept: share of the particles in (0, 1) that a step of b keeps; nearer to 1 is longer and surer.
        moves: trajectories of HMC, or sweeps of Gibbs sampling, at every level, at least 1.
        leapfrogs: steps of a trajectory, at least 1.
        resampling: share of the particles in [0, 1] below which their effective number makes them be drawn
            anew; 0 never does, which is annealed importance sampling and its reverse.
        dtype: of positions, float32 or float64.
        device: of positions; that of the energy.
        progress: told what is being done.

    Raises:
        UsageError: for arguments out of range.
        GibbsianError: if E is not finite where particles begin, or b does not reach 1 in 2,000 steps.
    """
    _check(temperature, particles, runs, kept, moves)
    if not 0 <= resampling <= 1:
        raise UsageError(f"resampling is {resampling}: a share of the particles from 0 to 1")
    rng, shape = as_generator(rng, device), tuple(event_shape)
    target = Scaled(energy, 1 / temperature)
    space: Space = Reals(shape, leapfrogs, dtype) if values is None else Binary(shape, *map(float, values))
    if start is not None and values is not None:
        raise UsageError("start is for real events: those of two values begin at independent bits")
    with frozen(energy):
        kernel = None
        if start is None:
            progress("a first run from noise, to fit what the path begins at")
            wide = space.wide
            x = wide.draw(particles, rng, dtype)
            first = adapted(wide, target, space, x, kept=min(kept, 0.7), moves=moves, rng=rng)
            base, kernel = space.fitted(first.x), first.levels[-1].kernel
        else:
            base = fitted_normals(*_rows(start, shape), shape)
        progress("the steps of the path")
        x = base.draw(particles, rng, dtype)
        found = adapted(base, target, space, x, kept=kept, moves=moves, rng=rng, kernel=kernel)
        levels = found.levels
        steps, reverse = path(base, target, levels, moves), reverse_path(base, target, levels, moves)
        made: list[Run] = []
        for k in range(runs):
            progress(f"{len(levels)} levels, run {k + 1} of {runs}")
            along = Integrand(base, target)
            x = base.draw(particles, rng, dtype)
            forward = annealed(steps, x, rng, resampling=resampling, observe=along)
            # The ends of one run, moved on, begin a reverse one.
            ends = forward.x[resample(forward.log_weights, particles, rng)]
            begin = run(levels[-1].kernel, target, ends, steps=10 * moves, rng=rng).position
            assert isinstance(begin, Tensor)
            back = annealed(reverse, begin, rng, resampling=resampling)
            made.append(Run(forward, -back.log_z, along.log_z(levels)))
    return summed(made, len(levels), found.log_z)


def _rows(start: Tensor | tuple[Tensor, Tensor], shape: tuple[int, ...]) -> tuple[Tensor, Tensor | None]:
    x, y = start if isinstance(start, tuple) else (start, None)
    if tuple(x.shape[1:]) != shape or len(x) < 2:
        raise UsageError(f"start has shape {tuple(x.shape)}: rows of shape {shape}, at least 2, are needed")
    if y is not None and y.shape != (len(x),):
        raise UsageError(f"start has {len(x)} rows and labels of shape {tuple(y.shape)}: one for each row")
    return x, y


def _check(temperature: float, particles: int, runs: int, kept: float, moves: int) -> None:
    if not 0 < temperature < math.inf:
        raise UsageError(f"temperature is {temperature}: it must be finite and above 0")
    if particles < 100 or runs < 2 or moves < 1:
        raise UsageError(
            f"particles is {particles}, runs {runs}, moves {moves}: at least 100, 2 and 1 of them"
        )
    if not 0 < kept < 1:
        raise UsageError(f"kept is {kept}: a share of the particles between 0 and 1, such as 0.9")

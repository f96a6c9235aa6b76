"""log Z of anybody's energy, by annealing from a fitted Gaussian in both directions.

    U_b = (1 - b) U_q + b E / T,   b from 0 to 1;   log Z = log Z_1 / Z_0, q being normalised

Particles are drawn from q and carried along b by exact moves, their weights multiplied by exp(-(b' - b)
(E/T - U_q)); where the weights fall behind, particles are drawn anew (sequential Monte Carlo). The mean
weight has the mean Z, so that its logarithm is below log Z on average; the same way back, begun at draws of
the model, gives a number that is above (R. Neal, Statistics and Computing 11, 2001; R. Grosse, Z.
Ghahramani and R. Adams, 2015, arXiv 1511.02543). The gap between both says what the value is worth: where
it is wide, neither is to be believed. The steps of b are chosen so that a step keeps a share of the
particles (P. Del Moral, A. Doucet and A. Jasra, 2012); the runs that count are made anew with these steps
fixed, or they would be biased.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..core.energy import Energy
from ..core.errors import UsageError
from ..core.random import RngLike, as_generator
from ..core.show import one_line
from ..energies.algebra import Scaled
from ..mcmc.annealed import Annealed, annealed
from ..mcmc.base import run
from ..mcmc.hmc import HMC
from ..mcmc.importance import resample
from ..metrics.interval import t_quantile
from ..nets.frozen import frozen
from .tempering import Normal, adapted, fitted, path, path_back

RESAMPLED = 0.5


@dataclass(frozen=True)
class LogPartition:
    """log Z in nats.

    Fields:
        value: half-way between `lower` and `upper`.
        low, high: 95 % interval of `value` over the runs, and at least as wide as the gap.
        lower, upper: means over runs, which are below and above log Z on average; `upper` only as far as the
            particles that it begins at are draws of the model.
        runs: of each way.
        ess, largest: of the last weights of the ways there, the effective share of the particles and the
            share of the heaviest; means over runs.
        levels: steps of b.
        acceptance: of the moves, its mean.
    """

    value: float
    low: float
    high: float
    lower: float
    upper: float
    runs: int
    ess: float
    largest: float
    levels: int
    acceptance: float

    __repr__ = one_line

    @property
    def gap(self) -> float:
        """upper - lower: near 0, or nothing is known."""
        return self.upper - self.lower

    def __str__(self) -> str:
        return (
            f"log Z = {self.value:.4g} [{self.low:.4g}, {self.high:.4g}] nats, between {self.lower:.4g} and "
            f"{self.upper:.4g}; {self.levels} levels, ESS {self.ess:.0%}, acceptance {self.acceptance:.2f}"
        )


def log_partition(
    energy: Energy,
    *,
    event_shape: tuple[int, ...],
    rng: RngLike = None,
    temperature: float = 1.0,
    particles: int = 1000,
    runs: int = 4,
    kept: float = 0.9,
    moves: int = 3,
    leapfrogs: int = 5,
    dtype: torch.dtype = torch.float32,
    progress: Callable[[str], None] = lambda text: None,
) -> LogPartition:
    """log of the integral of exp(-E(x) / T) over all x, in nats.

    Args:
        energy: maps `(B, *event)` to `(B,)`. It must grow far away faster than a logarithm, or Z is infinite.
        event_shape: of one event, such as `(2,)` or `(1, 8, 8)`.
        rng: a generator, a seed, or None for torch's own.
        temperature: T > 0.
        particles: of each run, at least 100.
        runs: of each way, at least 2: the interval is taken over them.
        kept: share of the particles in (0, 1) that a step of b keeps; nearer to 1 is longer and surer.
        moves: trajectories of HMC at every level, at least 1.
        leapfrogs: steps of a trajectory, at least 1.
        dtype: of positions, float32 or float64.
        progress: told what is being done.

    Raises:
        UsageError: for arguments out of range.
        GibbsianError: if E is not finite where particles begin, or b does not reach 1 in 2,000 steps.
    """
    _check(temperature, particles, runs, kept, moves)
    rng = as_generator(rng, "cpu")
    target = Scaled(energy, 1 / temperature)
    size = math.prod(event_shape)
    wide = Normal(tuple(event_shape), torch.zeros(size).double(), torch.eye(size).double())
    kernel = HMC(0.5 / size**0.25, leapfrogs=leapfrogs, jitter=0.2)
    with frozen(energy):
        progress("a first way from N(0, I), to fit a Gaussian")
        _, x = adapted(wide, target, kernel, particles, min(kept, 0.7), moves, rng, dtype)
        base = fitted(x, tuple(event_shape))
        progress("the steps of the path")
        levels, x = adapted(base, target, kernel, particles, kept, moves, rng, dtype)
        there, back = path(base, target, levels, moves), path_back(base, target, levels, moves)
        made: list[tuple[Annealed, float]] = []
        for k in range(runs):
            progress(f"{len(levels)} levels, run {k + 1} of {runs}")
            down = annealed(there, base.draw(particles, rng, dtype), rng, resampling=RESAMPLED)
            # The ends of one way, moved on, begin the way back of another.
            ends = down.x[resample(down.log_weights, particles, rng)]
            begin = run(levels[-1].kernel, target, ends, steps=10 * moves, rng=rng).position
            assert isinstance(begin, Tensor)
            made.append((down, -annealed(back, begin, rng, resampling=RESAMPLED).log_z))
    return summed(made, len(levels))


def summed(made: list[tuple[Annealed, float]], levels: int) -> LogPartition:
    """What the ways there and the numbers of the ways back say."""
    lower = statistics.fmean(down.log_z for down, _ in made)
    upper = statistics.fmean(back for _, back in made)
    each = [(down.log_z + back) / 2 for down, back in made]
    half = t_quantile(0.95, len(made) - 1) * statistics.stdev(each) / math.sqrt(len(made))
    half, middle = max(half, abs(upper - lower) / 2), (lower + upper) / 2
    weights = [(down.log_weights - down.log_weights.logsumexp(0)).exp() for down, _ in made]
    return LogPartition(
        middle,
        middle - half,
        middle + half,
        lower,
        upper,
        len(made),
        statistics.fmean(down.ess / len(down.x) for down, _ in made),
        statistics.fmean(float(w.max()) for w in weights),
        levels,
        statistics.fmean(down.acceptance for down, _ in made),
    )


def _check(temperature: float, particles: int, runs: int, kept: float, moves: int) -> None:
    if not 0 < temperature < math.inf:
        raise UsageError(f"temperature is {temperature}: it must be finite and above 0")
    if particles < 100 or runs < 2 or moves < 1:
        raise UsageError(
            f"particles is {particles}, runs {runs}, moves {moves}: at least 100, 2 and 1 of them"
        )
    if not 0 < kept < 1:
        raise UsageError(f"kept is {kept}: a share of the particles between 0 and 1, such as 0.9")

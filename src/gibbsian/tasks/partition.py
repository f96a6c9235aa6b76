"""log Z of anybody's energy, by annealing from a fitted Gaussian in both directions.

    U_b = (1 - b) U_q + b E / T,   b from 0 to 1;   log Z = log Z_1 / Z_0, q being normalised

Particles are drawn from q and carried along b by exact moves, their weights multiplied by
exp(-(b' - b) (E/T - U_q)); where the weights fall behind, particles are drawn anew (sequential Monte Carlo). The
mean weight has the mean Z, so that its logarithm is below log Z on average; the same way back, begun at draws
of the model, gives a number that is above (R. Neal, Statistics and Computing 11, 2001; R. Grosse, Z. Ghahramani
and R. Adams, 2015, arXiv 1511.02543). The gap between both says what the value is worth: where it is wide,
neither is to be believed. The steps of b are chosen so that a step keeps a share of the particles (P. Del Moral,
A. Doucet and A. Jasra, 2012); the runs that count are made anew with these steps fixed, or they would be biased.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import torch
from torch import Tensor

from ..core.energy import Energy, value
from ..core.errors import GibbsianError, UsageError
from ..core.random import RngLike, as_generator
from ..core.show import one_line
from ..energies.algebra import Product, Scaled
from ..energies.target import LOG_2PI, normal
from ..mcmc.annealed import Annealed, PathStep, annealed
from ..mcmc.base import run
from ..mcmc.hmc import HMC
from ..mcmc.importance import resample
from ..metrics.interval import t_quantile
from ..nets.frozen import frozen

WIDER = 1.1
"""The fitted Gaussian's standard deviations, over the particles': weights of narrow ones vary most."""
GOAL = 0.65
RESAMPLED = 0.5
MOST = 2000
"""Steps of b, at most."""
FULL = 200
"""Dimensions up to which covariances are fitted, and not variances alone."""


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


class Level(NamedTuple):
    """A place on the path, and the kernel that keeps it."""

    share: float
    kernel: HMC


@dataclass(frozen=True, eq=False)
class Normal:
    """-log of a normal density on events of any shape: mean `(d,)`, and a factor L of its covariance."""

    shape: tuple[int, ...]
    mean: Tensor
    factor: Tensor
    whiten: Tensor = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "whiten", torch.linalg.inv(self.factor))

    def __call__(self, x: Tensor) -> Tensor:
        z = (x.flatten(1) - self.mean.to(x)) @ self.whiten.to(x).T
        return 0.5 * z.square().sum(1) + float(
            self.factor.diagonal().log().sum() + len(self.mean) * LOG_2PI / 2
        )

    def rows(self, index: object) -> Normal:
        """Itself: no context of single chains."""
        return self

    def draw(self, n: int, rng: torch.Generator, dtype: torch.dtype) -> Tensor:
        """Draws `(n, *event)`."""
        z = normal((n, len(self.mean)), rng)
        return (self.mean.to(z) + z @ self.factor.to(z).T).to(dtype).reshape(n, *self.shape)


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


def adapted(
    base: Normal,
    target: Energy,
    kernel: HMC,
    particles: int,
    kept: float,
    moves: int,
    rng: torch.Generator,
    dtype: torch.dtype,
) -> tuple[list[Level], Tensor]:
    """The levels from `base` to `target`, each a step that keeps a share of the particles, with step sizes
    that are accepted; and where the particles ended."""
    x, share, levels = base.draw(particles, rng, dtype), 0.0, list[Level]()
    while share < 1:
        if len(levels) == MOST:
            raise GibbsianError(
                f"the path has come to {share:.3g} of the energy in {MOST} steps: is exp(-E) integrable? "
                "more moves or particles may help too"
            )
        with torch.no_grad():
            rate = (value(base, x) - value(target, x)).double()
        if not levels and not bool(rate.isfinite().any()):
            raise GibbsianError("the energy is finite at none of the draws of N(0, I)")
        rate = torch.where(rate.isfinite(), rate, -math.inf)
        step = longest(rate, 1 - share, kept)
        share = 1.0 if share + step >= 1 else share + step
        x = x[resample(step * rate, particles, rng)]
        spread = x.flatten(1).var(0).clamp_min(1e-12).reshape(x.shape[1:])
        masses = spread / spread.log().mean().exp()
        kernel = replace(kernel, metric=(masses.to(dtype),))
        for _ in range(moves):
            chain = run(kernel, between(base, target, share), x, steps=1, rng=rng)
            assert isinstance(chain.position, Tensor) and chain.info.acceptance is not None
            x = chain.position
            off = float(chain.info.acceptance.mean()) - GOAL
            kernel = replace(kernel, step_size=kernel.step_size * math.exp(off))
        levels.append(Level(share, kernel))
    return levels, x


def longest(rate: Tensor, most: float, kept: float) -> float:
    """The step of b, up to `most`, at which weights exp(step * rate) keep a share of the particles."""

    def share(step: float) -> float:
        log_w = step * rate
        log_w = log_w - log_w.logsumexp(0)
        return math.exp(-float((2 * log_w).logsumexp(0))) / len(rate)

    if share(most) >= kept:
        return most
    low, high = 0.0, most
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if share(middle) >= kept else (low, middle)
    return max(low, 1e-12)


def fitted(x: Tensor, shape: tuple[int, ...]) -> Normal:
    """A Gaussian of the moments of rows, a little wider; of variances alone in many dimensions."""
    rows = x.flatten(1).double()
    mean, size = rows.mean(0), rows.shape[1]
    if size <= FULL and len(rows) >= 10 * size:
        cov = torch.cov(rows.T).reshape(size, size)
        cov = cov + 1e-6 * cov.diagonal().mean() * torch.eye(size, dtype=cov.dtype)
    else:
        cov = rows.var(0).clamp_min(1e-12).diag()
    return Normal(shape, mean, WIDER * torch.linalg.cholesky(cov))


def path(base: Normal, target: Energy, levels: list[Level], moves: int) -> list[PathStep]:
    """The steps from `base` to `target`, each with the kernel of where it ends."""
    shares = [0.0, *(level.share for level in levels)]
    energies = [between(base, target, share) for share in shares]
    kernels = [level.kernel for level in levels]
    return [
        PathStep(a, b, _stay, kernel, moves)
        for a, b, kernel in zip(energies, energies[1:], kernels, strict=False)
    ]


def path_back(base: Normal, target: Energy, levels: list[Level], moves: int) -> list[PathStep]:
    """The steps from `target` to `base`."""
    there = path(base, target, levels, moves)
    kernels = [there[0].kernel, *(step.kernel for step in there[:-1])]
    return [replace(s, energy=s.to, to=s.energy, kernel=k) for s, k in zip(there, kernels, strict=True)][::-1]


def between(base: Normal, target: Energy, share: float) -> Energy:
    """U_b at b = `share`."""
    if share in (0, 1):
        return target if share else base
    return Product([Scaled(base, 1 - share), Scaled(target, share)])


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


def _stay(x: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    return x, torch.zeros(len(x), dtype=x.dtype)


def _check(temperature: float, particles: int, runs: int, kept: float, moves: int) -> None:
    if not 0 < temperature < math.inf:
        raise UsageError(f"temperature is {temperature}: it must be finite and above 0")
    if particles < 100 or runs < 2 or moves < 1:
        raise UsageError(
            f"particles is {particles}, runs {runs}, moves {moves}: at least 100, 2 and 1 of them"
        )
    if not 0 < kept < 1:
        raise UsageError(f"kept is {kept}: a share of the particles between 0 and 1, such as 0.9")

"""What is said of log Z: a value, what bounds it, and what the weights are worth."""

from __future__ import annotations

import math
import statistics
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from ...core.show import one_line
from ...mcmc.annealed import Annealed
from ...metrics.interval import t_quantile


class Run(NamedTuple):
    """One forward run, and log Z by a reverse run and by the integral along the forward one."""

    forward: Annealed
    reverse: float
    thermodynamic: float


@dataclass(frozen=True)
class LogPartition:
    """log Z in nats.

    Fields:
        value: half-way between `lower` and `upper`.
        low, high: 95 % interval of `value` over the runs, and at least as wide as the gap.
        lower, upper: means over runs, which are below and above log Z on average; `upper` only as far as the
            particles that it begins at are draws of the model.
        upper_forward: above log Z on average by the forward runs alone, whatever the particles are: the mean
            of c + Z exp(-c) - 1 at the c of another run; far above `upper` where weights vary by many nats.
        thermodynamic: by thermodynamic integration along the forward runs; NaN where the energy is not finite
            at all particles.
        runs: of each direction.
        ess, largest: of the last weights of the forward runs, the effective share of the particles and the
            share of the heaviest; means over runs.
        levels: steps of b.
        acceptance: of the moves, its mean; of Gibbs sampling the share of bits that a sweep flips.
    """

    value: float
    low: float
    high: float
    lower: float
    upper: float
    upper_forward: float
    thermodynamic: float
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

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    def __str__(self) -> str:
        return (
            f"log Z = {self.value:.4g} [{self.low:.4g}, {self.high:.4g}] nats, between {self.lower:.4g} and "
            f"{self.upper:.4g}; {self.levels} levels, ESS {self.ess:.0%}, acceptance {self.acceptance:.2f}"
        )


def summed(made: list[Run], levels: int, pilot: float) -> LogPartition:
    """What the runs say; `pilot` is log Z by a run that does not count."""
    lower = statistics.fmean(one.forward.log_z for one in made)
    upper = statistics.fmean(one.reverse for one in made)
    each = [(one.forward.log_z + one.reverse) / 2 for one in made]
    half = t_quantile(0.95, len(made) - 1) * statistics.stdev(each) / math.sqrt(len(made))
    half, middle = max(half, abs(upper - lower) / 2), (lower + upper) / 2
    weights = [(one.forward.log_weights - one.forward.log_weights.logsumexp(0)).exp() for one in made]
    return LogPartition(
        value=middle,
        low=middle - half,
        high=middle + half,
        lower=lower,
        upper=upper,
        upper_forward=statistics.fmean(above(one.forward.log_z, pilot) for one in made),
        thermodynamic=statistics.fmean(one.thermodynamic for one in made),
        runs=len(made),
        ess=statistics.fmean(one.forward.ess / len(one.forward.x) for one in made),
        largest=statistics.fmean(float(w.max()) for w in weights),
        levels=levels,
        acceptance=statistics.fmean(one.forward.acceptance for one in made),
    )


def above(log_z: float, c: float) -> float:
    """c + Z exp(-c) - 1 >= log Z for any c, with the mean that it has of an unbiased Z (T. Senetaire,
    P. Jeha, P.-A. Mattei, J. Frellsen, 2025, arXiv 2503.07021); +inf where Z exp(-c) is too large."""
    return c + math.expm1(log_z - c) if log_z - c < 700 else math.inf

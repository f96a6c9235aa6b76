"""The noise ladder of diffusion recovery likelihood (R. Gao et al., ICLR 2021, arXiv 2012.08125, section 3).

    x_{t+1} = a_{t+1} x_t + sigma_{t+1} eps,    a^2 + sigma^2 = 1,    t = 0 ... T - 1

Its numbers come from the linear schedule of a thousand small steps (J. Ho et al., 2020), gathered at T + 1
marks: the first step, then even distances up to the middle, then the last. With T = 6 these are the paper's
0, 100, ..., 500, 999. Entry 0 is the noise that data carry already. No torch; a frozen record.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

from ..core.errors import UsageError

SMALL_STEPS, FIRST, LAST = 1000, 1e-4, 0.02


@dataclass(frozen=True)
class Ladder:
    """`levels` T conditional distributions between data (t = 0) and N(0, I) (t = T); T at least 2.

    `a` and `sigma` `(T + 1,)` lead from one level to the next, `sigma_bar` `(T + 1,)` is the noise of level t
    in all, so that x_t = sqrt(1 - sigma_bar_t^2) x + sigma_bar_t eps for clean data x.
    """

    levels: int

    def __post_init__(self) -> None:
        if not 2 <= self.levels <= SMALL_STEPS // 2:
            raise UsageError(
                f"a ladder of {self.levels} levels: it needs 2 to {SMALL_STEPS // 2}; the paper has 6"
            )

    @property
    def marks(self) -> tuple[int, ...]:
        """The small steps at which the levels lie, `(T + 1,)`."""
        half = SMALL_STEPS // 2
        return (*(round(k * half / (self.levels - 1)) for k in range(self.levels)), SMALL_STEPS - 1)

    @property
    def a(self) -> tuple[float, ...]:
        """Factor on x_{t-1} in x_t; `a[0]` is that on clean data."""
        bars = self._signal
        return (bars[0], *(after / before for before, after in pairwise(bars)))

    @property
    def sigma(self) -> tuple[float, ...]:
        """Deviation of the noise that x_t adds to x_{t-1}."""
        return tuple(math.sqrt(1 - a * a) for a in self.a)

    @property
    def sigma_bar(self) -> tuple[float, ...]:
        """Deviation of all noise in x_t."""
        return tuple(math.sqrt(1 - a * a) for a in self._signal)

    @property
    def weights(self) -> tuple[float, ...]:
        """Weight of each level's loss, sigma_1 / sigma_{t+1}, `(T,)`."""
        return tuple(self.sigma[1] / s for s in self.sigma[1:])

    def temperatures(self, scale: float = 2e-4) -> tuple[float, ...]:
        """b_t^2 = scale (sigma_bar_t / sigma_bar_0) sigma_{t+1}^2, `(T,)`: the temperature of E at level
        t, and the step of its chain."""
        bars = self.sigma_bar
        return tuple(scale * bar / bars[0] * s * s for bar, s in zip(bars, self.sigma[1:], strict=False))

    @property
    def _signal(self) -> tuple[float, ...]:
        slope = (LAST - FIRST) / (SMALL_STEPS - 1)
        kept, total = [], 0.0
        for k in range(SMALL_STEPS):
            total += math.log1p(-(FIRST + slope * k))
            kept.append(math.exp(total / 2))
        return tuple(kept[k] for k in self.marks)

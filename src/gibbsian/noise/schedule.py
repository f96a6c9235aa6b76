"""Schedules: a number for each step k = 0, 1, 2, ... No torch; frozen records, so they save and compare.

A schedule over `steps` steps has its `start` value at step 0 and its `end` value at step `steps - 1`,
and keeps it from then on; with one step it is at `end` at once. Steps below 0 are not assumed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from ..core.errors import UsageError, require_positive

Schedule: TypeAlias = Callable[[int], float]


@dataclass(frozen=True)
class Constant:
    """The same `value` at each step."""

    value: float

    def __call__(self, step: int) -> float:
        return self.value


@dataclass(frozen=True)
class Linear:
    """start + (end - start) k / (steps - 1)."""

    start: float
    end: float
    steps: int

    def __post_init__(self) -> None:
        require_positive(steps=self.steps)

    def __call__(self, step: int) -> float:
        return _between(self.start, self.end, _share(step, self.steps))


@dataclass(frozen=True)
class Geometric:
    """start (end / start)^(k / (steps - 1)); both ends positive."""

    start: float
    end: float
    steps: int

    def __post_init__(self) -> None:
        require_positive(start=self.start, end=self.end, steps=self.steps)

    def __call__(self, step: int) -> float:
        share = _share(step, self.steps)
        return self.end if share == 1 else self.start * (self.end / self.start) ** share


@dataclass(frozen=True)
class Cosine:
    """end + (start - end) (1 + cos(pi k / (steps - 1))) / 2 (I. Loshchilov, F. Hutter, ICLR 2017, eq. 5)."""

    start: float
    end: float
    steps: int

    def __post_init__(self) -> None:
        require_positive(steps=self.steps)

    def __call__(self, step: int) -> float:
        return _between(self.start, self.end, _ease(_share(step, self.steps)))


@dataclass(frozen=True)
class Polynomial:
    """a (b + k)^(-gamma), the step sizes of SGLD (M. Welling, Y. W. Teh, ICML 2011, section 3).

    `a`, `b` positive, `gamma` in (0, 1]; its sum diverges, so that the chain can reach everywhere, and
    for gamma > 1/2 the sum of its squares does not, so that the discretisation error dies out.
    """

    a: float
    b: float = 1.0
    gamma: float = 0.55

    def __post_init__(self) -> None:
        require_positive(a=self.a, b=self.b)
        if not 0 < self.gamma <= 1:
            raise UsageError(f"gamma is {self.gamma}: it must lie in (0, 1], usually above .5")

    def __call__(self, step: int) -> float:
        return self.a * (self.b + step) ** -self.gamma


@dataclass(frozen=True)
class Staircase:
    """start * factor^floor(k / every): a constant, multiplied by `factor` after every `every` steps."""

    start: float
    factor: float
    every: int

    def __post_init__(self) -> None:
        require_positive(factor=self.factor, every=self.every)

    def __call__(self, step: int) -> float:
        return self.start * self.factor ** (step // self.every)


@dataclass(frozen=True)
class Decay:
    """Factor in [0, 1] on a learning rate: up in `warmup` steps, flat, then down by a cosine to `floor`.

    Of `total` steps, the last share `cooldown` in [0, 1] is spent falling; the factor is (k + 1) / warmup
    while warming up, and exactly `floor` at step `total - 1` and after. Raises `UsageError` where
    warm-up and cool-down overlap.
    """

    total: int
    warmup: int = 0
    cooldown: float = 0.0
    floor: float = 0.0

    def __post_init__(self) -> None:
        require_positive(total=self.total)
        for name in ("cooldown", "floor"):
            if not 0 <= getattr(self, name) <= 1:
                raise UsageError(f"{name} is {getattr(self, name)}: it is a share in [0, 1]")
        if self.warmup < 0 or self.warmup > self.total - self._falling:
            raise UsageError(
                f"warmup is {self.warmup} of {self.total} steps with cooldown {self.cooldown}: it must be 0 "
                "or more and end before the cool-down begins; lower warmup or cooldown"
            )

    @property
    def _falling(self) -> int:
        return round(self.cooldown * self.total)

    def __call__(self, step: int) -> float:
        if step < self.warmup:
            return (step + 1) / self.warmup
        if not self._falling:
            return 1.0
        into = step - (self.total - self._falling) + 1
        return _between(1.0, self.floor, _ease(min(max(into / self._falling, 0.0), 1.0)))


def _share(step: int, steps: int) -> float:
    return 1.0 if step >= steps - 1 else step / (steps - 1)


def _ease(share: float) -> float:
    return 0.5 * (1 - math.cos(math.pi * share))


def _between(start: float, end: float, share: float) -> float:
    return (1 - share) * start + share * end

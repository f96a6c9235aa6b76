"""Schedules: a number for each step k = 0, 1, 2, ... No torch; frozen records, so they save and compare."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from ..core.errors import UsageError, require_positive

Schedule: TypeAlias = Callable[[int], float]


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

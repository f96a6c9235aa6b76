"""Variations of Langevin dynamics from the image papers, as wrappers.

    Clamped(Clipped(NoiseFirst(Langevin.matched_to(10, .005)), value=.01), 0, 1)    # IGEBM

Each wrapper changes one part of the wrapped kernel's `Move`; the order of the parts is fixed (see
`langevin`), so nesting order does not matter. None of them leaves exp(-E/T) invariant, even for small
steps, apart from `Scheduled(step_size=...)`. Metropolis kernels are refused: a clamped MALA has variance
.44 where .29 is right. To fix known coordinates restrict the energy; there is no mask wrapper.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

from ..core.errors import UsageError, require_positive
from .langevin import Unadjusted, require_unadjusted
from .move import Move

Schedule: TypeAlias = Callable[[int], float]


@dataclass(frozen=True)
class Clipped(Unadjusted):
    """The gradient is limited before it is used: each coordinate to [-value, value], or each chain to `norm`.

    Elementwise as in IGEBM (Du and Mordatch 2019, arXiv 1903.08689; .01 at CIFAR-10); by norm the gradient of
    a chain, over all its coordinates and leaves, keeps its direction and is scaled to Euclidean length `norm`
    if longer.

    Raises:
        UsageError: unless exactly one positive limit is given; around a Metropolis kernel; clipped twice.
    """

    kernel: Unadjusted
    value: float | None = None
    norm: float | None = None

    def __post_init__(self) -> None:
        require_unadjusted("Clipped", self.kernel)
        limits = {k: v for k, v in (("value", self.value), ("norm", self.norm)) if v is not None}
        if len(limits) != 1:
            raise UsageError(f"Clipped has value={self.value} and norm={self.norm}: give exactly one of them")
        require_positive(**limits)
        inner = self.kernel.move(0)
        if inner.clip_value is not None or inner.clip_norm is not None:
            raise UsageError("this kernel clips its gradient already: Clipped can be used once")

    @property
    def steady(self) -> bool:
        """As the wrapped kernel."""
        return self.kernel.steady

    def move(self, count: int) -> Move:
        """The wrapped move with a limit on the gradient."""
        return replace(self.kernel.move(count), clip_value=self.value, clip_norm=self.norm)


@dataclass(frozen=True)
class Clamped(Unadjusted):
    """Every coordinate is clamped to [low, high] after the move.

    With `noised` the point at which the gradient is taken is clamped too: the UvA tutorial does, IGEBM does
    not. That needs `NoiseFirst` somewhere in the nest; `init` raises `UsageError` without it.

    Raises:
        UsageError: unless low < high; around a Metropolis kernel; clamped twice.
    """

    kernel: Unadjusted
    low: float
    high: float
    noised: bool = False

    def __post_init__(self) -> None:
        require_unadjusted("Clamped", self.kernel)
        if not self.low < self.high:
            raise UsageError(f"Clamped has low={self.low} and high={self.high}: low must be below high")
        if self.kernel.move(0).box is not None:
            raise UsageError("this kernel clamps its position already: Clamped can be used once")

    @property
    def steady(self) -> bool:
        """As the wrapped kernel."""
        return self.kernel.steady

    def move(self, count: int) -> Move:
        """The wrapped move inside a box."""
        return replace(self.kernel.move(count), box=(self.low, self.high), box_noised=self.noised)


@dataclass(frozen=True)
class Scheduled(Unadjusted):
    """Step size and temperature as functions of the number of steps made (`state.count`, from 0).

    A schedule is any callable int -> float and replaces the wrapped kernel's number; an outer schedule
    wins over an inner one. CF-EBM lets its noise go to 0 (Zhao et al. 2021): a scheduled temperature makes
    the chain unmatched.

    Raises:
        UsageError: without a schedule; around a Metropolis kernel; when a schedule leaves the allowed range.
    """

    kernel: Unadjusted
    step_size: Schedule | None = None
    temperature: Schedule | None = None

    def __post_init__(self) -> None:
        require_unadjusted("Scheduled", self.kernel)
        if self.step_size is None and self.temperature is None:
            raise UsageError("Scheduled has no schedule: give step_size=, temperature= or both")

    def move(self, count: int) -> Move:
        """The wrapped move with the scheduled numbers of this step."""
        move = self.kernel.move(count)
        if self.step_size is not None:
            move = replace(move, step_size=float(self.step_size(count)))
        if self.temperature is not None:
            move = replace(move, temperature=float(self.temperature(count)), annealed=True)
        return move


@dataclass(frozen=True)
class Later(Unadjusted):
    """The wrapped kernel as it stands after `made` >= 0 steps: its schedules go on where other legs ended."""

    kernel: Unadjusted
    made: int

    def __post_init__(self) -> None:
        require_unadjusted("Later", self.kernel)
        if self.made < 0:
            raise UsageError(f"made is {self.made}: the number of earlier steps must be 0 or more")

    @property
    def steady(self) -> bool:
        """As the wrapped kernel."""
        return self.kernel.steady

    def move(self, count: int) -> Move:
        """The wrapped move, `made` steps further on."""
        return self.kernel.move(self.made + count)

"""Energies made of energies: sums, temperatures, mixtures, negation.

Every class is a callable position -> `(B,)`, holds no parameters, and selects its per-chain context
with `rows(index)`. Three rules keep the algebra honest.

**Temperatures.** An energy trained at temperature T stands for the density exp(-E/T), so it enters a
sum as E/T, the sum runs at temperature 1, and the step s of its chain becomes s T: (E, s, T) and
(E/T, s T, 1) are the same chain. `tempered` divides, `shared_step` gives the step of a sum. Priors,
tethers and Gaussian references are added to E/T, never to a cold E.

**Mixtures.** The density sum_i w_i exp(-E_i)/Z_i needs every log Z_i. Without them the sum still is a
density, but one whose weights are w_i Z_i up to a factor: arbitrary, and called so.

**Guidance** needs E(x) beside E(x, y), at one temperature: see `conditional.py`.

Sources: G. Hinton, Training products of experts by minimizing contrastive divergence, 2002; Y. Du,
S. Li, I. Mordatch, Compositional visual generation with energy based models, 2020 (arXiv:2004.06030);
Y. Du et al., Reduce, reuse, recycle, 2023 (arXiv:2302.11552).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..core.energy import Energy, called
from ..core.errors import UsageError, require_positive
from ..core.position import Position
from ..core.show import one_line
from .context import Index, above_zero, per_chain, rows, take


@dataclass(frozen=True, eq=False)
class Product:
    """E(x) = sum_i E_i(x): the density prod_i exp(-E_i(x)), all of it at temperature 1.

    Divide each E_i by its own temperature first (`tempered`). Raises `UsageError` when empty.
    """

    energies: Sequence[Energy]

    __repr__ = one_line

    def __post_init__(self) -> None:
        object.__setattr__(self, "energies", _at_least_one("Product", self.energies))

    def __call__(self, x: Position) -> Tensor:
        return _total(called(energy, x) for energy in self.energies)

    def rows(self, index: Index) -> Product:
        """The product over the chains at `index`."""
        return Product([rows(energy, index) for energy in self.energies])


@dataclass(frozen=True, eq=False)
class Ensemble:
    """E(x) = mean_i E_i(x), e.g. over past checkpoints (Du and Mordatch 2019, arXiv:1903.08689).

    The geometric mean of the densities, unlike `Product`, keeps the temperature of its members. Raises
    `UsageError` when empty.
    """

    energies: Sequence[Energy]

    __repr__ = one_line

    def __post_init__(self) -> None:
        object.__setattr__(self, "energies", _at_least_one("Ensemble", self.energies))

    def __call__(self, x: Position) -> Tensor:
        return _total(called(energy, x) for energy in self.energies) / len(self.energies)

    def rows(self, index: Index) -> Ensemble:
        """The ensemble over the chains at `index`."""
        return Ensemble([rows(energy, index) for energy in self.energies])


@dataclass(frozen=True, eq=False)
class Scaled:
    """factor * E(x), with one factor or one a chain, `(B,)`. Raises `UsageError` if it is not finite."""

    energy: Energy
    factor: float | Tensor

    __repr__ = one_line

    def __post_init__(self) -> None:
        if not bool(torch.isfinite(torch.as_tensor(self.factor)).all()):
            raise UsageError(f"factor is {self.factor}: it must be finite")

    def __call__(self, x: Position) -> Tensor:
        return per_chain(self.factor, x, "factor") * called(self.energy, x)

    def rows(self, index: Index) -> Scaled:
        """The scaled energy over the chains at `index`."""
        return Scaled(rows(self.energy, index), take(self.factor, index))


@dataclass(frozen=True, eq=False)
class Tempered:
    """E(x) / T: an energy of temperature T brought to temperature 1, where sums are taken.

    T is one number or one a chain, `(B,)`; raises `UsageError` unless it is positive.
    """

    energy: Energy
    temperature: float | Tensor

    __repr__ = one_line

    def __post_init__(self) -> None:
        above_zero("temperature", self.temperature)

    def __call__(self, x: Position) -> Tensor:
        return called(self.energy, x) / per_chain(self.temperature, x, "temperature")

    def rows(self, index: Index) -> Tempered:
        """The tempered energy over the chains at `index`."""
        return Tempered(rows(self.energy, index), take(self.temperature, index))


@dataclass(frozen=True, eq=False)
class Mixture:
    """E(x) = -log sum_i w_i exp(-E_i(x)) / Z_i: the density sum_i w_i p_i(x).

    `weights` are positive and are normalised (equal ones by default); `log_z` holds log Z_i of the E_i
    given, after tempering. With `log_z` the mixture is itself normalised, its log Z is 0. Without, every
    log Z_i is taken as 0 and component i truly weighs w_i Z_i up to a factor: Gaussians of deviation 1
    and 1/2 in the plane, "equally weighted", then stand 4 to 1. Raises `UsageError` on unequal lengths.
    """

    energies: Sequence[Energy]
    weights: Sequence[float] | None = None
    log_z: Sequence[float] | None = None

    __repr__ = one_line

    def __post_init__(self) -> None:
        energies = _at_least_one("Mixture", self.energies)
        weights = _as_many("weights", self.weights, energies, default=1.0)
        above_zero("weights", torch.tensor(weights, dtype=torch.float64))
        object.__setattr__(self, "energies", energies)
        object.__setattr__(self, "weights", tuple(w / sum(weights) for w in weights))
        if self.log_z is not None:
            object.__setattr__(self, "log_z", _as_many("log_z", self.log_z, energies, default=0.0))

    def __call__(self, x: Position) -> Tensor:
        pairs = zip(self._shifts(), self.energies, strict=True)
        return -torch.logsumexp(torch.stack([shift - called(energy, x) for shift, energy in pairs]), dim=0)

    def rows(self, index: Index) -> Mixture:
        """The mixture over the chains at `index`."""
        return replace(self, energies=[rows(energy, index) for energy in self.energies])

    def _shifts(self) -> list[float]:
        """log w_i - log Z_i."""
        log_z = self.log_z or [0.0] * len(self.energies)
        return [math.log(w) - z for w, z in zip(self.weights or (), log_z, strict=True)]


@dataclass(frozen=True, eq=False)
class Negation:
    """E(x) = E_1(x) - alpha min(E_2(x), ceiling): the density p_1(x) / p_2(x)^alpha, "1 but not 2".

    Where E_2 grows faster than E_1 / alpha this has no lower bound and is no density; a finite `ceiling`
    bounds what leaving p_2 can earn, at alpha * ceiling. Both energies at temperature 1 (`tempered`).
    Raises `UsageError` unless alpha is finite and at least 0.
    """

    energy: Energy
    negated: Energy
    alpha: float = 1.0
    ceiling: float | None = None

    __repr__ = one_line

    def __post_init__(self) -> None:
        if not 0 <= self.alpha < math.inf:
            raise UsageError(f"alpha is {self.alpha}: it must be finite and at least 0; try 0.3")
        if self.ceiling is not None and not math.isfinite(self.ceiling):
            raise UsageError(f"ceiling is {self.ceiling}: it must be a finite energy; leave it out for none")

    def __call__(self, x: Position) -> Tensor:
        against = called(self.negated, x)
        if self.ceiling is not None:
            against = against.clamp(max=self.ceiling)
        return called(self.energy, x) - self.alpha * against

    def rows(self, index: Index) -> Negation:
        """The negation over the chains at `index`."""
        return replace(self, energy=rows(self.energy, index), negated=rows(self.negated, index))


def tempered(energies: Sequence[Energy], temperatures: Sequence[float]) -> tuple[Energy, ...]:
    """Each E_i / T_i, ready for `Product`, `Mixture` or `Negation` run at temperature 1.

    A prior, tether or reference has temperature 1: `Product(tempered([net, tether], [T, 1.0]))`.
    """
    pairs = zip(energies, _as_many("temperatures", temperatures, energies, default=1.0), strict=True)
    return tuple(energy if t == 1 else Tempered(energy, t) for energy, t in pairs)


def shared_step(step_sizes: Sequence[float], temperatures: Sequence[float]) -> float:
    """min_i s_i T_i: the Langevin step for a sum of energies that ran with (s_i, T_i) each."""
    steps = _as_many("step_sizes", step_sizes, temperatures, default=1.0)
    pairs = list(zip(steps, temperatures, strict=True))
    if not pairs:
        raise UsageError("step_sizes is empty: give at least one step size and its temperature")
    for step_size, temperature in pairs:
        require_positive(step_size=step_size, temperature=temperature)
    return min(step_size * temperature for step_size, temperature in pairs)


def _total(values: Iterable[Tensor]) -> Tensor:
    first, *others = values
    for other in others:
        first = first + other
    return first


def _at_least_one(what: str, energies: Sequence[Energy]) -> tuple[Energy, ...]:
    if not energies:
        raise UsageError(f"{what} of no energies: give at least one")
    return tuple(energies)


def _as_many(
    name: str, numbers: Sequence[float] | None, beside: Sequence[object], default: float
) -> tuple[float, ...]:
    if numbers is None:
        return (default,) * len(beside)
    if len(numbers) != len(beside):
        raise UsageError(f"{name} has {len(numbers)} entries for {len(beside)}: give one each")
    return tuple(float(number) for number in numbers)

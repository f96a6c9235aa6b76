"""Reports of steps, and the sums that the loop makes of them.

A report is what a person needs of one step. Sums stay on the device until somebody reads them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple, TypeAlias, cast

import torch
from torch import Tensor

from ..core.position import Position, batch_size, leaves, like, norm
from ..core.show import brief, one_line

REPORTS = ("acceptance", "divergent", "drift", "noise", "clipped", "saturated", "gradients")
WAITING = 16
"""Reports that wait for one another, at most."""
HELD = 2**18
"""Bytes that they may hold."""


class Length(NamedTuple):
    """Euclidean norms of `position`, one a chain, times `factor`: numbers that are taken where they are read.

    As a report of divergence: chains whose norm is not finite.
    """

    position: Position
    factor: float | Tensor = 1.0

    def numbers(self) -> Tensor:
        """The norms `(B,)`."""
        return norm(self.position) * self.factor


Report: TypeAlias = Tensor | Length


class ChainInfo:
    """What a person needs to know of one step.

    `acceptance` `(B,)`: probability in [0, 1], None without Metropolis. `divergent` `(B,)` bool: the step led
    to a non-finite place. `drift`, `noise` `(B,)`: Euclidean norms of the two parts of a Langevin step.
    `clipped`: scalar share in [0, 1] of gradient coordinates (value) or chains (norm) that were clipped.
    `saturated`: scalar share in [0, 1] of coordinates that lie on the border of the clamp. `gradients`
    `(B,)`: how many a chain itself needed, where chains need different numbers.

    Kernels may give a `Length` in place of norms, and of `divergent`; `parts` holds what they gave.
    """

    __slots__ = ("parts",)

    def __init__(
        self,
        acceptance: Tensor | None,
        divergent: Report,
        drift: Report | None = None,
        noise: Report | None = None,
        clipped: Tensor | None = None,
        saturated: Tensor | None = None,
        gradients: Tensor | None = None,
    ) -> None:
        given = (acceptance, divergent, drift, noise, clipped, saturated, gradients)
        self.parts: dict[str, Report] = {k: v for k, v in zip(REPORTS, given, strict=True) if v is not None}

    def __repr__(self) -> str:
        told = (
            f"{name}={brief(value)}"
            for name, value in {**self.numbers(), "divergent": self.divergent}.items()
        )
        return f"ChainInfo({', '.join(told)})"

    @property
    def acceptance(self) -> Tensor | None:
        """Probabilities `(B,)`."""
        return self._number("acceptance")

    @property
    def drift(self) -> Tensor | None:
        """Norms `(B,)`."""
        return self._number("drift")

    @property
    def noise(self) -> Tensor | None:
        """Norms `(B,)`."""
        return self._number("noise")

    @property
    def clipped(self) -> Tensor | None:
        """A share."""
        return self._number("clipped")

    @property
    def saturated(self) -> Tensor | None:
        """A share."""
        return self._number("saturated")

    @property
    def gradients(self) -> Tensor | None:
        """Numbers `(B,)`."""
        return self._number("gradients")

    @property
    def divergent(self) -> Tensor:
        """Which chains are lost, `(B,)` bool."""
        found = self.parts["divergent"]
        return ~(found.numbers() < torch.inf) if isinstance(found, Length) else found

    def numbers(self) -> dict[str, Tensor]:
        """All but `divergent`, of what there is."""
        return {k: _taken(v) for k, v in self.parts.items() if k != "divergent"}

    def _number(self, name: str) -> Tensor | None:
        part = self.parts.get(name)
        return None if part is None else _taken(part)


@dataclass(frozen=True)
class ChainSummary:
    """The reports of all steps in one: means over steps, `divergent` if any step was.

    `acceptance` `(B,)` or None; `divergent` `(B,)` bool; `drift` `(B,)`, the mean norm of a step's drift;
    `drift_noise` scalar, the mean norm of the drift
    over the mean norm of the noise (healthy: .1 to 10), over the chains that never diverged; `clipped`,
    `saturated` scalars in [0, 1]; all None where the kernel has no such thing. `gradients` counts the
    evaluations of the gradient a chain, the one at the start included; where chains need different numbers it
    is their mean, and `trajectory` `(B,)` the mean number a step that each chain itself needed.
    """

    acceptance: Tensor | None
    divergent: Tensor
    drift: Tensor | None
    drift_noise: Tensor | None
    clipped: Tensor | None
    saturated: Tensor | None
    steps: int
    gradients: int
    trajectory: Tensor | None = None

    __repr__ = one_line

    def __str__(self) -> str:
        """Steps, and what there is of acceptance, divergence and the rest, in one line."""
        told = [f"{self.steps} steps of {self.gradients} gradients"]
        if self.acceptance is not None:
            told.append(f"acceptance {float(self.acceptance.mean()):.2f}")
        for name in ("drift_noise", "clipped", "saturated"):
            value = getattr(self, name)
            if value is not None and bool(value.isfinite()) and float(value) > 0:
                told.append(f"{name.replace('_', '/')} {float(value):.2g}")
        return ", ".join([*told, f"divergent {float(self.divergent.float().mean()):.1%}"])


class InfoAccumulator:
    """Running sums of the reports, as tensors on their own device.

    Reports of small positions wait for one another, since one norm of many is as quick as one of one.
    """

    def __init__(self, chains: int) -> None:
        self.chains = chains
        self.steps = 0
        self.divergent: Tensor | None = None
        self.sums: dict[str, Tensor] = {}
        self.waiting: list[ChainInfo] = []
        self.room = 0

    def add(self, info: ChainInfo) -> None:
        """Add the report of one step to the sums, at once or with those that follow."""
        self.waiting.append(info)
        self.room = self.room or _room(info)
        if len(self.waiting) >= self.room:
            self.settle()

    def settle(self) -> None:
        """Add the reports that wait."""
        waiting, self.waiting = self.waiting, []
        for names, group in groupby(waiting, lambda info: info.parts.keys()):
            infos = list(group)
            parts = {name: _side_by_side([info.parts[name] for info in infos]) for name in names}
            lost = parts.pop("divergent")
            lost = lost if lost.dtype == torch.bool else ~(lost < torch.inf)
            self.merge(len(infos), lost.any(0), {name: part.sum(0) for name, part in parts.items()})

    def merge(self, steps: int, divergent: Tensor, sums: dict[str, Tensor]) -> None:
        """Add the sums over several steps."""
        self.steps += steps
        self.divergent = divergent if self.divergent is None else self.divergent | divergent
        for name, number in sums.items():
            self.sums[name] = self.sums[name] + number if name in self.sums else number

    def summary(self, device: torch.device, gradients: int) -> ChainSummary:
        """The means over the steps so far."""
        self.settle()
        divergent = self.divergent
        if divergent is None:
            divergent = torch.zeros(self.chains, dtype=torch.bool, device=device)
        own = self.sums.get("gradients")
        return ChainSummary(
            acceptance=self._mean("acceptance"),
            divergent=divergent,
            drift=self._mean("drift"),
            drift_noise=self._ratio(divergent),
            clipped=self._mean("clipped"),
            saturated=self._mean("saturated"),
            steps=self.steps,
            gradients=gradients if own is None else gradients + round(float(own.mean())),
            trajectory=self._mean("gradients"),
        )

    def _mean(self, name: str) -> Tensor | None:
        return self.sums[name] / self.steps if name in self.sums else None

    def _ratio(self, divergent: Tensor) -> Tensor | None:
        if "drift" not in self.sums or "noise" not in self.sums:
            return None
        drift, noise = (self.sums[n].masked_fill(divergent, 0.0).sum() for n in ("drift", "noise"))
        return drift / noise


def _room(info: ChainInfo) -> int:
    """How many reports may wait: fewer, the more memory each holds."""
    lengths = [part for part in info.parts.values() if isinstance(part, Length)]
    held = sum(a.nbytes for part in lengths for a in leaves(part.position))
    return max(1, min(WAITING, HELD // max(held, 1)))


def _taken(part: Report) -> Tensor:
    return part.numbers() if isinstance(part, Length) else part


def _side_by_side(parts: Sequence[Report]) -> Tensor:
    """The numbers of some steps, `(steps, B)`, or `(steps,)` of shares."""
    if len(parts) == 1 or not all(isinstance(part, Length) for part in parts):
        return torch.stack([_taken(part) for part in parts])
    lengths = cast("Sequence[Length]", parts)
    chains = batch_size(lengths[0].position)
    groups = zip(*(leaves(part.position) for part in lengths), strict=True)
    together = like(lengths[0].position, tuple(torch.cat(group) for group in groups))
    numbers, factors = norm(together).view(len(parts), chains), [part.factor for part in lengths]
    if not any(isinstance(f, Tensor) for f in factors) and len(set(factors)) == 1:
        return numbers * factors[0]
    as_told = [torch.as_tensor(f, dtype=numbers.dtype, device=numbers.device) for f in factors]
    return numbers * torch.stack(as_told)[:, None]

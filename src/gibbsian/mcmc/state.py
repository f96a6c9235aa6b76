"""State and report of a step, and the sums that the loop makes of them.

The state holds what the next step needs, the report what a person needs; both are plain tuples of
tensors, with B chains along the first dimension. Sums stay on the device until somebody reads them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from ..core.errors import UsageError
from ..core.position import Position, detach, leaves, like
from ..core.show import one_line


class ChainState(NamedTuple):
    """What the next step needs.

    `position` `(B, *event)`; `energy` `(B,)` and `grad` at that position where the kernel reuses them;
    `velocity` of an underdamped chain; `count`, the number of steps made (schedules read it).
    """

    position: Position
    energy: Tensor | None = None
    grad: Position | None = None
    velocity: Position | None = None
    count: int = 0  # type: ignore[assignment]

    def __repr__(self) -> str:
        return one_line(self)


class ChainInfo(NamedTuple):
    """What a person needs to know of one step.

    `acceptance` `(B,)`: probability in [0, 1], None without Metropolis. `divergent` `(B,)` bool: the step led
    to a non-finite place. `drift`, `noise` `(B,)`: Euclidean norms of the two parts of a Langevin step.
    `clipped`: scalar share in [0, 1] of gradient coordinates (value) or chains (norm) that were clipped.
    `saturated`: scalar share in [0, 1] of coordinates that lie on the border of the clamp.
    """

    acceptance: Tensor | None
    divergent: Tensor
    drift: Tensor | None = None
    noise: Tensor | None = None
    clipped: Tensor | None = None
    saturated: Tensor | None = None

    def __repr__(self) -> str:
        return one_line(self)


@dataclass(frozen=True)
class ChainSummary:
    """The reports of all steps in one: means over steps, `divergent` if any step was.

    `acceptance` `(B,)` or None; `divergent` `(B,)` bool; `drift` `(B,)`, the mean norm of a step's drift;
    `drift_noise` scalar, the mean norm of the drift
    over the mean norm of the noise (healthy: .1 to 10), over the chains that never diverged; `clipped`,
    `saturated` scalars in [0, 1]; all None where the kernel has no such thing. `gradients` counts the
    evaluations of the gradient a chain, the one at the start included.
    """

    acceptance: Tensor | None
    divergent: Tensor
    drift: Tensor | None
    drift_noise: Tensor | None
    clipped: Tensor | None
    saturated: Tensor | None
    steps: int
    gradients: int

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


def known_energy(state: ChainState) -> Tensor:
    """Energy `(B,)` of a state that must hold it; raises `UsageError` if it does not."""
    if state.energy is None:
        raise UsageError("this state holds no energy: start it with the `init` of this kernel")
    return state.energy


def cached(state: ChainState) -> tuple[Tensor, Position]:
    """Energy `(B,)` and gradient of a state that must hold them; raises `UsageError` if it does not."""
    if state.energy is None or state.grad is None:
        raise UsageError("this state holds no energy and gradient: start it with the `init` of this kernel")
    return state.energy, state.grad


class Trace:
    """Every `thin`-th position, detached."""

    def __init__(self, thin: int) -> None:
        self.thin = thin
        self.states: list[ChainState] = []

    def add(self, state: ChainState, made: int) -> None:
        """Keep the position after `made` steps if its turn has come."""
        if self.thin and made % self.thin == 0:
            self.states.append(ChainState(detach(state.position), state.energy))

    def extend(self, states: Sequence[ChainState]) -> None:
        """Keep positions whose turn has come."""
        self.states += states

    def positions(self) -> Position | None:
        """The kept positions `(kept, B, *event)`, None without any."""
        if not self.states:
            return None
        parts = zip(*(leaves(s.position) for s in self.states), strict=True)
        return like(self.states[0].position, tuple(torch.stack(group) for group in parts))

    def energies(self) -> Tensor | None:
        """Their energies `(kept, B)`, None where the kernel does not know them."""
        known = [s.energy for s in self.states if s.energy is not None]
        return torch.stack(known) if known else None


class InfoAccumulator:
    """Running sums of the reports, as tensors on their own device."""

    def __init__(self, chains: int) -> None:
        self.chains = chains
        self.steps = 0
        self.divergent: Tensor | None = None
        self.sums: dict[str, Tensor] = {}

    def add(self, info: ChainInfo) -> None:
        """Add the report of one step to the sums."""
        numbers = {k: v for k, v in info._asdict().items() if k != "divergent" and v is not None}
        self.merge(1, info.divergent, numbers)

    def merge(self, steps: int, divergent: Tensor, sums: dict[str, Tensor]) -> None:
        """Add the sums over several steps."""
        self.steps += steps
        self.divergent = divergent if self.divergent is None else self.divergent | divergent
        for name, number in sums.items():
            self.sums[name] = self.sums[name] + number if name in self.sums else number

    def summary(self, device: torch.device, gradients: int) -> ChainSummary:
        """The means over the steps so far."""
        divergent = self.divergent
        if divergent is None:
            divergent = torch.zeros(self.chains, dtype=torch.bool, device=device)
        return ChainSummary(
            acceptance=self._mean("acceptance"),
            divergent=divergent,
            drift=self._mean("drift"),
            drift_noise=self._ratio(divergent),
            clipped=self._mean("clipped"),
            saturated=self._mean("saturated"),
            steps=self.steps,
            gradients=gradients,
        )

    def _mean(self, name: str) -> Tensor | None:
        return self.sums[name] / self.steps if name in self.sums else None

    def _ratio(self, divergent: Tensor) -> Tensor | None:
        if "drift" not in self.sums or "noise" not in self.sums:
            return None
        drift, noise = (self.sums[n].masked_fill(divergent, 0.0).sum() for n in ("drift", "noise"))
        return drift / noise

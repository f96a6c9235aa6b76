"""Episodes as transitions: a row is one step of a path, its condition the state before it.

    x      the step s' - s, each coordinate with mean 0 and deviation 1
    cond   the state s, the last step where the state alone is no full account of the past, and the action

Steps, not next states, because a path moves little in one step: what is to be learnt is then not lost in
rounding. Units are those of the training episodes. Parts are whole episodes, since neighbouring rows are
alike.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..core.errors import UsageError


@dataclass(frozen=True, eq=False)
class Scale:
    """Numbers `(..., D)` with mean 0 and deviation 1: z = (x - shift) / scale."""

    shift: Tensor
    scale: Tensor

    @classmethod
    def of(cls, x: Tensor) -> Scale:
        """Of rows `(N, D)`; columns of one value are only shifted."""
        wide = x.double()
        deviation = wide.std(0, unbiased=False)
        constant = deviation <= 1e-6 * wide.abs().amax(0)
        return cls(wide.mean(0).float(), torch.where(constant, 1.0, deviation).float())

    def standardised(self, x: Tensor) -> Tensor:
        """As models see them."""
        return (x - self.shift) / self.scale

    def in_units(self, z: Tensor) -> Tensor:
        """In units."""
        return z * self.scale + self.shift


@dataclass(frozen=True, eq=False)
class Transitions:
    """What makes rows of a path, and paths of rows.

    Fields:
        states: paths `(T, D)` of this part, float32 in their own units.
        actions: what was done at each state, `(T, A)` or `(T - 1, A)` each; empty without.
        state, step, action: units, those of the training part.
        low, high: `(D,)`, the least and most of each coordinate in the training part.
        memory: whether the condition holds the last step too.
        reach: least and most of each number of a condition in training, `(C,)`, which conditions are held to:
            no network is asked about what it has never seen.
    """

    states: tuple[Tensor, ...]
    actions: tuple[Tensor, ...]
    state: Scale
    step: Scale
    action: Scale | None
    low: Tensor
    high: Tensor
    memory: bool
    reach: tuple[Tensor, Tensor] | None = None

    @property
    def lag(self) -> int:
        """How many states a condition is made of, 1 or 2."""
        return 2 if self.memory else 1

    @property
    def size(self) -> int:
        """D, the number of coordinates of a state."""
        return len(self.low)

    @property
    def width(self) -> int:
        """C, how many numbers a condition has."""
        return self.size * self.lag + (0 if self.action is None else len(self.action.shift))

    def condition(self, past: Tensor, action: Tensor | None = None) -> Tensor:
        """The condition `(B, C)` of states `past` `(B, lag, D)`, which end in the present, and actions."""
        parts = [self.state.standardised(past[:, -1])]
        if self.memory:
            parts.append(self.step.standardised(past[:, -1] - past[:, -2]))
        if self.action is not None:
            if action is None:
                raise UsageError("these transitions have actions: give the actions to follow, one a step")
            parts.append(self.action.standardised(action))
        c = torch.cat(parts, 1)
        return c if self.reach is None else c.clamp(*self.reach)

    def following(self, state: Tensor, x: Tensor) -> Tensor:
        """The next state, in units, of `state` `(B, D)` and a row `x` `(B, D)`."""
        return state + self.step.in_units(x)

    @property
    def count(self) -> int:
        """The number of rows."""
        return sum(len(path) - self.lag for path in self.states)

    def place(self, row: int) -> tuple[int, int]:
        """(episode, place of the present) of a row."""
        for i, path in enumerate(self.states):
            if row < len(path) - self.lag:
                return i, row + self.lag - 1
            row -= len(path) - self.lag
        raise UsageError(f"row {row} is beyond the last")

    def split(self, rows: int) -> tuple[Transitions, Transitions]:
        """The first episodes and the last, which have at least so many rows; raises `UsageError` where the
        first would be none."""
        last, n = len(self.states), 0
        while n < rows:
            last -= 1
            n += len(self.states[last]) - self.lag
        if last < 1:
            raise UsageError(f"validation is {rows} rows: whole episodes of as many leave none to learn from")
        cuts = (slice(last), slice(last, None))
        first, held = (replace(self, states=self.states[c], actions=self.actions[c]) for c in cuts)
        return first, held

    def rows(self) -> tuple[Tensor, Tensor]:
        """x `(N, D)` and cond `(N, C)` of every transition of this part."""
        x, cond = [], []
        for i, path in enumerate(self.states):
            past = path.unfold(0, self.lag, 1).mT[:-1]
            done = self.actions[i][self.lag - 1 : len(path) - 1] if self.actions else None
            x.append(self.step.standardised(path[self.lag :] - path[self.lag - 1 : -1]))
            cond.append(self.condition(past, done))
        return torch.cat(x), torch.cat(cond)

    def windows(self, horizon: int) -> list[tuple[int, int]]:
        """(episode, place of the present) of windows with `horizon` steps to come; raises `UsageError`."""
        found = [
            (i, t) for i, path in enumerate(self.states) for t in range(self.lag - 1, len(path) - horizon)
        ]
        if not found:
            longest = max(map(len, self.states)) - self.lag
            raise UsageError(
                f"horizon is {horizon}, but the longest held-out episode has {longest} steps: take fewer"
            )
        return found

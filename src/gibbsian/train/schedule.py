"""Where a run is in its recipe, and how the updates to come go through the rest of it (see `budget`)."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Mapping
from typing import Any

from ..core.config import step_counted
from ..models.learner import Learner
from .budget import Budget, told
from .settings import TrainConfig


class TrainingSchedule:
    """The place in a recipe of `whole` updates, of which `position` are done.

    Args:
        learner: says where parts begin, and which of its settings count updates.
        config: settings of the trainer, some of which do.
        given: settings that a person gave. A budget of time stretches those that count updates with the run,
            unless any of the learner's is among them.
    """

    def __init__(self, learner: Learner, config: TrainConfig, given: Collection[str] = ()) -> None:
        self.learner, self.config, self.given = learner, config, frozenset(given)
        self.position, self.whole = 0.0, float(config.steps)
        self.fixed, self._told, self._latest = False, 0, -1.0

    @property
    def stretches(self) -> bool:
        """Whether what the learner counts in updates goes with a budget of time."""
        counted = step_counted(self.learner.config)
        return not self.given & counted.keys() and bool(counted or not self.learner.milestones())

    @property
    def part(self) -> int:
        """The part of the recipe that the next update belongs to."""
        return bisect_right(self.learner.milestones(), self.position)

    @property
    def marks(self) -> list[int]:
        """Where the parts after the first begin."""
        return [mark for mark in self.learner.milestones() if mark < self.whole]

    @property
    def missed(self) -> list[int]:
        """Parts of which no update was made."""
        return [mark for mark in self.learner.milestones() if self._latest < mark]

    def begin(self, step: int, total: int) -> None:
        """A fit of `total` updates in all begins at `step`."""
        self._told, self.fixed = 0, self.stretches and self.position < self.whole
        self.spread(step, total)

    def spread(self, step: int, total: int) -> None:
        """The updates to come go through what is left of the recipe; beyond it they go on at its pace."""
        if not self.fixed:
            pace = self.position / step if step else 1.0
            self.whole = self.position + pace * (total - step)

    def advance(self, step: int, total: int) -> None:
        """Update `step` of `total` has been made."""
        self._latest = self.position
        self.position += (self.whole - self.position) / max(total - step, 1)

    def owed(self, budget: Budget) -> bool:
        """Whether the budget has not seen the last part, of which there is one update at least."""
        return bool(self.fixed and budget.milestones and self._latest < budget.milestones[-1])

    def ending(self, step: int, total: int, budget: Budget) -> tuple[int, str]:
        """Take `total` updates as the end, or one more where the last part is owed; that end, and what to say
        of it if it is news."""
        if self.owed(budget):
            total = max(total, step + 1)
            last, left = budget.milestones[-1], total - step
            self.position = max(self.position, left * last - (left - 1) * self.whole)
        said = ""
        if abs(total - self._told) > 0.25 * self._told:
            self._told = total
            said = f"budget of {budget.minutes:g} min: {total} updates planned{self._shape(total)}"
        self.spread(step, total)
        return total, said

    def _shape(self, total: int) -> str:
        """How `total` updates compare with the recipe's, in words."""
        factor, config = total / self.whole, self.learner.config
        if not self.fixed or abs(factor - 1) < 0.05:
            given = [name for name in step_counted(config) if name in self.given]
            return f"; what counts updates stays, as {given[0]} was given" if given else ""
        counted = {**step_counted(config), **step_counted(self.config, "train.")}
        scaled = {name: value for name, value in counted.items() if name not in self.given}
        return f", {factor:.2g} of the recipe's {self.whole:.0f}{told(scaled, factor)}"

    def record(self) -> dict[str, Any]:
        """What a run keeps of it."""
        parts = list(self.learner.milestones())
        return {"recipe": round(self.whole), "made": int(self.position), "parts": parts}

    def state_dict(self) -> dict[str, float]:
        """The place."""
        return {"position": self.position, "whole": self.whole}

    def load_state_dict(self, tree: Mapping[str, float], step: int, total: int) -> None:
        """Go on from `state_dict()`; of states that have none, `step` of `total` updates is the place."""
        self.position, self.whole = tree.get("position", float(step)), tree.get("whole", float(total))

"""Divergence is an event: what is watched, when it alarms, and why."""

from __future__ import annotations

import math

from ..recipes.train import MonitorConfig

BOUNDS = {
    "energy_gap": ("max_gap", "energy gap", "lower train.lr, add loss.energy_l2, or raise chain.steps"),
    "grad_norm": ("max_grad", "weight gradient", "lower train.lr or set train.clip_norm"),
    "drift": ("max_drift", "drift of a chain step", "lower chain.step_size or set chain.clip"),
    "saturated": ("max_saturated", "share of saturated pixels", "lower chain.step_size or raise loss.energy_l2"),
}
REDRAWN = "redrawn"


class Monitor:
    """Watches the numbers of every update. `check` returns a reason to stop, or None.

    Non-finite values alarm at once; a bound must be broken `patience` updates in a row.
    """

    def __init__(self, config: MonitorConfig, batch_size: int) -> None:
        self.config, self.batch_size = config, batch_size
        self.runs = dict.fromkeys([*BOUNDS, REDRAWN], 0)

    def check(self, metrics: dict[str, float]) -> str | None:
        """The reason why this update counts as diverged, with what to try; None when healthy."""
        for key, value in metrics.items():
            if not math.isfinite(value):
                return f"{key} is {value}: try a lower train.lr or chain.step_size"
        for key, (field, name, hint) in BOUNDS.items():
            if self._persists(key, abs(metrics.get(key, 0.0)) > (bound := getattr(self.config, field))):
                return f"{name} {metrics[key]:.3g} beyond {bound:g} for {self.config.patience} updates: {hint}"
        if self._persists(REDRAWN, metrics.get(REDRAWN, 0.0) > 0.5 * self.batch_size):
            return "more than half of the chains end non-finite: lower chain.step_size or set chain.clip"
        return None

    def reset(self) -> None:
        """Forget counts, after a rollback."""
        self.runs = dict.fromkeys(self.runs, 0)

    def state_dict(self) -> dict[str, int]:
        """How long each bound has been broken."""
        return dict(self.runs)

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Restore the counts."""
        self.runs = {k: int(v) for k, v in state.items()}

    def _persists(self, key: str, broken: bool) -> bool:
        self.runs[key] = self.runs[key] + 1 if broken else 0
        return self.runs[key] >= self.config.patience

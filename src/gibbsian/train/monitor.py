"""Divergence is an event: what is watched, when it alarms, and why.

    gap, weight gradient     as they are
    drift                    mean length of a chain step's drift / diagonal of the box that the data fills
    drift_z                  the same of latent chains / root of the number of latents, as learners log it
    log_partition_error      learnt log-partition less that of the batch, in nats
    saturated                (share at the border - the data's own share) / (1 - the data's own share)
    divergent                share of chains that met a non-finite number on their way

A chain that drifts a fifth of the way across the data at every step does not sample; pixels of the
negative phase that all lie on the border of the range say the same of clamped chains, which cannot
drift away. Both are measured against the data, so that one bound serves points and images.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from ..data.dataset import Dataset
from .settings import MonitorConfig

BOUNDS = {
    "energy_gap": ("max_gap", "energy gap", "lower train.lr, add loss.energy_l2, or raise chain.steps"),
    "grad_norm": ("max_grad", "norm of the weight gradient", "lower train.lr or set train.clip_norm"),
    "drift": ("max_drift", "drift of a chain step", "lower chain.step_size or set chain.clip"),
    "saturated": (
        "max_saturated",
        "share of saturated pixels",
        "lower chain.step_size or raise loss.energy_l2",
    ),
    "drift_z": ("max_drift_z", "drift of a latent chain's step", "lower chain.step_size or train.lr"),
    "log_partition_error": (
        "max_log_partition_error",
        "error of the learnt log-partition",
        "lower train.lr or raise penalty",
    ),
    "divergent": ("max_divergent", "share of non-finite chains", "lower chain.step_size or set chain.clip"),
}
ENERGIES = ("energy_pos", "energy_neg", "energy_gap")
AT_ONCE = 100.0


@dataclass(frozen=True)
class Scale:
    """Sizes of the data: `span`, the diagonal of its box; `border`, its own share of values at the border;
    whether its rows differ at all.
    """

    span: float = 1.0
    border: float = 0.0
    varies: bool = True


def scale_of(data: Dataset, low: float, high: float, rows: int = 1000) -> Scale:
    """The scale of `data`, images in [low, high], from up to `rows` rows spread over the set."""
    index = torch.linspace(0, len(data) - 1, min(rows, len(data))).long()
    x = data.batch(index, low, high).x.flatten(1)
    if data.is_image:
        span = (high - low) * math.sqrt(x.shape[1])
    else:
        span = float(torch.linalg.vector_norm(x.amax(0) - x.amin(0)))
    border = float(((x <= low) | (x >= high)).float().mean())
    return Scale(max(span, 1e-12), border, len(x) < 2 or bool((x != x[:1]).any()))


class Monitor:
    """Watches the numbers of every update. `check` returns a reason to stop, or None.

    A bound must be broken `patience` updates in a row; non-finite numbers, and a bound broken a
    hundredfold, alarm at once.
    """

    def __init__(self, config: MonitorConfig, scale: Scale | None = None) -> None:
        self.config, self.scale = config, scale or Scale()
        self.runs = dict.fromkeys(BOUNDS, 0)
        self.first: dict[str, float] = {}

    def check(self, metrics: dict[str, float]) -> str | None:
        """The reason why this update counts as diverged, with what to try; None when healthy."""
        for key, value in metrics.items():
            if not math.isfinite(value):
                hint = "try a lower train.lr or chain.step_size"
                return f"{key} is {value}: {self._cause(metrics) or hint}"
        for key in (k for k in BOUNDS if k in metrics):
            if reason := self._judge(key, self.relative(key, metrics[key])):
                return f"{reason}: {self._cause(metrics) or BOUNDS[key][2]}"
        self.first = metrics | self.first
        return None

    @property
    def quiet(self) -> bool:
        """Whether no bound was broken at the last update: a state worth going back to."""
        return not any(self.runs.values())

    def reset(self) -> None:
        """Forget counts, after a rollback."""
        self.runs = dict.fromkeys(self.runs, 0)

    def state_dict(self) -> dict[str, float]:
        """How long each bound has been broken, and the numbers of the first update."""
        return {**self.runs, **{f"first.{k}": v for k, v in self.first.items()}}

    def load_state_dict(self, state: dict[str, float]) -> None:
        """Restore them."""
        self.runs = {k: int(state.get(k, 0)) for k in BOUNDS}
        self.first = {k.removeprefix("first."): v for k, v in state.items() if k.startswith("first.")}

    def _cause(self, metrics: dict[str, float]) -> str:
        """What to change, where the numbers tell whose fault it was; "" where they leave it open."""
        if not self.scale.varies:
            return "every row of the data is the same, and no density fits that: give data that vary"
        size = max((abs(metrics.get(key, 0.0)) for key in ENERGIES), default=0.0)
        if not self.first:
            if math.isfinite(size) and size <= self.config.max_gap:
                return ""
            return (
                f"energies of the untrained network reach {size:.2g}: make the weights of its last layer, or "
                "the values of the data, smaller"
            )
        for key in ("drift", "drift_z"):
            bound = getattr(self.config, BOUNDS[key][0])
            before, now = (self.relative(key, found.get(key, 0.0)) for found in (self.first, metrics))
            if now > bound >= 4 * before:
                return (
                    f"the same steps drifted {before:.2g} at first, so weights have grown: lower train.lr "
                    "or add loss.energy_l2 0.1; chain.clip bounds the steps"
                )
            if now > bound:
                return BOUNDS[key][2]
        return ""

    def relative(self, key: str, value: float) -> float:
        """A watched number in the unit of its bound."""
        if key == "drift":
            return value / self.scale.span
        if key == "saturated":
            return (value - self.scale.border) / max(1 - self.scale.border, 1e-12)
        return abs(value)

    def _judge(self, key: str, value: float) -> str | None:
        field, name, _ = BOUNDS[key]
        bound = getattr(self.config, field)
        self.runs[key] = self.runs[key] + 1 if value > bound else 0
        if value > AT_ONCE * bound:
            return f"{name} {value:.3g} is far beyond {bound:g}"
        if self.runs[key] >= self.config.patience:
            return f"{name} {value:.3g} beyond {bound:g} for {self.runs[key]} updates"
        return None

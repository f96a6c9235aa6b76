"""How good are a system's samples, and how did its chains fare? Numbers with n, seed and an interval."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..core.errors import UsageError
from ..core.random import Streams
from ..metrics.chains import ess, rhat
from ..metrics.interval import Interval, mean_interval
from ..systems.base import Plan, Samples, System, sample
from ..systems.frozen import frozen
from .yardstick import Yardstick, yardstick

CHAINS, KEPT = 64, 50


@dataclass(frozen=True)
class Report:
    """Measures by row: the model's samples first, baselines after; chain diagnostics of the model.

    Intervals are of 95 %: over draws of samples (the model's weights are one training run's).
    """

    data: str
    n: int
    draws: int
    seed: int
    record: dict[str, str | int]
    rows: dict[str, dict[str, Interval]]
    chains: dict[str, float]

    @property
    def model(self) -> dict[str, Interval]:
        """The first row."""
        return self.rows["model"]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as `evaluate --json` prints them; every measure with n, seed and interval."""
        rows = {
            row: {k: _plain(v, self.n, self.draws, self.seed) for k, v in measures.items()}
            for row, measures in self.rows.items()
        }
        head = {"data": self.data, "n": self.n, "draws": self.draws, "seed": self.seed, **self.record}
        return {**head, "measures": rows, "chains": {"n": CHAINS, "seed": self.seed, **self.chains}}

    def table(self, markdown: bool = False) -> str:
        """The rows as a text (or Markdown) table, mean and half-width of the interval."""
        keys = list(self.model)
        head = ["", *keys]
        body = [[row, *[_cell(measures.get(k)) for k in keys]] for row, measures in self.rows.items()]
        return _markdown(head, body) if markdown else _text(head, body)


def evaluate(
    system: System,
    data: str,
    *,
    n: int = 2000,
    draws: int = 5,
    seed: int = 0,
    against: str = "test",
    validation: int | None = None,
    data_dir: str | Path | None = None,
    plan: Callable[..., Plan] | None = None,
    progress: Callable[[str], None] = lambda text: None,
) -> Report:
    """Measure `draws` independent sets of `n` samples against held-out data, baselines beside.

    Args:
        system: a trained system; conditional ones draw uniform classes.
        data: name of a labelled image set or of a toy density.
        against: "test" for figures to quote, "validation" (with `validation` rows) to choose by.
        plan: another sampling plan than the system's own, such as `system.latest` of an ensemble.

    Raises:
        UsageError: n below 16, draws below 2, or data that cannot be measured.
    """
    if n < 16 or draws < 2:
        raise UsageError(
            f"evaluate with n = {n} and {draws} draws: take n of at least 16, and two draws or more"
        )
    rng = Streams(seed).eval
    low, high = system.config.pixels.low, system.config.pixels.high
    stick = yardstick(
        data, n, rng, low=low, high=high, against=against, validation=validation, data_dir=data_dir
    )
    sets = []
    for k in range(draws):
        progress(f"drawing {n} samples ({k + 1} of {draws})")
        sets.append(_measured(system, stick, n, rng, plan))
    rows = {"model": _summary(sets)}
    for name, draw in stick.baselines().items():
        progress(f"measuring {name}")
        rows[name] = _summary([stick.measure(draw(n, rng)) for _ in range(draws)])
    return Report(data, n, draws, seed, stick.record, _normalised(rows), chain_report(system, rng))


def validator(
    data: str, n: int = 500, *, validation: int | None = None, data_dir: str | Path | None = None
) -> Callable[[System, torch.Generator], float]:
    """A measure for choosing the best checkpoint, lower is better: feature distance (or forward KL) to
    training data's validation rows; never the test split."""
    sticks: list[Yardstick] = []

    def measure(system: System, rng: torch.Generator) -> float:
        if not sticks:
            low, high = system.config.pixels.low, system.config.pixels.high
            held = validation or (None if data.startswith("toy:") else n)
            sticks.append(
                yardstick(
                    data, n, rng, low=low, high=high, against="validation", validation=held, data_dir=data_dir
                )
            )
        found = sticks[0].measure(sample(system, n, rng=rng).x)
        return found.get("feature_distance", found.get("kl_forward", float("nan")))

    return measure


def chain_report(system: System, rng: torch.Generator) -> dict[str, float]:
    """Diagnostics of sampling chains from noise: ESS and split R-hat of the energy over the second half of
    the chain, acceptance, drift/noise ratio, saturation. Short-run chains are not meant to have converged:
    an R-hat far above 1.01 then says just that."""
    steps = _plan_steps(system, rng)
    drawn = sample(system, CHAINS, rng=rng, thin=max(1, steps // KEPT))
    info = drawn.chains[-1].info
    known = {
        "acceptance": info.acceptance,
        "drift_noise": info.drift_noise,
        "saturated": info.saturated,
        "clipped": info.clipped,
        "divergent": info.divergent.float().mean(),
    }
    out = {k: float(v.float().mean()) for k, v in known.items() if v is not None}
    energies = _energies(system, drawn)
    if energies is not None and energies.shape[1] >= 8:
        half = energies[:, energies.shape[1] // 2 :]
        out |= {"energy_ess": float(ess(half)), "energy_rhat": float(rhat(half))}
    return {"steps": float(steps), **out, "energy_end": float(drawn.energy.mean())}


def _plan_steps(system: System, rng: torch.Generator) -> int:
    with frozen(system):
        return next(system.plan(1, rng)).steps


def _energies(system: System, drawn: Samples) -> Tensor | None:
    """Surprisal along the last leg, `(chains, kept)`."""
    trace = drawn.chains[-1].trace
    if trace is None:
        return None
    with frozen(system), torch.no_grad():
        values = torch.stack([system.surprisal(system.decode(x)) for x in trace], dim=1)
    return values if bool(torch.isfinite(values).all()) else None


def _measured(
    system: System, stick: Yardstick, n: int, rng: torch.Generator, plan: Callable[..., Plan] | None
) -> dict[str, float]:
    classes = system.config.net.classes
    y = torch.arange(n, device=rng.device) % classes if classes else None
    drawn = sample(system, n, rng=rng, y=y, plan=plan)
    return stick.measure(drawn.x, drawn.y)


def _summary(sets: list[dict[str, float]]) -> dict[str, Interval]:
    out = {}
    for key in sets[0]:
        values = torch.tensor([s[key] for s in sets], dtype=torch.float64)
        out[key] = mean_interval(values)
    return out


def _normalised(rows: dict[str, dict[str, Interval]]) -> dict[str, dict[str, Interval]]:
    """Add (distance - floor) / (noise - floor) to every row that has a feature distance."""
    if "feature_distance" not in rows["model"]:
        return rows
    floor = rows["training data"]["feature_distance"].estimate
    span = rows["noise"]["feature_distance"].estimate - floor
    for measures in rows.values():
        d = measures["feature_distance"]
        measures["normalised"] = Interval(*((v - floor) / span for v in (d.estimate, d.low, d.high)))
    return rows


def _plain(value: Interval, n: int, draws: int, seed: int) -> dict[str, Any]:
    return {
        "value": value.estimate,
        "interval": [value.low, value.high],
        "n": n,
        "draws": draws,
        "seed": seed,
    }


def _cell(value: Interval | None) -> str:
    if value is None:
        return "-"
    return f"{value.estimate:.3g} ± {value.half_width:.2g}"


def _text(head: list[str], body: list[list[str]]) -> str:
    widths = [max(len(row[i]) for row in [head, *body]) for i in range(len(head))]
    lines = [
        "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip()
        for row in [head, *body]
    ]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])


def _markdown(head: list[str], body: list[list[str]]) -> str:
    rows = [head, ["---"] * len(head), *body]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)

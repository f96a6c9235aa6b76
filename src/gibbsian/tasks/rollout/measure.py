"""How good the paths of a model are: its futures of held-out states beside what came.

    frechet     of the clouds of states, step by step, in the leading components of the training states (95 %
                of the variance); floor: between the even and the odd true windows, so of half as many
    score       energy score of single futures, in standardised units, mean over windows
    outside     share of states out of the training range, mean and worst coordinate, of paths and of truth
    nats        mean -log p of held-out steps (standardised), with the noise that training adds to data

Windows overlap and episodes are few, so that intervals over windows (bootstrap) are too narrow: seeds of
training and other held-out episodes tell more.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ...core.errors import require_positive
from ...core.random import derive, generator
from ...core.show import tables
from ...data.own import Given
from ...data.transitions import Transitions
from ...metrics.frechet import frechet_distance
from ...metrics.interval import Interval, bootstrap_interval, mean_interval
from ...metrics.paths import components, energy_score, frechet_per_step, outside
from ...models.capabilities import Normalised
from ...models.model import EnergyModel, device_of
from ...nets.frozen import frozen
from ...report.tables import cell, plain, table
from .rollout import opened, transitions_of
from .steps import Draw, sequential, steps_of

CONDITIONS = 32
"""Held-out conditions at which the mass of a normalised model is measured."""


@dataclass(frozen=True, eq=False)
class Windows:
    """Windows of held-out episodes: `past` `(n, lag, D)`, what came, `true` `(n, H + 1, D)`, and actions."""

    past: Tensor
    true: Tensor
    actions: Tensor | None

    @classmethod
    def of(cls, made: Transitions, n: int, horizon: int) -> Windows:
        """At most `n`, evenly over the episodes; raises `UsageError` where none is long enough."""
        every = made.windows(horizon)
        chosen = [every[int(k)] for k in torch.linspace(0, len(every) - 1, min(n, len(every)))]
        past = torch.stack([made.states[i][t - made.lag + 1 : t + 1] for i, t in chosen])
        true = torch.stack([made.states[i][t : t + horizon + 1] for i, t in chosen])
        done = [made.actions[i][t : t + horizon] for i, t in chosen] if made.actions else None
        return cls(past, true, None if done is None else torch.stack(done))


@dataclass(frozen=True, eq=False)
class RolloutMeasures:
    """What `measure_rollouts` found; `steps` lists `frechet`, `floor` and `score` of each step."""

    windows: int
    episodes: int
    horizon: int
    part: str
    kept: int
    steps: dict[str, list[float]]
    end: Interval
    shares: dict[str, float]
    nats: Interval | None
    mass: Interval | None

    __repr__ = tables

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        told = {"nats": self.nats, "mass": self.mass, "frechet_end": self.end}
        return {
            "windows": self.windows, "episodes": self.episodes, "horizon": self.horizon,
            "part": self.part, "components": self.kept, "per_step": self.steps, **self.shares,
            **{k: plain(v) for k, v in told.items() if v is not None},
        }  # fmt: skip

    def text(self) -> str:
        """A table over some of the steps, and lines."""
        shown = sorted(
            {1, 2, 5, *range(10, self.horizon + 1, 10), self.horizon} & {*range(1, self.horizon + 1)}
        )
        body = [
            [str(t), *(f"{self.steps[k][t - 1]:.3g}" for k in ("frechet", "floor", "score"))] for t in shown
        ]
        head = ["step", f"Frechet distance ({self.kept} components)", "data, half to half", "energy score"]
        of = f"{self.windows} windows of {self.episodes} episodes, {self.part} part"
        lines = [of, table(head, body)]
        lines.append(f"Frechet distance at the end {cell(self.end)} (bootstrap over windows)")
        lines += [f"{k.replace('_', ' ')} {v:.2%}" for k, v in self.shares.items()]
        lines += [f"nats a step {cell(self.nats, '.4g')}"] if self.nats else []
        lines += (
            [f"mass of p(. | c), 1 if normalised: {cell(self.mass)} over conditions"] if self.mass else []
        )
        return "\n".join(lines)


def measure_rollouts(
    model: EnergyModel | str | Path,
    data: Given | None = None,
    *,
    n: int = 200,
    horizon: int = 50,
    steps: int | None = None,
    near: float | None = None,
    within: bool = False,
    seed: int = 0,
    data_dir: str | Path | None = None,
    net: nn.Module | None = None,
) -> RolloutMeasures:
    """Measure two sequential futures of each of `n` windows of held-out episodes.

    The arguments are those of `rollout`. Raises `UsageError` where no episode has `horizon` steps, and as
    that.
    """
    require_positive(n=n, horizon=horizon)
    model, held, train = opened(model, data, data_dir, net)
    made, rng = transitions_of(held), generator(derive(seed, "rollouts"), device_of(model))
    draw = steps_of(model, made, steps, near)
    known = torch.cat(transitions_of(train).states)
    measured = compare(draw, made, known, n, horizon, rng, within=within)
    nats, mass = likelihood(model, made, rng)
    return RolloutMeasures(**measured, part=held.split, nats=nats, mass=mass)


def compare(
    draw: Draw,
    made: Transitions,
    known: Tensor,
    n: int,
    horizon: int,
    rng: torch.Generator,
    *,
    within: bool = False,
) -> dict[str, Any]:
    """The measures of anything that draws steps, but for nats; `known` are the training states `(N, D)`."""
    windows = Windows.of(made, n, horizon)
    both = [
        sequential(draw, made, windows.past, horizon, rng, windows.actions, within=within)[:, 1:]
        for _ in range(2)
    ]
    true, inside = windows.true[:, 1:], made.state.standardised
    directions = components(inside(known))
    a, b, z = (inside(paths) for paths in (*both, true))
    steps = {
        "frechet": frechet_per_step(a, z, directions),
        "floor": frechet_per_step(z[::2], z[1::2], directions) if len(z) > 3 else [float("nan")] * horizon,
        "score": energy_score(a, b, z).mean(0).tolist(),
    }
    last = (a[:, -1].double() @ directions, z[:, -1].double() @ directions)
    end = bootstrap_interval(frechet_distance, *last, rng=generator(0))
    out, base = outside(both[0], made.low, made.high), outside(true, made.low, made.high)
    shares = {"outside": out.mean(), "outside_worst": out.max(), "outside_true": base.mean(),
              "outside_true_worst": base.max()}  # fmt: skip
    return {
        "windows": len(z), "episodes": len(made.states), "horizon": horizon, "kept": directions.shape[1],
        "steps": steps, "end": end, "shares": {k: float(v) for k, v in shares.items()},
    }  # fmt: skip


@torch.no_grad()
def likelihood(
    model: EnergyModel, made: Transitions, rng: torch.Generator
) -> tuple[Interval | None, Interval | None]:
    """Held-out nats a step and the measured mass, with intervals over rows; none of models that are not
    normalised."""
    if not isinstance(model, Normalised):
        return None, None
    x, c = (a.to(device_of(model)) for a in made.rows())
    pixels = getattr(getattr(model.record, "config", None), "pixels", None)
    noise = pixels.noise if pixels is not None else 0.0
    x = x + noise * torch.randn(x.shape, generator=rng, device=x.device)
    with frozen(model):
        nats = torch.cat(
            [model.neg_log_prob(*part) for part in zip(x.split(1000), c.split(1000), strict=True)]
        )
        rows = torch.linspace(0, len(c) - 1, min(CONDITIONS, len(c))).long()
        mass = model.mass(rng, c[rows])
    return mean_interval(nats.double()), mean_interval(mass.double())

"""Futures of one state by a model of p(s' | s), or p(s' | s, a), that was learnt from transitions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ...core.errors import UsageError, require_positive
from ...core.random import derive, generator
from ...core.show import one_line
from ...data.dataset import Dataset
from ...data.own import Given
from ...data.transitions import Scale, Transitions
from ...metrics.paths import components, outside
from ...models.model import EnergyModel, device_of
from ...train.load import trained_on
from ..parts import model_of, name_of, part_of
from .joint import CANDIDATES, PathEnergy, joint, towards
from .start import State, begun_at, state_of
from .steps import sequential, steps_of

CHAIN = 200
"""Steps of a joint chain where none are given."""


@dataclass(frozen=True, eq=False)
class Rollout:
    """Futures of one state.

    Fields:
        paths: `(n, horizon + 1, D)` in the units of the data, the given state first.
        true: what came in the data, `(T, D)` with T up to `horizon` + 1; None for a state of your own.
        known: states of the data, `(N, D)`, for pictures.
        low, high: the range of the training states, `(D,)`.
        goal: `(D,)`, or None.
        about: what was asked, and of joint chains acceptance and the mean -log p of a path before and after.
    """

    paths: Tensor
    true: Tensor | None
    known: Tensor
    low: Tensor
    high: Tensor
    goal: Tensor | None
    about: dict[str, Any]

    __repr__ = one_line

    def to_dict(self) -> dict[str, Any]:
        """Plain values: mean and deviation of each coordinate at the end, what was asked, the share outside
        of the training range."""
        end = self.paths[:, -1].double()
        out = outside(self.paths[:, 1:], self.low, self.high)
        deviation = end.std(0, unbiased=False).tolist()
        return {
            **self.about, "end_mean": end.mean(0).tolist(), "end_deviation": deviation,
            "outside": float(out.mean()), "outside_worst": float(out.max()),
        }  # fmt: skip

    def text(self) -> str:
        """A few lines."""
        found = self.to_dict()
        lines = [f"{len(self.paths)} futures of {self.paths.shape[1] - 1} steps from {self.about['start']}"]
        lines += [f"{k} {v:.4g}" for k, v in found.items() if isinstance(v, float)]
        return "\n".join(lines)

    def figure(self) -> Any:
        """Matplotlib figure of the futures; needs the extra `plot`."""
        from ...report.paths import futures

        known = Scale.of(self.known).standardised(self.known)
        directions = components(known, 1.0).float()
        return futures(self.paths, self.true, self.known, self.goal, (self.low, self.high), directions)


def rollout(
    model: EnergyModel | str | Path,
    data: Given | None = None,
    *,
    start: State = 0,
    n: int = 64,
    horizon: int = 50,
    joint: bool = False,
    goal: State | None = None,
    actions: Tensor | np.ndarray | None = None,
    steps: int | None = None,
    near: float | None = None,
    within: bool = False,
    seed: int = 0,
    data_dir: str | Path | None = None,
    net: nn.Module | None = None,
) -> Rollout:
    """Draw `n` futures of one state.

    Args:
        model: a model of transitions, or the folder of a run.
        data: the transitions that it learnt (`gibbsian.transitions`, or a name); those of a run by default.
        start: a row of the held-out part, whose state is taken; a state `(D,)` in the units of the data, or
            the last two `(2, D)` where the last step is in the condition; or a file of these, .npy or .csv.
        n, horizon: how many, and how many steps.
        joint: chains over whole paths, begun at sequential ones, in place of one step after another.
        goal: the state after `horizon` steps, as `start`; with it the chains are joint.
        actions: what is done, `(horizon, A)`; by default what was done after that row.
        steps: of each chain; by default the model's own, and 200 of joint chains.
        near: begin each chain at no step and noise of so many deviations of a step, not as the sampler does.
        within: take states beyond the range of the training states back to its edge (of sequential paths).
        seed: the same seed gives the same paths.
        net: the network of a run that was trained with one of your own.

    Raises:
        UsageError: a model of other data, an unknown row, a state or goal of the wrong size, too few actions.
        DataError: files that cannot be read.
    """
    require_positive(n=n, horizon=horizon)
    model, held, train = opened(model, data, data_dir, net)
    made = transitions_of(held)
    past, done, true = begun_at(start, held, made, horizon, actions)
    end = None if goal is None else state_of(goal, held, made, "goal")[-1]
    whole = joint or end is not None
    rng = generator(derive(seed, "rollout"), device_of(model))
    draw = steps_of(model, made, None if whole else steps, near)
    m = n if end is None else n * CANDIDATES
    past, done = past.expand(m, -1, -1), None if done is None else done.expand(m, -1, -1)
    paths = sequential(draw, made, past, horizon, rng, done, within=within)
    about: dict[str, Any] = {"start": _told(start, held.split), "n": n, "horizon": horizon, "joint": whole}
    about["seed"] = seed
    if whole:
        fixed = past[:n], None if done is None else done[:n]
        paths, more = _joint(model, made, fixed, paths, end, steps or CHAIN, rng)
        about |= more
    every = torch.cat(transitions_of(train).states)
    return Rollout(paths, true, every, made.low, made.high, end, about)


def _joint(
    model: EnergyModel,
    made: Transitions,
    fixed: tuple[Tensor, Tensor | None],
    paths: Tensor,
    end: Tensor | None,
    steps: int,
    rng: torch.Generator,
) -> tuple[Tensor, dict[str, Any]]:
    past, done = fixed
    n = len(past)
    energy = PathEnergy(model, made, past, done, None if end is None else end.expand(n, -1))
    begun = paths if end is None else towards(paths, end, n, made.state.scale)
    found = joint(energy, begun, steps, rng)
    told = {"acceptance": found.acceptance, "before": float(found.before.mean())}
    return found.paths, {
        **told,
        "after": float(found.energy.mean()),
        "goal": None if end is None else end.tolist(),
    }


def opened(
    model: EnergyModel | str | Path,
    data: Given | None,
    data_dir: str | Path | None,
    net: nn.Module | None = None,
) -> tuple[EnergyModel, Dataset, Dataset]:
    """A model with the held-out and the training part of its transitions, or with those given in memory as
    both; raises as `rollout`."""
    if data is None and isinstance(model, (str, Path)):
        data = trained_on(Path(model)) or None
    model = model_of(model, net)
    if data is None:
        raise UsageError("what this model learnt is not known: name its transitions as data")
    if isinstance(data, Dataset) and data.recipe is None:
        return model, data, data
    train, held = (part_of(data, split, model.spec, data_dir=data_dir) for split in ("train", "test"))
    if held.transitions is None:
        raise UsageError(
            f"{name_of(data)} holds no transitions: name a set of them, such as episodes:FILE.npz, or make "
            "one with gibbsian.transitions"
        )
    return model, held, train


def transitions_of(data: Dataset) -> Transitions:
    """The episodes of a data set; raises `UsageError` for one without."""
    if data.transitions is None:
        raise UsageError(f"{data.name} holds no transitions: make them with gibbsian.transitions")
    return data.transitions


def _told(start: State, split: str) -> str:
    if isinstance(start, int):
        return f"row {start} of the {'held-out' if split == 'test' else split} part"
    return str(start) if isinstance(start, (str, Path)) else "a state of your own"

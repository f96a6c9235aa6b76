"""Where paths begin and end: a row of the held-out part, numbers, or a file of them."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor

from ...core.errors import DataError, UsageError
from ...data.dataset import Dataset
from ...data.readers import read_npy
from ...data.transitions import Transitions

State: TypeAlias = int | str | Path | Tensor | np.ndarray | list[float]


def begun_at(
    start: State,
    held: Dataset,
    made: Transitions,
    horizon: int,
    actions: Tensor | np.ndarray | None = None,
) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """States `(1, lag, D)`, the actions to follow `(1, H, A)`, given or done after a row, and what states
    followed it. Raises `UsageError` where there are too few actions.
    """
    past, true = state_of(start, held, made, "start")[None], None
    done = None if actions is None else actions_of(actions, made, horizon)
    if isinstance(start, int):
        i, t = made.place(start)
        true = made.states[i][t : t + horizon + 1]
    if done is not None or made.action is None:
        return past, done, true
    if not isinstance(start, int):
        raise UsageError(
            f"these transitions have actions: give actions of {horizon} steps, or a row to begin at"
        )
    followed = made.actions[i][t : t + horizon]
    if len(followed) < horizon:
        raise UsageError(
            f"after row {start} there are {len(followed)} actions: take a row further up, or a smaller "
            "horizon"
        )
    return past, followed[None], true


def state_of(given: State, held: Dataset, made: Transitions, what: str) -> Tensor:
    """The last states `(lag, D)` of what a person names: a row, a file, numbers."""
    if isinstance(given, int):
        if not 0 <= given < made.count:
            raise UsageError(f"{what} {given}: the {held.split} part has rows 0 to {made.count - 1}")
        i, t = made.place(given)
        return made.states[i][t - made.lag + 1 : t + 1]
    values = state_file(given) if isinstance(given, (str, Path)) else given
    try:
        state = torch.as_tensor(values, dtype=torch.float32)
    except (TypeError, ValueError, RuntimeError) as error:
        raise UsageError(f"{what} is no row of numbers ({error})") from error
    state = state[None] if state.dim() == 1 else state
    if state.dim() != 2 or state.shape[1] != made.size or not bool(state.isfinite().all()):
        raise UsageError(f"{what} has shape {tuple(state.shape)}: a state here is {made.size} finite numbers")
    if len(state) < made.lag and what == "start":
        state = state.expand(made.lag, -1)  # at rest
    return state[-made.lag :]


def state_file(path: str | Path) -> np.ndarray:
    """Numbers of a .npy or .csv; raises `DataError`."""
    path = Path(path).expanduser()
    if path.suffix.lower() == ".npy":
        return read_npy(path).x
    try:
        return np.loadtxt(path, delimiter=",", ndmin=2, dtype=np.float32)
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read as a state ({str(error).splitlines()[0]}): give a row of the "
                        "held-out part, or a .npy or .csv of numbers") from error  # fmt: skip


def actions_of(given: Tensor | np.ndarray, made: Transitions, horizon: int) -> Tensor:
    """Actions `(1, horizon, A)` as given; raises `UsageError` for others."""
    if made.action is None:
        raise UsageError("these transitions have no actions: leave actions out")
    done = torch.as_tensor(given, dtype=torch.float32)
    if done.dim() != 2 or done.shape != (horizon, len(made.action.shift)):
        wanted = (horizon, len(made.action.shift))
        raise UsageError(f"actions have shape {tuple(done.shape)}: give {wanted}, one a step")
    return done[None]

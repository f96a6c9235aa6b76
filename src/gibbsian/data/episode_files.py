"""Files of episodes of one's own: arrays by name, or a table with a column that numbers the episodes.

observations, states, x, ...   (N, T, D), with `lengths` (N,) where they are padded, or (M, D) with numbers
                               `episode` (M,), or with `terminals`, `timeouts` or `dones` where they end
actions                        of the same shape but for the last axis
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..core.errors import DataError
from .columns import Choice, arrays_of
from .delimited import read_frame
from .frame import read_packed
from .keyed import read_tensors
from .readers import Arrays, read_npy, read_npz
from .recipe import ARRAYS, TEXT, DataRecipe

ROWS = "observations observation states state obs x data".split()
NUMBERS = "episode episodes episode_id episode_ids trajectory trajectory_id trial demo".split()
ENDS = ("terminals", "timeouts", "dones", "done")


def read_file_of_episodes(path: Path, recipe: DataRecipe) -> Arrays:
    """Rows `x` (M, D), the number of each one's episode as `y`, actions (M, A), if any, as `cond`."""
    name = path.name.lower()
    if not name.endswith(ARRAYS):
        return _read_table(path, recipe)
    if name.endswith(".npy"):
        found: dict[str, np.ndarray] = {"x": read_npy(path).x}
    else:
        found = read_npz(path) if name.endswith(".npz") else read_tensors(path)
    known = {key.lower(): key for key in found}
    key = next((known[k] for k in ROWS if k in known), None)
    if key is None:
        raise DataError(f"{path} holds {', '.join(found) or 'nothing'}: expected states (N, T, D), or (M, D)")
    x, done = found[key], found.get(known.get("actions", known.get("action", "")))
    if x.dtype.kind not in "biuf" or x.ndim not in (2, 3):
        raise DataError(
            f"{path}: {key} is {x.dtype} of shape {x.shape}: expected numbers (N, T, D) or (M, D)"
        )
    if x.ndim == 2:
        y, said = _numbers_of(found, known, len(x), path)
        return Arrays(x, y, cond=_fitting(done, x, path), notes=(f"'{key}' holds the states, {said}",))
    lengths = np.asarray(found.get("lengths", np.full(len(x), x.shape[1]))).astype(int)
    if lengths.shape != (len(x),) or (lengths < 1).any() or (lengths > x.shape[1]).any():
        raise DataError(f"{path}: lengths do not fit {len(x)} episodes of at most {x.shape[1]} states")
    done = _fitting(done, x, path)
    kept = np.arange(x.shape[1]) < lengths[:, None]
    return Arrays(
        x[kept], np.repeat(np.arange(len(x)), lengths), cond=None if done is None else done[kept],
        notes=(f"'{key}' holds the states of {len(x)} episodes",),
    )  # fmt: skip


def _numbers_of(
    found: dict[str, np.ndarray], known: dict[str, str], n: int, path: Path
) -> tuple[np.ndarray, str]:
    """The number of each row's episode: as given, or counted from where episodes end."""
    for key in (known[k] for k in NUMBERS if k in known):
        if found[key].shape == (n,):
            return found[key], f"'{key}' the number of the episode"
    ends = [known[k] for k in ENDS if k in known and found[known[k]].shape in ((n,), (n, 1))]
    if not ends:
        raise DataError(
            f"{path} does not say where episodes end: give states (N, T, D), or {n} numbers 'episode'"
        )
    over = np.any([found[key].reshape(n) != 0 for key in ends], 0)
    return np.concatenate([[0], np.cumsum(over)[:-1]]), f"episodes end where {' or '.join(ends)} say"


def _fitting(done: np.ndarray | None, x: np.ndarray, path: Path) -> np.ndarray | None:
    if done is not None and (done.ndim != x.ndim or done.shape[:-1] != x.shape[:-1]):
        raise DataError(f"{path}: actions {done.shape} do not fit states {x.shape}: give one for each state")
    return done


def _read_table(path: Path, recipe: DataRecipe) -> Arrays:
    """A table whose column of classes is that of episodes; columns named action... are the actions."""
    text = path.name.lower().endswith(TEXT)
    frame = read_frame(path, recipe.header, recipe.skips) if text else read_packed(path)
    names = [column.name for column in frame.columns]
    label = recipe.label_column or next((n for n in names if n.lower() in NUMBERS), None)
    if label is None:
        raise DataError(f"{path} has no column '{NUMBERS[0]}' of numbers: name it with --label-column")
    times = [n for n in names if n.lower() in ("t", "time", "step") and n not in (recipe.columns or ())]
    kept = recipe.columns or tuple(n for n in names if n not in (label, *times))
    arrays = arrays_of(frame, Choice(kept, label, recipe.skips))
    acts = np.array([n.lower().startswith("action") for n in kept])
    if acts.all():
        raise DataError(f"{path} has actions alone: columns of states are missing")
    notes = [note for note in arrays.notes if "the labels" not in note]
    notes += [f"column '{label}' is the episode"]
    notes += [f"column '{n}' is left out: it counts" for n in times]
    notes += [f"{acts.sum()} columns are actions"] if acts.any() else []
    return Arrays(arrays.x[:, ~acts], arrays.y, cond=arrays.x[:, acts] if acts.any() else None,
                  notes=tuple(notes))  # fmt: skip

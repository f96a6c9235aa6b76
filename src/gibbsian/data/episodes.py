"""Episodes, in memory or in a file of one's own, as a data set of transitions: see `data.transitions`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor

from ..core.errors import DataError, unknown
from .dataset import Dataset, from_arrays
from .episode_files import read_file_of_episodes
from .pointmass import MASSES, episodes_of
from .public import read_named
from .recipe import DataRecipe
from .transitions import Scale, Transitions

Episodes: TypeAlias = Sequence[Tensor] | Sequence[np.ndarray] | Tensor | np.ndarray
PERSISTENT = 0.5
"""Correlation of a step with the one before it from which the last step joins the condition."""
SHARE = 5
"""One of so many episodes is held out."""


def transitions(
    episodes: Episodes,
    actions: Episodes | None = None,
    *,
    memory: bool | None = None,
    split: str = "train",
    name: str = "episodes",
) -> Dataset:
    """Rows of p(s' | s), or p(s' | s, a), of episodes; what was decided is in its `notes`.

    Args:
        episodes: paths `(T, D)` of any lengths in a list, or `(N, T, D)`.
        actions: one for each state, or for each but the last.
        memory: whether the condition holds the last step too; by default where steps follow one another
            (correlation above 0.5).
        split: "train", "test" (the last fifth of a fixed permutation of the episodes) or "all".
        name: what the set is called.

    Raises `DataError` for episodes that are too short, of unlike widths or not finite, and for actions that
    do not fit.
    """
    paths = _paths(episodes, f"{name}: episode")
    done = [] if actions is None else _paths(actions, f"{name}: actions of episode", least=1)
    order = np.random.RandomState(0).permutation(len(paths))
    held = max(1, len(paths) // SHARE)
    if split not in ("train", "test", "all"):
        raise unknown("split", split, ("train", "test", "all"))
    if split != "all" and len(paths) < 2:
        raise DataError(f"{name} is one episode: two are needed, as whole ones are held out; or split='all'")
    train = np.sort(order[:-held]) if len(paths) > 1 else order
    rows = {"train": train, "test": np.sort(order[-held:]), "all": np.arange(len(paths))}[split]
    found = of_parts([paths[i] for i in train], [paths[i] for i in rows], name, split, memory=memory,
                     train_actions=[done[i] for i in train] if done else [],
                     actions=[done[i] for i in rows] if done else [])  # fmt: skip
    if split == "all":
        return found
    said = f"{held} of {len(paths)} episodes, the same ones every time, are kept apart as the test part"
    return replace(found, notes=(*found.notes, said))


def of_parts(
    train: list[Tensor],
    part: list[Tensor],
    name: str,
    split: str,
    *,
    memory: bool | None = None,
    train_actions: Sequence[Tensor] = (),
    actions: Sequence[Tensor] = (),
) -> Dataset:
    """The rows of a `part` in the units of `train`; raises as `transitions`."""
    _require_alike(part, actions, name)
    steps = torch.cat([path.diff(dim=0) for path in train])
    follows = _correlation(train)
    lasting = memory if memory is not None else follows > PERSISTENT
    short = [len(path) for path in (*train, *part) if len(path) < 2 + lasting]
    if short:
        raise DataError(f"{name} has an episode of {short[0]} states: at least {2 + lasting} are needed")
    every = torch.cat(train)
    action = Scale.of(torch.cat(list(train_actions))) if len(train_actions) else None
    made = Transitions(
        tuple(train), tuple(train_actions), Scale.of(every), Scale.of(steps), action, every.amin(0),
        every.amax(0), bool(lasting),
    )  # fmt: skip
    seen = made.rows()[1]
    made = replace(made, states=tuple(part), actions=tuple(actions), reach=(seen.amin(0), seen.amax(0)))
    x, cond = made.rows()
    known = "the state" + (", the last step" if lasting else "") + (" and the action" if action else "")
    notes = [f"rows are steps of {len(part)} episodes, standardised; their condition is {known}"]
    if memory is None and lasting:
        notes.append(f"the last step is in it, as steps follow one another (correlation {follows:.2f})")
    built = from_arrays(x, cond=cond, name=name, split=split)
    return replace(built, transitions=made, notes=tuple(notes))


def _paths(given: Episodes, what: str, least: int = 2) -> list[Tensor]:
    found: list[Tensor] = []
    for i, one in enumerate(given):
        try:
            path = torch.as_tensor(one)
        except (TypeError, ValueError, RuntimeError) as error:
            raise DataError(f"{what} {i} is no array of numbers ({error})") from error
        path = path[:, None] if path.dim() == 1 else path
        if path.dim() != 2 or len(path) < least or path.is_complex():
            raise DataError(f"{what} {i} has shape {tuple(path.shape)}: expected (T, D), T at least {least}")
        if not bool(torch.isfinite(path).all()):
            raise DataError(f"{what} {i} holds values that are not finite: remove or replace them")
        if found and path.shape[1] != found[0].shape[1]:
            raise DataError(f"{what} {i} has {path.shape[1]} columns, the first has {found[0].shape[1]}")
        found.append(path.detach().cpu().float())
    if not found:
        raise DataError(f"{what}s: there are none")
    return found


def _require_alike(paths: Sequence[Tensor], actions: Sequence[Tensor], name: str) -> None:
    if len(actions) and len(actions) != len(paths):
        raise DataError(f"{name} has {len(paths)} episodes, but actions of {len(actions)}")
    for i, (path, done) in enumerate(zip(paths, actions, strict=False)):
        if len(done) not in (len(path), len(path) - 1):
            raise DataError(
                f"{name}: episode {i} has {len(path)} states but {len(done)} actions: one a state"
            )


def _correlation(paths: Sequence[Tensor]) -> float:
    """Mean correlation of each coordinate's step with the one before it; 0 where there are none."""
    steps = [path.double().diff(dim=0) for path in paths]
    pairs = [(a[:-1], a[1:]) for a in steps if len(a) > 1]
    if not pairs:
        return 0.0
    before, after = (torch.cat(side) for side in zip(*pairs, strict=True))
    before, after = before - before.mean(0), after - after.mean(0)
    size = before.square().sum(0).sqrt() * after.square().sum(0).sqrt()
    each = (before * after).sum(0) / size
    return float(each[size > 0].mean()) if bool((size > 0).any()) else 0.0


def episodes_part(recipe: DataRecipe, split: str, data_dir: str | Path | None) -> Dataset:
    """A part of a named set of episodes, or of a file of a person's own; raises as `transitions`."""
    kind, _, rest = recipe.name.partition(":")
    if kind == "pointmass":
        if rest not in MASSES:
            raise unknown("point mass", rest, MASSES)
        paths = {part: episodes_of(rest, part) for part in ("train", "test")}
        part = paths["train"] + paths["test"] if split == "all" else paths[split]
        return of_parts(paths["train"], part, recipe.name, split)
    if kind == "adroit_door":
        arrays, with_actions = read_named(kind, "train", data_dir)[0], rest == "actions"
    else:
        arrays, with_actions = read_file_of_episodes(Path(rest).expanduser(), recipe), kind == "episodes"
    cuts = _cuts(np.asarray(arrays.y), recipe.name)
    states, done = (None if a is None else np.split(a, cuts) for a in (arrays.x, arrays.cond))
    if kind == "episodes" and done is None:
        arrays = replace(arrays, notes=(*arrays.notes, "it holds no actions: the model is one of p(s' | s)"))
    assert states is not None
    found = transitions(states, done if with_actions else None, split=split, name=recipe.name)
    return replace(found, notes=(*arrays.notes, *found.notes))


def _cuts(numbers: np.ndarray, name: str) -> np.ndarray:
    """Where episodes end, by the number of each row's; raises `DataError` where one comes in pieces."""
    cuts = np.flatnonzero(np.diff(numbers)) + 1
    begun = numbers[np.concatenate([[0], cuts])]
    if len(np.unique(begun)) < len(begun):
        values, counts = np.unique(begun, return_counts=True)
        split = values[counts.argmax()]
        raise DataError(
            f"{name}: the rows of episode {split} do not follow one another: sort them by episode"
        )
    return cuts

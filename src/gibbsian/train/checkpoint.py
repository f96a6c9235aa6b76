"""Checkpoints: nested dictionaries of tensors and plain values as safetensors + JSON, never pickle.

    step-000500/state.json            every plain value, and size and SHA-256 of each tensor file
               /<section>.safetensors the tensors below one top-level key, named by their path

Written aside, synced and renamed: a checkpoint is whole or absent, whatever kills the process.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from ..core.errors import CheckpointError
from ..core.files import as_other_files

SCHEMA = 1
Tree = dict[str, Any]


def save(tree: Tree, path: Path) -> None:
    """Write `tree` to the folder `path`, replacing one that stands there.

    Raises `CheckpointError` when the disk refuses; what stood at `path` before is then still whole.
    """
    aside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        _write(tree, aside)
        _swap(aside, path)
    except OSError as error:
        shutil.rmtree(aside, ignore_errors=True)
        raise CheckpointError(
            f"cannot write checkpoint {path}: {error.strerror or error}; free some space or choose another "
            "--out (earlier checkpoints are untouched)"
        ) from error
    except SafetensorError as error:
        shutil.rmtree(aside, ignore_errors=True)
        raise CheckpointError(f"cannot write checkpoint {path}: {error}; free some space") from error


def load(path: Path) -> Tree:
    """The tree saved at `path`, tensors on the CPU.

    Raises `CheckpointError` if it is missing, truncated, altered or of a newer schema.
    """
    state = _read_json(path)
    tree: Tree = state["plain"]
    for name, record in state["files"].items():
        _check(path, name, record)
        try:
            tensors = load_file(path / name)
            for key, tensor in tensors.items():
                _place(tree, key, tensor)
        except (OSError, SafetensorError, TypeError, AttributeError) as error:
            raise CheckpointError(
                f"checkpoint {path} is damaged: {name} holds no tensors; {_instead(path)}"
            ) from error
    return tree


def snapshot(tree: Tree) -> Tree:
    """A deep copy in memory, tensors cloned."""
    if isinstance(tree, dict):
        return {k: snapshot(v) for k, v in tree.items()}
    return tree.detach().clone() if isinstance(tree, Tensor) else tree


def sweep(folder: Path) -> None:
    """Mend what a killed process left: finish or undo a replacement, remove half-written folders."""
    for old in folder.glob(".*.old"):
        path = folder / old.name[1 : -len(".old")]
        if not path.exists():
            old.rename(path)
    for left in [*folder.glob(".*.old"), *folder.glob(".*.tmp")]:
        shutil.rmtree(left, ignore_errors=True)


def step_of(path: Path) -> int:
    """The step in a checkpoint folder's name; -1 for other names."""
    match = re.fullmatch(r"step-(\d+)", path.name)
    return int(match[1]) if match else -1


def updates(path: Path) -> float:
    """The updates made at the checkpoint `path`, whatever its name; infinite for a damaged one."""
    try:
        return int(_read_json(path)["plain"]["loop"]["step"])
    except (CheckpointError, KeyError, TypeError, ValueError):
        return math.inf


def listed(folder: Path) -> list[Path]:
    """The step checkpoints in `folder`, oldest first."""
    found = [p for p in folder.glob("step-*") if step_of(p) >= 0 and p.is_dir()] if folder.is_dir() else []
    return sorted(found, key=step_of)


def _write(tree: Tree, folder: Path) -> None:
    plain, tensors = _split(tree)
    files = {}
    for section, flat in tensors.items():
        name = f"{section}.safetensors"
        save_file({k: v.detach().cpu().contiguous().clone() for k, v in flat.items()}, folder / name)
        _sync(as_other_files(folder / name))
        files[name] = _record(folder / name)
    text = json.dumps({"schema": SCHEMA, "files": files, "plain": plain}, indent=1, allow_nan=True)
    (folder / "state.json").write_text(text)
    _sync(folder / "state.json")
    _sync(folder)


def _swap(aside: Path, path: Path) -> None:
    old = path.with_name(f".{path.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if path.exists():
        path.rename(old)
    try:
        aside.rename(path)
    except OSError:
        if old.exists():
            old.rename(path)
        raise
    _sync(path.parent)
    shutil.rmtree(old, ignore_errors=True)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _split(tree: Tree) -> tuple[Tree, dict[str, dict[str, Tensor]]]:
    tensors: dict[str, dict[str, Tensor]] = {}

    def walk(node: Any, path: tuple[str, ...]) -> Any:
        if isinstance(node, Tensor):
            tensors.setdefault(path[0], {})["/".join(path)] = node
            return None
        if isinstance(node, dict):
            inner = {k: walk(v, (*path, k)) for k, v in node.items()}
            return {k: v for k, v in inner.items() if not isinstance(node[k], Tensor)}
        return node

    return walk(tree, ()), tensors


def _place(tree: Tree, key: str, tensor: Tensor) -> None:
    *path, last = key.split("/")
    for part in path:
        tree = tree.setdefault(part, {})
    tree[last] = tensor


def _record(path: Path) -> dict[str, Any]:
    return {"bytes": path.stat().st_size, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


def _read_json(path: Path) -> Tree:
    try:
        state = json.loads((path / "state.json").read_text())
        schema, parts = int(state["schema"]), (state["plain"], state["files"])
    except FileNotFoundError as error:
        raise CheckpointError(f"no checkpoint at {path}: there is no state.json; {_instead(path)}") from error
    except (ValueError, KeyError, TypeError, OSError, RecursionError) as error:
        raise CheckpointError(
            f"checkpoint {path} is damaged: state.json does not parse; {_instead(path)}"
        ) from error
    if schema > SCHEMA:
        raise CheckpointError(
            f"checkpoint {path} has schema {schema}: this version reads up to {SCHEMA}; upgrade"
        )
    if not all(isinstance(part, dict) for part in parts):
        raise CheckpointError(
            f"checkpoint {path} is damaged: state.json is no checkpoint's; {_instead(path)}"
        )
    return dict(state)


def _instead(damaged: Path) -> str:
    """What to do without a checkpoint."""
    step = step_of(damaged)
    earlier = [path for path in listed(damaged.parent) if step < 0 or step_of(path) < step]
    return f"use an earlier one, such as {earlier[-1]}" if earlier else "there is no earlier one: start anew"


def _check(folder: Path, name: str, record: object) -> None:
    """Size and hash of one tensor file, whose name must not lead out of the folder."""
    path, blame = folder / name, f"checkpoint {folder} is damaged: {name}"
    if not re.fullmatch(r"\w+\.safetensors", name) or not isinstance(record, dict):
        raise CheckpointError(f"{blame} is no name of a tensor file; do not use this checkpoint")
    if not path.is_file():
        raise CheckpointError(f"{blame} is missing; {_instead(folder)}")
    size = path.stat().st_size
    if size != record.get("bytes"):
        raise CheckpointError(f"{blame} has {size} bytes of {record.get('bytes')}; {_instead(folder)}")
    if _record(path) != record:
        raise CheckpointError(f"{blame} fails its SHA-256; {_instead(folder)}")


def optimizer_tree(optimizer: torch.optim.Optimizer) -> Tree:
    """An optimiser's state with string keys, as a checkpoint takes it."""
    state = optimizer.state_dict()
    moments = {str(i): dict(s) for i, s in state["state"].items()}
    return {"moments": moments, "groups": state["param_groups"]}


def load_optimizer(optimizer: torch.optim.Optimizer, tree: Tree) -> None:
    """Restore an optimiser's moments from `optimizer_tree`; its settings stay those it was made with."""
    moments = {int(i): s for i, s in tree.get("moments", {}).items()}
    optimizer.load_state_dict({"state": moments, "param_groups": tree["groups"]})
    for group in optimizer.param_groups:
        group.update({k: v for k, v in optimizer.defaults.items() if k in group and k != "lr"})
    for p, state in optimizer.state.items():
        moments = {k: v for k, v in state.items() if isinstance(v, Tensor) and v.dim() and v.shape == p.shape}
        state.update({k: _laid_out_as(p, v) for k, v in moments.items()})


def _laid_out_as(p: Tensor, value: Tensor) -> Tensor:
    """`value` with the strides of `p`: fused optimisers walk both in memory order and check neither."""
    return torch.empty_like(p, dtype=value.dtype, requires_grad=False).copy_(value)

"""`gibbsian.load`: a trained system from a run folder, a checkpoint or a model folder."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from torch import nn

from ..core.errors import CheckpointError, UsageError
from ..nets.layers import EnergyHead
from ..recipes.catalog import from_config
from ..systems import folder as model_folder
from ..systems.base import System
from ..systems.registry import from_run
from . import checkpoint
from .folder import RunFolder


def load(path: Path | str, *, which: str = "newest", averaged: bool = True) -> System:
    """The system at `path`, in eval mode.

    Args:
        path: a run folder, one of its checkpoints, or a folder written by `system.save` or `gibbsian export`.
        which: "newest" or "best" checkpoint of a run folder.
        averaged: put the averaged weights in place, where training averaged.

    Raises:
        CheckpointError: nothing there, damaged files, or weights of another system.
        UsageError: the best of an exported model, which has one set of weights.
    """
    path = Path(path)
    if (path / "model.safetensors").is_file() and (path / "config.json").is_file():
        if which == "best":
            raise UsageError(f"{path} is an exported model with one set of weights: leave out --which")
        return model_folder.load(path)
    source, run = locate(path, which)
    system = from_run(from_config(run.config()), _shape(run))
    _restore(system, checkpoint.load(source), averaged, str(source))
    return system.eval()


def locate(path: Path, which: str = "newest") -> tuple[Path, RunFolder]:
    """The checkpoint folder meant by `path` and the run folder that it belongs to."""
    if (path / "state.json").is_file():
        return path, RunFolder(os.path.normpath(path / "../.."))
    run = RunFolder(path)
    source = run.best if which == "best" else run.newest()
    if source is None or not source.is_dir():
        what = "no best checkpoint" if which == "best" else "no checkpoint"
        why = "give a run folder, a checkpoint, or a model folder"
        if not path.is_dir():
            why = "there is no such folder"
        elif run.newest():
            why = "it was trained with train.validate_every 0; take the newest"
        raise CheckpointError(f"{what} in {path}: {why}")
    return source, run


def load_into(system: System, path: Path) -> None:
    """Copy the weights at `path` into `system`, replay chains apart (`--init-from`).

    From another kind of system its energy network is taken, so that one may be trained by score matching,
    say, and go on with chains. Its last linear layer is scaled so that -log p stays what it was at this
    system's temperature. Raises `CheckpointError` for networks or ranges of the data that differ, and where
    an energy is more than a network of x.
    """
    other = load(path)
    if type(other) is type(system):
        model_folder.load_weights(system, other.state_dict(), str(path))
        return system.begin_anew()
    try:
        own, given = system.handed(), other.handed()
    except UsageError as error:
        raise CheckpointError(f"{path} is of another kind of system: {error}") from error
    ranges = [(s.config.pixels.low, s.config.pixels.high) for s in (system, other)]
    if ranges[0] != ranges[1]:
        raise CheckpointError(f"{path} learnt data in {list(ranges[1])}, this system has {list(ranges[0])}")
    model_folder.require_match(own.net.state_dict(), given.net.state_dict(), str(path))
    last = _last_layer(own.net)
    own.net.load_state_dict(given.net.state_dict())
    with torch.no_grad():
        for p in last.parameters():
            p.mul_(given.factor / own.factor)


def _last_layer(net: nn.Module) -> nn.Module:
    """The linear layer that ends in E; raises `CheckpointError` for networks where it is not known."""
    head = getattr(net, "head", None)
    if not isinstance(head, EnergyHead):
        raise CheckpointError(
            "the last layer of this network is not known, so that its energy cannot be scaled"
        )
    return head.layers[-1]


def _shape(run: RunFolder) -> tuple[int, ...]:
    try:
        return tuple(int(n) for n in run.record()["data"]["event_shape"])
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"{run.path}/run.json is missing or damaged: it holds the shape of the data"
        ) from error


def _restore(system: System, tree: checkpoint.Tree, averaged: bool, where: str) -> None:
    state, average = tree.get("model", {}), tree.get("average", {})
    own = system.state_dict()
    chains = {k: v for k, v in state.items() if k.startswith(model_folder.BUFFERS)}
    model_folder.load_weights(system, state, where)
    if all(k in own and own[k].shape == v.shape for k, v in chains.items()):
        system.load_state_dict(chains, strict=False)
    if averaged and average.get("updates"):
        with torch.no_grad():
            for group, module in system.groups().items():
                for name, p in module.named_parameters():
                    p.copy_(average[f"{group}.{name}"])

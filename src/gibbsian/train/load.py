"""`gibbsian.load`: a trained system from a run folder, a checkpoint or a model folder."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from ..core.errors import CheckpointError
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
    """
    path = Path(path)
    if (path / "model.safetensors").is_file() and (path / "config.json").is_file():
        return model_folder.load(path)
    source, run = locate(path, which)
    system = from_run(from_config(run.config()), _shape(run))
    _restore(system, checkpoint.load(source), averaged, str(source))
    return system.eval()


def locate(path: Path, which: str = "newest") -> tuple[Path, RunFolder]:
    """The checkpoint folder meant by `path` and the run folder that it belongs to."""
    if (path / "state.json").is_file():
        return path, RunFolder(path.parent.parent)
    run = RunFolder(path)
    source = run.best if which == "best" else run.newest()
    if source is None or not source.is_dir():
        what = "no best checkpoint" if which == "best" else "no checkpoint"
        raise CheckpointError(f"{what} in {path}: give a run folder, a checkpoint, or a model folder")
    return source, run


def load_into(system: System, path: Path) -> None:
    """Copy the weights at `path` into `system`, replay chains apart (`--init-from`).

    From another kind of system its energy network is taken, so that one may be trained by score matching,
    say, and go on with chains. An energy E at temperature T is taken as E T' / T at this system's temperature
    T', which is the same law, where the network ends in a linear layer. Raises `CheckpointError` for networks
    that differ.
    """
    other = load(path)
    if type(other) is type(system):
        return model_folder.load_weights(system, other.state_dict(), str(path))
    own, given = _network(system), _network(other)
    model_folder.require_match(own.state_dict(), given.state_dict(), str(path))
    own.load_state_dict(given.state_dict())
    head = getattr(own, "head", None)
    if isinstance(head, EnergyHead):
        with torch.no_grad():
            for p in head.layers[-1].parameters():
                p.mul_(system.temperature / other.temperature)


def _network(system: System) -> nn.Module:
    """The energy network; raises `CheckpointError` for a system of several."""
    net = getattr(system, "net", None)
    if not isinstance(net, nn.Module):
        raise CheckpointError(f"{type(system).__name__} has no single energy network to hand over")
    return net


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

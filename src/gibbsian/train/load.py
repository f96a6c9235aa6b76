"""`gibbsian.load`: a trained model from a run folder, a checkpoint or a model folder."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..core.config import from_dict
from ..core.errors import CheckpointError, UsageError
from ..core.files import own_path
from ..core.random import Streams
from ..core.spec import Table
from ..data.names import entry
from ..models import folder as model_folder
from ..models.build import build
from ..models.learner import Learner
from ..models.model import EnergyModel
from ..models.papers import AnyPaper, stand_for, stored_entry
from ..models.sampler import Sampler
from ..models.units import in_units
from ..nets.families import trusted
from . import checkpoint
from .folder import RunFolder
from .recipes import RunConfig, from_config


def from_run(config: RunConfig, event_shape: tuple[int, ...], net: nn.Module | None = None) -> Learner:
    """The learner of a run, with weights drawn from the run's seed, around `net` itself if it is given."""
    return build(config.system, config.model, event_shape, Streams(config.train.seed).init, net)


def load(
    path: Path | str,
    *,
    which: str = "newest",
    averaged: bool = True,
    net: nn.Module | None = None,
    paper: AnyPaper | None = None,
    trust: bool = False,
) -> EnergyModel:
    """The model at `path`, in eval mode; of standardised columns in the units of their table.

    Args:
        path: a run folder, one of its checkpoints, or a folder written by `model.save` or `gibbsian export`.
        which: "newest" or "best" checkpoint of a run folder.
        averaged: put the averaged weights in place, where training averaged.
        net: the network that the model was trained with, where it was one of your own. It is copied.
        paper: the paper that trained it, where it was one of your own: the loss, the `PaperEntry`, or the
            `FILE.py:OBJECT` of either, whatever the files call it.
        trust: run code that the files name, a paper or network class `module:NAME` that is not registered.

    Raises:
        CheckpointError: nothing there, damaged files, or weights of another model.
        UsageError: the best of an exported model, which has one set of weights.
    """
    path = own_path(path)
    if not model_folder.is_folder(path):
        return in_units(
            load_run(path, which=which, averaged=averaged, net=net, paper=paper, trust=trust).model
        )
    if which == "best":
        raise UsageError(f"{path} is an exported model with one set of weights: leave out --which")
    return in_units(_from_folder(path, net, paper, trust))


def load_run(
    path: Path | str,
    *,
    which: str = "newest",
    averaged: bool = True,
    net: nn.Module | None = None,
    paper: AnyPaper | None = None,
    trust: bool = False,
) -> Learner:
    """The learner of a run folder or checkpoint with its model, stored chains included, in eval mode.

    Raises as `load`, and `CheckpointError` for an exported model, which has no training state.
    """
    path = own_path(path)
    if model_folder.is_folder(path):
        raise CheckpointError(f"{path} is an exported model without training state: give its run folder")
    source, run = locate(path, which)
    stored = run.config()
    if paper is not None:
        stand_for(str(stored.get("system")), paper)
    config = from_config(stored, trust)
    config = replace(config, model=trusted(config.model, trust or net is not None))
    learner = from_run(config, _shape(run), copied(net))
    _restore(learner, checkpoint.load(source), averaged, str(source))
    learner.model.spec = replace(learner.model.spec, table=table_in(run.record()))
    learner.eval()
    about = run.record().get("data")
    if learner.model.record and isinstance(about, dict) and about.get("recipe"):
        learner.model.record = replace(learner.model.record, data=config.data)
    return learner


def trained_on(path: Path) -> str:
    """The data set that the run or model at `path` was trained on, as a line that reads it again; "" for
    arrays that were given in Python, and where an exported folder does not say.

    Raises `CheckpointError` when nothing is there.
    """
    if model_folder.is_folder(path):
        try:
            return str(json.loads((path / "config.json").read_text()).get("data", ""))
        except (OSError, ValueError):
            return ""
    folder = locate(path)[1]
    name = str(folder.config().get("data", ""))
    record = folder.record().get("data")
    from_arrays = isinstance(record, dict) and record.get("recipe", name) is None
    return "" if from_arrays and entry(name) is None else name


def load_samplers(
    path: Path | str,
    *,
    which: str = "newest",
    net: nn.Module | None = None,
    trust: bool = False,
    device: str = "cpu",
) -> tuple[EnergyModel, dict[str, Sampler]]:
    """The model at `path` with every sampler by name; of a run those that go on from stored chains too."""
    if model_folder.is_folder(own_path(path)):
        model = load(path, which=which, net=net, trust=trust).inner.to(device)
        return model, dict(model.samplers)
    learner = load_run(path, which=which, net=net, trust=trust).to(device)
    return learner.model, {**learner.model.samplers, **learner.samplers()}


def table_in(record: Mapping[str, Any]) -> Table | None:
    """The columns that a run's or a model's JSON file keeps, if any; raises `CheckpointError` where they are
    damaged."""
    try:
        return None if record.get("table") is None else Table.read(record["table"])
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"the table in run.json or config.json is damaged: {error}") from error


def _from_folder(path: Path, net: nn.Module | None, paper: AnyPaper | None, trust: bool) -> EnergyModel:
    about, weights = model_folder.read(path)
    if paper is not None:
        stand_for(str(about.get("system")), paper)
    try:
        config_class, shape = stored_entry(about["system"], trust).config_class(), tuple(about["event_shape"])
        config = trusted(from_dict(config_class, about["config"]), trust or net is not None)
        model = build(about["system"], config, shape, net=copied(net)).model
        claims = float(about["temperature"]), bool(about["claims_density"])
    except (KeyError, TypeError, ValueError, UsageError) as error:
        raise CheckpointError(f"{path}/config.json describes no model of this version: {error}") from error
    model_folder.load_weights(model, weights, str(path))
    model.temperature, model.claims_density = claims
    model.spec = replace(model.spec, table=table_in(about))
    if model.record:
        model.record = replace(model.record, data=str(about.get("data", "")))
    return model.eval()


def copied(net: nn.Module | None) -> nn.Module | None:
    """A copy of a network of one's own, so that models loaded with one instance do not share its weights."""
    try:
        return copy.deepcopy(net)
    except RuntimeError:  # hooks that keep computed weights, such as the old weight_norm, refuse to be copied
        return net


def locate(path: Path | str, which: str = "newest") -> tuple[Path, RunFolder]:
    """The checkpoint folder meant by `path` and the run folder that it belongs to."""
    path = own_path(path)
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
        elif run.is_run:
            why = "it ended before its first one was saved; gibbsian doctor says how it fares"
        raise CheckpointError(f"{what} in {path}: {why}")
    return source, run


def _shape(run: RunFolder) -> tuple[int, ...]:
    try:
        return tuple(int(n) for n in run.record()["data"]["event_shape"])
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"{run.path}/run.json is missing or damaged: it holds the shape of the data"
        ) from error


def _restore(learner: Learner, tree: checkpoint.Tree, averaged: bool, where: str) -> None:
    """The model's state must fit; training state is taken where it does, as a buffer of another size may
    not.
    """
    state, average, own = tree.get("model", {}), tree.get("average", {}), learner.state_dict()
    of_model = {k: v for k, v in state.items() if k.startswith("model.")}
    model_folder.require_match({k: v for k, v in own.items() if k.startswith("model.")}, of_model, where)
    rest = {k: v for k, v in state.items() if k in own and own[k].shape == v.shape}
    learner.load_state_dict({**rest, **of_model}, strict=False)
    learner.model.claims_density = bool(tree.get("claims", {}).get("density", learner.model.claims_density))
    if averaged and average.get("updates"):
        with torch.no_grad():
            for group, module in learner.parameter_groups().items():
                for name, p in module.named_parameters():
                    p.copy_(average[f"{group}.{name}"])

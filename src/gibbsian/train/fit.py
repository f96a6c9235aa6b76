"""`gibbsian.fit`: train a model on data, in one call. The command line goes through `prepare` too."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import nn

from ..core.config import override
from ..core.device import usable
from ..core.errors import UsageError, unknown
from ..data.dataset import Dataset
from ..data.folder import ImageFiles
from ..data.own import Given, dataset
from ..models.build import name_of
from ..models.learner import Learner
from ..models.model import EnergyModel
from ..models.papers import PaperEntry, is_loss, register_paper
from ..models.units import in_units
from .folder import RunFolder, replace_text
from .init_from import load_into
from .load import from_run, locate, table_in
from .matching import require_match, resolved, with_net
from .memory import within_memory
from .observers import default_observers
from .recipes import Recipe, RunConfig, from_config, presets, unlike_preset
from .resume import as_stored, go_on, require_same, resume_source
from .tensorboard import TensorBoard
from .trainer import Observer, Outcome, Trainer, Validator


@dataclass(frozen=True)
class Prepared:
    """A run that is ready to go: `trainer.fit()` starts or continues it."""

    config: RunConfig
    trainer: Trainer


def fit(
    paper: Learner | PaperEntry | Callable[..., Any] | str,
    data: Given,
    *,
    net: nn.Module | None = None,
    steps: int | None = None,
    minutes: float | None = None,
    preset: str | None = None,
    out: Path | str | None = None,
    resume: str | None = None,
    progress: bool = True,
    validate: Validator | None = None,
    device: str = "cpu",
    seed: int | None = None,
    standardise: bool | None = None,
    log: str | None = None,
    **changes: Any,
) -> EnergyModel:
    """Train and return the model, in eval mode and with its averaged weights in place.

    Args:
        paper: a name such as "short_run" (with a `preset`, or the one made for `data`); a loss of your own, a
            function of (model, batch, rng) that returns a scalar; a `PaperEntry` of your own; or a learner
            that is built, trained as `preset` says or by the default `TrainConfig`.
        net: a network of your own, in place of the one that the settings describe.
        data: a name such as "digits", "mnist" or "toy:ring"; a file or folder; an array or tensor `(N, ...)`,
            or a pair (x, y) with labels; a torch `Dataset` or `DataLoader` (see `gibbsian.dataset`). What was
            decided in reading them is printed, if `progress` is. Columns of unlike scales are standardised
            inside: the model returned takes rows and gives samples in their units, its `inner` does not.
        steps, minutes: weight updates, or a budget of time.
        out: run folder for checkpoints, logs and sample grids; nothing is written without.
        resume: "auto" goes on from the newest checkpoint in `out`; a path goes on from that one.
        seed: of every random stream (`train__seed`).
        device: where to train, such as "cuda"; the model is returned there.
        standardise: of columns, see `gibbsian.dataset`.
        log: "tensorboard" writes the log for TensorBoard too, in `out`; it needs the extra of that name.
        changes: settings with `__` for the dot, such as `train__lr=1e-3, chain__steps=30`; of a learner
            that is built already, only those of `train` and `monitor`.

    Raises:
        DivergedError: training left the finite world (see `MonitorConfig`).
        UsageError: unknown names, bad settings. DataError: the data are missing or of the wrong shape.
    """
    if isinstance(paper, PaperEntry) or is_loss(paper):
        paper = register_paper(paper).name
    dotted = {k.replace("__", "."): v for k, v in changes.items()}
    named = {"train.steps": steps, "train.seed": seed}
    dotted |= {key: value for key, value in named.items() if value is not None}
    read = as_stored(data, out, resume) if isinstance(data, (str, Path)) else data
    given = dataset(read, standardise=standardise)
    notes = list(given.notes)
    if isinstance(paper, Learner):
        config, built = _own(paper, preset, given.full_name, dotted), paper
    else:
        config, told = resolved(paper, preset, given, dotted)
        config = config if net is None else with_net(config, net, given)
        built, notes = None, [*notes, *told]
    for note in notes if progress else ():
        _say(f"{given.name}: {note}")
    prepared = prepare(
        config,
        given,
        out=out,
        resume=resume,
        learner=built,
        net=net,
        validate=validate,
        notify=_say if progress else lambda text: None,
        device=device,
        log=log,
        given=dotted,
    )
    prepared.trainer.fit(dotted.get("train.steps"), minutes=minutes, progress=progress)
    model = finished(prepared.trainer)
    if model.record and given.recipe:
        model.record = replace(model.record, data=given.full_name)
    return in_units(model)


def finished(trainer: Trainer) -> EnergyModel:
    """The trained model in eval mode, with averaged weights where averaging is on."""
    if trainer.config.average:
        trainer.average.copy_to_model()
    trainer.learner.eval()
    return trainer.model


def prepare(
    config: RunConfig,
    dataset: Dataset,
    *,
    out: Path | str | None = None,
    resume: str | None = None,
    init_from: Path | str | None = None,
    learner: Learner | None = None,
    net: nn.Module | None = None,
    validate: Validator | None = None,
    observers: Sequence[Observer] = (),
    notify: Callable[[str], None] = lambda text: None,
    device: str = "cpu",
    log: str | None = None,
    given: Collection[str] = (),
) -> Prepared:
    """Learner, trainer and run folder of a run, resumed or initialised as asked; `given` as `Trainer` has it.

    Raises `UsageError` when both `resume` and `init_from` are given, or when `out` already holds a run and
    neither resuming nor another folder was asked for.
    """
    if resume and init_from:
        raise UsageError(
            "--resume goes on with a run, --init-from starts a new one from weights: give one of them"
        )
    if log not in (None, "tensorboard"):
        raise UsageError(f"log is {log!r}: give 'tensorboard', or leave it out")
    if log and not out:
        raise UsageError("log='tensorboard' writes into the run folder: name it with out")
    folder = RunFolder(out) if out else None
    if folder and log:
        folder.loggers.append(TensorBoard(folder.path / "tensorboard"))
    source = resume_source(folder, resume)
    if folder and folder.is_run and resume == "auto" and not source:
        notify(f"{folder.path} holds no checkpoint: begun anew")
    if source and folder and folder.is_run:
        require_same(folder.config(), config)
    if learner is None and not source:
        config = within_memory(config, dataset, net, device, notify)
    learner = learner or from_run(config, dataset.event_shape, net)
    if source and (table := table_in(locate(source)[1].record())):
        dataset = replace(dataset, table=table)
    learner.model.spec = replace(learner.model.spec, table=dataset.table)
    require_match(learner.model.spec, dataset)
    if init_from:
        load_into(learner, Path(init_from))
    learner.to(usable(device))
    trainer = Trainer(
        learner,
        dataset,
        config.train,
        config.monitor,
        folder=folder,
        validate=validate,
        notify=notify,
        observers=observers,
        given={*given, *unlike_preset(config)},
    )
    config = replace(config, train=trainer.config)
    if folder:
        trainer.observers = [*observers, *default_observers(trainer, folder)]
    if folder and (not source or not folder.is_run):
        folder.create(
            config.to_dict(),
            {"state": "running", "seed": config.train.seed, "data": _about(dataset), **_table(dataset)},
        )
        if isinstance(dataset.rows, ImageFiles):
            replace_text(folder.files, dataset.rows.listing.text(dataset.rows.root))
    if source:
        go_on(trainer, folder, source, config, notify)
    return Prepared(config, trainer)


def _say(text: str) -> None:
    print(text, file=sys.stderr)


def stored_config(folder: Path | str) -> RunConfig:
    """The configuration of an existing run folder."""
    return from_config(RunFolder(folder).config())


def _own(learner: Learner, preset: str | None, data: str, changes: dict[str, Any]) -> RunConfig:
    """The run of a learner that is built already: its own model, a preset's or the default training."""
    name = name_of(learner.model)
    known = presets(name) if preset else {}
    if preset and preset not in known:
        raise unknown(f"preset of {name}", preset, known)
    recipe = known[preset] if preset else Recipe(learner.config)
    train, monitor = recipe.train, recipe.monitor
    for dotted, value in changes.items():
        head, _, rest = dotted.partition(".")
        if head == "train":
            train = override(train, {rest: value})
        elif head == "monitor":
            monitor = override(monitor, {rest: value})
        else:
            raise UsageError(f"'{dotted}' is a setting of the model, which stands: build it with that value")
    return RunConfig(name, preset or "", data, learner.config, train, monitor)


def _table(dataset: Dataset) -> dict[str, Any]:
    return {} if dataset.table is None else {"table": dataset.table.to_dict()}


def _about(dataset: Dataset) -> dict[str, Any]:
    return {
        "name": dataset.full_name,
        "recipe": None if dataset.recipe is None else vars(dataset.recipe),
        "classes": list(dataset.classes),
        "notes": list(dataset.notes),
        "split": dataset.split,
        "n": len(dataset),
        "event_shape": list(dataset.event_shape),
        "fingerprint": dataset.fingerprint,
    }


__all__ = ["Outcome", "Prepared", "finished", "fit", "prepare", "stored_config"]

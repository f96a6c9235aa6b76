"""Going on with a run: from which checkpoint, with which settings, and what is said about it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..core.errors import UsageError
from ..data.recipe import DataRecipe, named
from . import checkpoint
from .folder import RunFolder
from .load import locate
from .recipes import RunConfig
from .trainer import Trainer


def resume_source(folder: RunFolder | None, resume: str | None) -> Path | None:
    """The checkpoint to go on from: "auto" is the newest in the run folder, none where there is no run yet.

    Raises `UsageError` for "auto" without a folder, and for a folder with a run that nobody asked to resume.
    """
    if resume and resume != "auto":
        return locate(Path(resume))[0]
    if resume == "auto" and folder is None:
        raise UsageError("--resume auto needs a run folder: name it with --out")
    newest = folder.newest() if folder else None
    if newest and not resume:
        raise UsageError(
            f"{newest.parent.parent} already holds a run: --resume auto goes on, or choose another --out"
        )
    return newest if resume else None


def as_stored(data: str | Path, out: Path | str | None, resume: str | None) -> str:
    """The line that reads `data` as the run that goes on did, where nothing else is said."""
    recipe = DataRecipe.parse(named(data)).placed()
    folder = RunFolder(out) if out else None
    if resume and resume != "auto":
        folder = locate(Path(resume))[1]
    if not resume or folder is None or not folder.is_run:
        return str(recipe)
    return str(recipe.like(DataRecipe.parse(str(folder.config().get("data")))))


def require_same(stored: dict[str, Any], config: RunConfig) -> None:
    """Raises `UsageError` for another seed, preset or range of the data than the run began with: streams and
    every setting are stored, and weights and chains belong to a range."""
    train, ranges, net = (stored.get(key) for key in ("train", "pixels", "net"))
    seed, preset = train.get("seed") if isinstance(train, dict) else None, stored.get("preset")
    _require_net(net.get("name") if isinstance(net, dict) else None, config)
    if seed not in (None, config.train.seed):
        raise UsageError(
            f"train.seed is {config.train.seed}, but this run goes on with the streams of seed {seed}: "
            "leave it out, or start anew with --init-from"
        )
    if preset not in (None, config.preset):
        raise UsageError(
            f"preset is '{config.preset}', but this run has the settings of preset '{preset}': leave it out, "
            "or start anew with --init-from"
        )
    ranges = ranges if isinstance(ranges, dict) else {}
    new = vars(config.model).get("pixels") if stored.get("system") == config.system else None
    for key in ("low", "high") if new else ():
        if ranges.get(key) not in (None, getattr(new, key)):
            raise UsageError(
                f"pixels.{key} is {getattr(new, key):g}, but this run learnt data and keeps chains with "
                f"{ranges[key]:g}: leave it out, or train a new run"
            )


def _require_net(stored: object, config: RunConfig) -> None:
    """Raise `UsageError` where only one of the run and the settings has a network of a person's own."""
    name = getattr(vars(config.model).get("net"), "name", None)
    if isinstance(stored, str) and name is not None and (":" in stored) != (":" in name):
        raise UsageError(
            f"this run trains the network {stored}, but net.name is {name}: give the same again, by net= or "
            "--net"
        )


def go_on(
    trainer: Trainer,
    folder: RunFolder | None,
    source: Path,
    config: RunConfig,
    notify: Callable[[str], None],
) -> None:
    """Put the state of `source` into the trainer and open the log again; what changed is told."""
    tree = checkpoint.load(source)
    trainer.load_state_dict(tree, f"checkpoint {source}")
    if folder:
        folder.reopen(tree["log"]["lines"])
        if left := folder.leave_behind(trainer.step):
            notify(f"later checkpoints are now left-*: {', '.join(path.name for path in left)}")
        if changed := folder.change(config.to_dict(), trainer.step):
            notify("settings changed: " + ", ".join(f"{k} {v}" for k, v in changed.items()))
        folder.update_record(state="running")
    notify(f"resumed from {source} at step {trainer.step}")

"""What a RUN on the command line is, and the words that several commands share."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

from ..core.errors import UsageError
from ..data.recipe import DataRecipe, is_table, named
from ..train.settings import Compiling
from .options import Arg

Run = Annotated[str, Arg("run folder, checkpoint, or exported model folder")]
Which = Annotated[Literal["newest", "best"], Arg("checkpoint of a run folder")]
Device = Annotated[str, Arg("cpu, cuda or cuda:N", "D")]
Precision = Annotated[
    Literal["fp32", "bf16", "auto"],
    Arg("of the network in the chains; auto: bf16 for images if quicker here"),
]
Compile = Annotated[Compiling, Arg("compiled chains; auto: what is built already, and in time")]
DataDir = Annotated[str | None, Arg("where data lie, before $GIBBSIAN_DATA and the cache", "DIR")]


def trained_on(run: str) -> str:
    """The data set that the system at `run` was trained on: see `train.load.trained_on`."""
    from ..train.load import trained_on as stored

    return stored(Path(run))


def asked_data(run: str, data: str | None) -> str:
    """The data that a verb is to look at: those named, broken files of a folder being treated as in training
    and a table being read as the run read its own; else those of training, "" where nobody says."""
    known = DataRecipe.parse(trained_on(run))
    recipe = DataRecipe.parse(named(data)) if data else known
    if recipe.name.startswith("folder:"):
        return str(replace(recipe, on_error=recipe.on_error or known.on_error) if data else recipe)
    if not recipe.places:
        return str(recipe)
    if is_table(recipe.name):
        recipe = recipe.like(known)
    return str(replace(recipe, table=_table_file(run)))


def _table_file(run: str) -> str | None:
    """The JSON file in which a run or a model keeps the columns of its table; none where it has none."""
    if exported(run):
        path = Path(run) / "config.json"
    else:
        from ..train.load import locate

        path = locate(Path(run))[1].path / "run.json"
    try:
        return str(path.absolute()) if json.loads(path.read_text()).get("table") else None
    except (OSError, ValueError):
        return None


def cut_short(run: str, which: str = "newest") -> str:
    """How many of its updates the weights at `run` have seen, if not all: "62 of 5,000 updates", and whether
    that is what its budget of time allowed.
    """
    if exported(run):
        return ""
    from ..train import checkpoint
    from ..train.fit import stored_config
    from ..train.load import locate

    source, folder = locate(run, which)
    made, planned = checkpoint.updates(source), stored_config(folder.path).train.steps
    why = ", as its budget of time allowed" if folder.record().get("state") == "done" else ""
    return f"{made:,} of {planned:,} updates{why}" if made < planned else ""


def exported(run: str) -> bool:
    """Whether RUN is an exported model folder; a checkpoint holds weights too, but no config.json."""
    return all((Path(run) / name).is_file() for name in ("model.safetensors", "config.json"))


def require_writable(folder: Path) -> None:
    """Make `folder` if need be; raises `UsageError` where nothing can be written, before long work begins."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot make folder {folder}: {error.strerror}; choose another") from error
    if not os.access(folder, os.W_OK):
        raise UsageError(f"folder {folder} is read-only: choose another")

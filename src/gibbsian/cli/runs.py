"""What a RUN on the command line is, and the words that several commands share."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Literal

from ..core.errors import UsageError
from ..data.names import entry
from ..train.settings import Compiling
from .options import Arg

Run = Annotated[str, Arg("run folder, checkpoint, or exported model folder")]
Which = Annotated[Literal["newest", "best"], Arg("checkpoint of a run folder")]
Device = Annotated[str, Arg("cpu, cuda or cuda:N", "D")]
Precision = Annotated[Literal["fp32", "bf16"], Arg("of the network in the chains")]
Compile = Annotated[Compiling, Arg("chains in compiled graphs; auto: after 30,000 steps")]
DataDir = Annotated[str | None, Arg("where data lie, before $GIBBSIAN_DATA and the cache", "DIR")]


def trained_on(run: str) -> str:
    """The data set that the system at `run` was trained on, as a line that reads it again; "" for arrays that
    were given in Python, and where an exported folder does not say.

    Raises `CheckpointError` when nothing is there.
    """
    path = Path(run)
    if exported(run):
        try:
            return str(json.loads((path / "config.json").read_text()).get("data", ""))
        except (OSError, ValueError):
            return ""
    from ..train.fit import stored_config
    from ..train.load import locate

    folder = locate(path)[1]
    name = stored_config(folder.path).data
    record = folder.record().get("data")
    from_arrays = isinstance(record, dict) and record.get("recipe", name) is None
    return "" if from_arrays and entry(name) is None else name


def cut_short(run: str, which: str = "newest") -> str:
    """How many of its updates the weights at `run` have seen, if not all: "62 of 5,000 updates"."""
    if exported(run):
        return ""
    from ..train import checkpoint
    from ..train.fit import stored_config
    from ..train.load import locate

    source, folder = locate(run, which)
    made, planned = checkpoint.updates(source), stored_config(folder.path).train.steps
    return f"{made:,} of {planned:,} updates" if made < planned else ""


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

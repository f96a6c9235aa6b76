"""`gibbsian export`: a model folder without training state."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

from ..core.errors import UsageError
from ..data.recipe import DataRecipe
from .options import Arg
from .result import Result
from .runs import Run, Which, trained_on


def export(run: Run, *, out: Annotated[str, Arg("folder to make", "DIR")], which: Which = "newest") -> Result:
    """Write config.json, model.safetensors and a model card. Averaged weights are used where training
    averaged; replay chains and optimisers stay behind."""
    folder = Path(out)
    if (folder / "config.yaml").exists():
        raise UsageError(f"{out} is a run folder: choose another --out")
    if (folder / "state.json").exists():
        raise UsageError(f"{out} is a checkpoint, which would be lost: choose another --out")
    from ..train.load import load

    data = str(replace(DataRecipe.parse(trained_on(run)), table=None))  # the model keeps its own
    load(run, which=which).save(folder, data=data)
    return Result({"run": run, "out": out}, f"model folder {out}")

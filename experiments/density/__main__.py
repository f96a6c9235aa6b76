"""`python -m experiments.density RUN`: test nats of a Generalized EBM on a flow, and of its rivals."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from gibbsian.cli.main import program
from gibbsian.cli.options import Arg
from gibbsian.cli.result import Result
from gibbsian.cli.results import finished, opened, say
from gibbsian.cli.runs import DataDir, Run, Which, exported
from gibbsian.core.errors import UsageError
from gibbsian.train import checkpoint
from gibbsian.train.fit import stored_config
from gibbsian.train.load import locate
from gibbsian.train.recipes import RunConfig

from .study import study_density


def density(
    run: Run,
    *,
    base_samples: Annotated[int, Arg("samples of the base for the log-partition", "N")] = 100_000,
    seeds: Annotated[int, Arg("times to train anew and stop early; 0: the run as it stands", "N")] = 3,
    seed: Annotated[int, Arg("of the draws", "S")] = 0,
    data: Annotated[str | None, Arg("data set; the one of training by default", "NAME")] = None,
    out: Annotated[str | None, Arg("folder; RUN/study by default", "DIR")] = None,
    which: Which = "newest",
    data_dir: DataDir = None,
) -> Result:
    """Test nats of a Generalized EBM on a flow, of its base, of the flow by maximum likelihood and of a
    Gaussian; writes density.json, density.txt and a plot.
    """
    job = opened(run, "study", out=out, data=data, which=which)
    found = study_density(
        job.model,
        settings(run, which),
        base_samples=base_samples,
        seeds=seeds,
        seed=seed,
        data=job.data,
        data_dir=data_dir,
        progress=say,
    )
    return finished(run, found, "density", job.folder)


def settings(run: str, which: str = "newest") -> RunConfig:
    """How a run was trained, `train.steps` being the updates it had; `UsageError` for exported models."""
    if exported(run):
        raise UsageError(
            f"{run} is an exported model, which does not say how it was trained: give a run folder"
        )
    source, folder = locate(Path(run), which)
    config, made = stored_config(folder.path), int(checkpoint.load(source)["loop"]["step"])
    return replace(config, train=replace(config.train, steps=made))


if __name__ == "__main__":
    sys.exit(program("python -m experiments.density", density))

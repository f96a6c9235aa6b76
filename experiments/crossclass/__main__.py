"""`python -m experiments.crossclass RUN`: chains from images of one class under another."""

from __future__ import annotations

import sys
from typing import Annotated

from gibbsian.cli.main import program
from gibbsian.cli.options import Arg
from gibbsian.cli.result import Result
from gibbsian.cli.results import finished, numbers, opened, progress
from gibbsian.cli.runs import DataDir, Device, Run, Which
from gibbsian.tasks.convert.classes import require_conditional

from .study import study_crossclass


def crossclass(
    run: Run,
    *,
    n: Annotated[int, Arg("test images of each class", "N", "-n")] = 10,
    to: Annotated[str | None, Arg("classes under which chains run; all by default", "Y,Y")] = None,
    steps: Annotated[int | None, Arg("of a chain; the model's own number by default", "K")] = None,
    chains: Annotated[int, Arg("chains of each class from noise, for its modes", "N")] = 20,
    seed: Annotated[int, Arg("of images and chains", "S")] = 0,
    data: Annotated[str | None, Arg("data set; the one of training by default", "NAME")] = None,
    out: Annotated[str | None, Arg("folder; RUN/crossclass by default", "DIR")] = None,
    which: Which = "newest",
    device: Device = "cpu",
    data_dir: DataDir = None,
) -> Result:
    """Start chains at test images of every class, under every other class and under their own, and write
    crossclass.json, crossclass.txt and pictures. Intervals are of 95 % over images.

    Under another class: are the ends judged as that class, and how much of the source is kept? Under their
    own, whole and with salt and pepper: how many change their class? From noise, and as completions of half
    an image: how much do chains of one class differ? For conditional models only.
    """
    targets = None if to is None else numbers("--to", to)
    job = opened(run, "crossclass", out=out, data=data, which=which, device=device)
    require_conditional(job.model)
    with progress("crossclass") as advance:
        found = study_crossclass(
            job.model, job.data, per_class=n, to=targets, steps=steps, chains=chains, seed=seed,
            data_dir=data_dir, progress=advance,
        )  # fmt: skip
    return finished(run, found, "crossclass", job.folder, pictures=found.pictures)


if __name__ == "__main__":
    sys.exit(program("python -m experiments.crossclass", crossclass))

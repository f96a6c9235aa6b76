"""`gibbsian crossclass`: chains of a conditional model from images of one class under another."""

from __future__ import annotations

from typing import Annotated

from .options import Arg
from .result import Result
from .results import finished, names, opened, progress
from .runs import DataDir, Device, Run, Which


def crossclass(
    run: Run,
    *,
    n: Annotated[int, Arg("test images of each class", "N", "-n")] = 10,
    to: Annotated[str | None, Arg("classes, by name or number, of chains; all by default", "Y,Y")] = None,
    steps: Annotated[int | None, Arg("of a chain; the model's own number by default", "K")] = None,
    seed: Annotated[int, Arg("of images and chains", "S")] = 0,
    data: Annotated[str | None, Arg("data set; the one of training by default", "NAME")] = None,
    out: Annotated[
        str | None, Arg("folder; RUN/crossclass, or crossclass for an exported model", "DIR")
    ] = None,
    which: Which = "newest",
    device: Device = "cpu",
    data_dir: DataDir = None,
) -> Result:
    """Start chains at test images of every class, under every class, and write crossclass.json,
    crossclass.txt and pictures. Intervals are of 95 % over images.

    Are the ends judged as the class asked for, and how much of the source is kept? For conditional models
    only.
    """
    from ..tasks.convert.classes import crossclass as measure

    targets = None if to is None else names(to)
    job = opened(run, "crossclass", out=out, data=data, which=which, device=device)
    with progress("crossclass") as advance:
        found = measure(
            job.model, job.data, per_class=n, to=targets, steps=steps, seed=seed, data_dir=data_dir,
            progress=advance,
        )  # fmt: skip
    return finished(run, found, "crossclass", job.folder, pictures=found.pictures, which=which)

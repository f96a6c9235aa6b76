"""`gibbsian crossclass`: chains of a conditional model from images of one class under another."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from ..core.errors import UsageError
from .findings import numbers, place, progress, write
from .options import Arg
from .result import Result
from .runs import DataDir, Device, Run, Which, require_writable, trained_on


def crossclass(
    run: Run,
    *,
    n: Annotated[int, Arg("test images of each class", "N", "-n")] = 10,
    to: Annotated[str | None, Arg("classes under which chains run; all by default", "Y,Y")] = None,
    steps: Annotated[int | None, Arg("of a chain; the model's own number by default", "K")] = None,
    chains: Annotated[int, Arg("chains of each class from noise, for its modes", "N")] = 20,
    seed: Annotated[int, Arg("of images and chains", "S")] = 0,
    data: Annotated[str | None, Arg("data set; the one of training by default", "NAME")] = None,
    out: Annotated[
        str | None, Arg("folder; RUN/crossclass, or crossclass for an exported model", "DIR")
    ] = None,
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
    from ..tasks.crossclass.run import crossclass as measure
    from ..tasks.crossclass.run import require_conditional
    from ..train.load import load
    from .machine import usable

    usable(device)
    targets = None if to is None else numbers("--to", to)
    folder, name = Path(out) if out else place(run, "crossclass"), data or trained_on(run)
    if not name:
        raise UsageError(f"{run} does not say what it was trained on: name a data set with --data")
    require_writable(folder)
    model = load(run, which=which).to(device)
    require_conditional(model)
    with progress("crossclass") as advance:
        found = measure(
            model, name, per_class=n, to=targets, steps=steps, chains=chains, seed=seed, data_dir=data_dir,
            progress=advance,
        )  # fmt: skip
    written = write(found, "crossclass", folder, prefix="crossclass-", pictures=found.pictures)
    told = "\n".join([found.text(), "", *(f"wrote {path}" for path in written)])
    return Result({"run": run, **found.to_dict(), "written": [str(p) for p in written]}, told)

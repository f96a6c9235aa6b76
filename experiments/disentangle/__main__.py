"""`python -m experiments.disentangle RUN`: scores of a VAEBM's latents before and after its chain."""

from __future__ import annotations

import sys
from typing import Annotated, Any

from gibbsian.cli.main import program
from gibbsian.cli.options import Arg
from gibbsian.cli.result import Result
from gibbsian.cli.results import finished, opened, say
from gibbsian.cli.runs import DataDir, Device, Run, Which
from gibbsian.data.load import load

from .study import study_disentangle


def disentangle(
    run: Run,
    *,
    n: Annotated[int, Arg("sprites of one draw", "N", "-n")] = 5000,
    draws: Annotated[int, Arg("independent draws for intervals", "N")] = 3,
    chain_steps: Annotated[int | None, Arg("length of the chain; the model's own by default", "K")] = None,
    seed: Annotated[int, Arg("of the draws", "S")] = 0,
    data: Annotated[str | None, Arg("data set; the one of training by default", "NAME")] = None,
    out: Annotated[str | None, Arg("folder; RUN/study by default", "DIR")] = None,
    which: Which = "newest",
    device: Device = "cpu",
    data_dir: DataDir = None,
) -> Result:
    """MIG, FactorVAE score and DCI of a VAEBM's latents before and after its chain, and how far chains move
    them; writes disentangle.json, disentangle.txt and plots.
    """
    job = opened(run, "study", out=out, data=data, which=which, device=device)
    sprites = load(job.data, "test", data_dir=data_dir)
    sizes: dict[str, Any] = {"n": n, "draws": draws, "seed": seed}
    found = study_disentangle(job.model, sprites, steps=chain_steps, progress=say, **sizes)
    return finished(run, found, "disentangle", job.folder)


if __name__ == "__main__":
    sys.exit(program("python -m experiments.disentangle", disentangle))

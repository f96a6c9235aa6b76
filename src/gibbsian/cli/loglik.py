"""`gibbsian loglik`: log p of data in nats and bits, by a model whose constant is measured first."""

from __future__ import annotations

from typing import Annotated

from .options import Arg
from .result import Result
from .results import finished, opened, say
from .runs import DataDir, Device, Run, Which


def loglik(
    run: Run,
    *,
    data: Annotated[
        str | None, Arg("rows: a data set, FILE or folder; those held out by default", "NAME")
    ] = None,
    n: Annotated[int, Arg("rows at most", "N", "-n")] = 1000,
    bound: Annotated[float, Arg("|log Z| in nats a dimension beyond which log p is left out", "B")] = 0.1,
    levels: Annotated[int, Arg("noise levels of the annealing", "N")] = 200,
    moves: Annotated[int, Arg("steps of MALA at each", "N")] = 2,
    rows: Annotated[
        int | None, Arg("chains of one draw of it; 100, or as many as held-out rows allow", "N")
    ] = None,
    draws: Annotated[int, Arg("independent draws of it", "N")] = 3,
    seed: Annotated[int, Arg("of noise and chains", "S")] = 0,
    reference: Annotated[
        str | None, Arg("what the run was trained on, where it does not say", "NAME")
    ] = None,
    out: Annotated[str | None, Arg("folder; RUN/loglik, or loglik for an exported model", "DIR")] = None,
    which: Which = "newest",
    device: Device = "cpu",
    data_dir: DataDir = None,
) -> Result:
    """log p of data in nats and bits a dimension, with the least noise of the model and, for images, with
    uniform noise of a grey level. log Z is measured by annealing and subtracted; where that cannot be
    measured, or is beyond --bound, only what the sampler's own density is at least is said, and why. Writes
    loglik.json and loglik.txt. For models with normalised noise levels, such as noise_energy. Intervals are
    of 95 %.
    """
    from ..tasks.loglik import loglik as measure

    job = opened(run, "loglik", out=out, data=reference, which=which, device=device)
    found = measure(
        job.model, data, n=n, bound=bound, levels=levels, moves=moves, rows=rows, draws=draws, held=job.data,
        seed=seed, data_dir=data_dir, progress=say,
    )  # fmt: skip
    return finished(run, found, "loglik", job.folder, which=which)

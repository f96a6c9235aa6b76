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
    levels: Annotated[int, Arg("noise levels of the annealing, where the model has such", "N")] = 200,
    moves: Annotated[int, Arg("steps of MALA at each level, or trajectories of HMC", "N")] = 2,
    rows: Annotated[
        int | None, Arg("chains of one draw of it; 100, or as many as held-out rows allow", "N")
    ] = None,
    draws: Annotated[int, Arg("independent draws of it", "N")] = 3,
    particles: Annotated[int, Arg("of a run from Gaussians to the energy, without noise levels", "N")] = 1000,
    runs: Annotated[int, Arg("such runs, each direction", "N")] = 4,
    kept: Annotated[float, Arg("share of the particles that a step of these keeps, below 1", "S")] = 0.9,
    seed: Annotated[int, Arg("of noise and chains", "S")] = 0,
    reference: Annotated[
        str | None, Arg("what the run was trained on, where it does not say", "NAME")
    ] = None,
    out: Annotated[str | None, Arg("folder; RUN/loglik, or loglik for an exported model", "DIR")] = None,
    which: Which = "newest",
    device: Device = "cpu",
    data_dir: DataDir = None,
) -> Result:
    """log p of data in nats and bits a dimension, by any model that claims a density, with uniform noise of a
    grey level for images. log Z is measured by annealing, there and back, and subtracted: from Gaussians of
    the training rows, or along the noise levels of models that have them, such as noise_energy (--levels,
    --rows, --draws), then with the model's least noise; where it is beyond --bound there, only what the
    sampler's own density is at least is said, and why. Writes loglik.json and loglik.txt. Intervals are of
    95 %.
    """
    from ..tasks.loglik import loglik as measure

    job = opened(run, "loglik", out=out, data=reference, which=which, device=device)
    annealing = {"particles": particles, "runs": runs, "kept": kept, "moves": moves}
    found = measure(
        job.model, data, n=n, bound=bound, levels=levels, moves=moves, rows=rows, draws=draws,
        annealing=annealing, held=job.data, seed=seed, data_dir=data_dir, progress=say,
    )  # fmt: skip
    return finished(run, found, "loglik", job.folder, which=which)

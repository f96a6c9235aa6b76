"""`gibbsian study TOPIC`: one question about a trained model in depth, answered with tables and plots."""

from __future__ import annotations

from typing import Annotated

from ..core.errors import require_positive
from .options import Arg
from .result import Result
from .results import finished, names, numbers, opened, say
from .runs import DataDir, Device, Run, Which, exported

Draws = Annotated[int, Arg("independent draws for intervals", "N")]
Seed = Annotated[int, Arg("of the draws", "S")]
Data = Annotated[str | None, Arg("data set; the one of training by default", "NAME")]
Out = Annotated[str | None, Arg("folder; RUN/study, or study for an exported model", "DIR")]


def modes(
    run: Run,
    *,
    steps: Annotated[str, Arg("lengths of chains", "K,K")] = "0,5,10,20,50",
    n: Annotated[int, Arg("samples of one draw", "N", "-n")] = 2000,
    draws: Draws = 3,
    seed: Seed = 0,
    data: Data = None,
    out: Out = None,
    which: Which = "newest",
    device: Device = "cpu",
    data_dir: DataDir = None,
) -> Result:
    """Classes reached, KL, recall, feature distance and duplicates for the model, its VAE or generator,
    chains from its buffer, and chains of several lengths. Writes modes.json, modes.txt and plots modes-*.png,
    which need the extra plot. Intervals are of 95 %.
    """
    from ..tasks.study.comparison import Stored
    from ..tasks.study.modes import study_modes
    from ..train.load import load_run

    require_positive(n=n, draws=draws)
    lengths, stored = numbers("--steps", steps), None
    job = opened(run, "study", out=out, data=data, which=which, device=device)
    model = job.model
    if not exported(run):
        learner = load_run(run, which=which).to(device)
        model, stored = learner.model, Stored.of(learner)
    found = study_modes(
        model, job.data, steps=lengths, n=n, draws=draws, seed=seed, data_dir=data_dir, progress=say,
        stored=stored,
    )  # fmt: skip
    return finished(run, found, "modes", job.folder, topic="modes", which=which)


def longrun(
    run: Run,
    *,
    steps: Annotated[str, Arg("times at which chains are looked at", "K,K")] = "0,10,100,1000,10000",
    climb: Annotated[
        float | None,
        Arg("first up to this Gaussian noise, in [0, 1], and down; for models with levels of it", "SIGMA"),
    ] = None,
    n: Annotated[int, Arg("chains of one draw", "N", "-n")] = 500,
    draws: Draws = 3,
    seed: Seed = 0,
    data: Data = None,
    out: Out = None,
    which: Which = "newest",
    device: Device = "cpu",
    data_dir: DataDir = None,
) -> Result:
    """Whether long chains from data still look like data. Writes longrun.json, longrun.txt and plots
    longrun-*.png, which need the extra plot. Intervals are of 95 %.
    """
    from ..tasks.study.longrun import study_longrun

    require_positive(n=n, draws=draws)
    times = numbers("--steps", steps)
    job = opened(run, "study", out=out, data=data, which=which, device=device)
    found = study_longrun(
        job.model, job.data, steps=times, climb=climb, n=n, draws=draws, seed=seed, data_dir=data_dir,
        progress=say,
    )  # fmt: skip
    return finished(run, found, "longrun", job.folder, topic="longrun", which=which)


def normalisation(
    run: Run,
    *,
    levels: Annotated[int, Arg("noise levels between the ends", "N")] = 200,
    moves: Annotated[int, Arg("steps of MALA at each", "N")] = 2,
    n: Annotated[int, Arg("rows of one draw", "N", "-n")] = 100,
    draws: Draws = 3,
    seed: Seed = 0,
    data: Data = None,
    out: Out = None,
    which: Which = "newest",
    device: Device = "cpu",
    data_dir: DataDir = None,
) -> Result:
    """Whether an energy over noise levels is normalised: log Z by annealing from the largest noise, and back
    from held-out data. Writes normalisation.json and normalisation.txt. Intervals are of 95 %.
    """
    from ..tasks.study.normalisation import study_normalisation

    require_positive(n=n, draws=draws)
    job = opened(run, "study", out=out, data=data, which=which, device=device)
    found = study_normalisation(
        job.model, job.data, levels=levels, moves=moves, n=n, draws=draws, seed=seed, data_dir=data_dir,
        progress=say,
    )  # fmt: skip
    return finished(run, found, "normalisation", job.folder, topic="normalisation", which=which)


def dimension(
    run: Run,
    *,
    n: Annotated[int, Arg("held-out images of each class", "N", "-n")] = 10,
    seed: Annotated[int, Arg("of the choice of images", "S")] = 0,
    data: Data = None,
    out: Out = None,
    which: Which = "newest",
    device: Device = "cpu",
    data_dir: DataDir = None,
) -> Result:
    """Eigenvalues of the energy's Hessian at held-out images: how many directions are free. Writes
    dimension.json, dimension.txt and plots dimension-*.png, which need the extra plot.
    """
    from ..tasks.study.dimension import study_dimension

    require_positive(n=n)
    job = opened(run, "study", out=out, data=data, which=which, device=device)
    found = study_dimension(job.model, job.data, n=n, seed=seed, data_dir=data_dir, progress=say)
    return finished(run, found, "dimension", job.folder, topic="dimension", which=which)


def calibration(
    run: Run,
    *,
    n: Annotated[int | None, Arg("test rows; all of them by default", "N", "-n")] = None,
    bins: Annotated[int, Arg("bins of the confidence", "N")] = 15,
    runs: Annotated[str | None, Arg("further runs, as further seeds", "RUN,RUN")] = None,
    seed: Annotated[int, Arg("of the choice of rows", "S")] = 0,
    data: Data = None,
    out: Out = None,
    which: Which = "newest",
    device: Device = "cpu",
    data_dir: DataDir = None,
) -> Result:
    """Accuracy, calibration error, log loss and Brier score of a classifier's answers on test rows; with
    --runs their mean over runs too. Writes calibration.json, calibration.txt and plots calibration-*.png,
    which need the extra plot. Intervals are of 95 %.
    """
    from ..tasks.study.calibration import study_calibration
    from ..train.load import load

    require_positive(n=1 if n is None else n)
    job = opened(run, "study", out=out, data=data, which=which, device=device)
    models = {run: job.model} | {other: load(other, which=which).to(device) for other in names(runs or "")}
    found = study_calibration(models, job.data, n=n, bins=bins, seed=seed, data_dir=data_dir, progress=say)
    return finished(run, found, "calibration", job.folder, topic="calibration", which=which)

"""`gibbsian ood`: which inputs a trained model finds strange, beside likelihood baselines."""

from __future__ import annotations

from typing import Annotated

from .options import Arg
from .result import Result
from .results import finished, names, opened, progress
from .runs import DataDir, Device, Run, Which


def ood(
    run: Run,
    *,
    against: Annotated[
        str | None, Arg("sets outside; those of the papers by default, for images of that shape", "NAME,NAME")
    ] = None,
    n: Annotated[int, Arg("test rows inside, and of each set", "N", "-n")] = 1000,
    scores: Annotated[str, Arg("all that the model can give, or some by name", "NAME,NAME")] = "all",
    background: Annotated[str | None, Arg("a second run, for the score ratio", "RUN")] = None,
    baselines: Annotated[
        str | None,
        Arg("likelihoods trained beside: vae,pixelcnn (the default for images) or none", "NAME,NAME"),
    ] = None,
    baseline_minutes: Annotated[float, Arg("at most, for each of them", "M")] = 8.0,
    fresh: Annotated[bool, Arg("train the baselines anew, though they are kept in DIR/baselines")] = False,
    choose_on: Annotated[
        str | None,
        Arg(
            "set to choose the quoted score on; emnist_letters for 28x28 grey and 32x32 colour, else "
            "interpolation",
            "NAME",
        ),
    ] = None,
    data: Annotated[str | None, Arg("data inside; those of training by default", "NAME")] = None,
    seed: Annotated[int, Arg("of rows, made sets and baselines", "S")] = 0,
    out: Annotated[str | None, Arg("folder; RUN/ood, or ood for an exported model", "DIR")] = None,
    which: Which = "newest",
    device: Device = "cpu",
    data_dir: DataDir = None,
) -> Result:
    """Tell data inside from sets outside: AUROC, AUPR and FPR95 of every score on every set. Intervals are of
    95 %.

    Scores: energy, lse and max_p (with a label head), grad, typicality, ratio (with --background),
    complexity, levels (ladders). Sets: any data set, a folder, file or table of your own, and noise,
    gaussian, interpolation (for images also constant, flipped); a public one whose files are missing is a row
    that says so. The score to quote is chosen on one set, and its mean is over the others. Writes ood.json,
    ood.txt, ood-sheet.png with examples of every set, and a histogram a score (these need the extra plot).
    """
    from ..tasks.ood.baselines import Budget
    from ..tasks.ood.measure import measure_ood
    from ..train.load import load

    budget = Budget(baseline_minutes)
    job = opened(run, "ood", out=out, data=data, which=which, device=device)
    found = measure_ood(
        job.model,
        job.data,
        against=None if against is None else names(against),
        n=n,
        scores=None if scores == "all" else names(scores),
        background=load(background).inner.to(device) if background else None,
        baselines=[] if baselines == "none" else names(baselines) if baselines else None,
        budget=budget,
        folder=job.folder / "baselines",
        fresh=fresh,
        choose_on=choose_on,
        seed=seed,
        data_dir=data_dir,
        bars=progress,
    )
    sheet = found.sheet()
    shown = {} if sheet is None else {"ood-sheet": sheet}
    return finished(run, found, "ood", job.folder, pictures=shown, which=which)

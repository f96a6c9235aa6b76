"""`gibbsian score`: energy, rank and flag of every image or row of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from ..core.errors import UsageError
from ..core.files import write_whole
from ..data.recipe import DataRecipe
from .options import Arg
from .result import Result
from .results import finished, opened
from .runs import DataDir, Device, Run, Which, require_writable


def score(
    run: Run,
    *,
    images: Annotated[str | None, Arg("an image file, or a folder with all below it", "DIR|FILE")] = None,
    data: Annotated[
        str | None, Arg("or rows of numbers or arrays: FILE.csv, FILE.npz, or a data set", "NAME")
    ] = None,
    rate: Annotated[float, Arg("share of held-out rows that would be flagged", "R")] = 0.05,
    label: Annotated[
        str, Arg("conditional models: none, true (of the data, or its folders) or a class", "Y")
    ] = "none",
    reference: Annotated[
        str | None, Arg("what the run was trained on, where it does not say", "NAME")
    ] = None,
    on_error: Annotated[
        Literal["stop", "skip"] | None, Arg("a broken image file or incomplete row: as in training, or so")
    ] = None,
    csv: Annotated[str | None, Arg("all rows; score.csv in the folder by default", "FILE.csv")] = None,
    seed: Annotated[int, Arg("of the rows to compare with, where there are many", "S")] = 0,
    out: Annotated[str | None, Arg("folder; RUN/score, or score for an exported model", "DIR")] = None,
    which: Which = "newest",
    device: Device = "cpu",
    data_dir: DataDir = None,
) -> Result:
    """Score every row: its energy, its rank among training rows, and whether it is flagged. Low energy is
    typical.

    The threshold is set on held-out rows of the run's data, so that a share --rate of them would be flagged;
    intervals are of 95 %. Images of another size are brought to that of the run, and broken ones treated as
    in its training. Writes score.csv with all rows, score.json, score.txt, and score-sheet.png with the most
    and the least typical images.
    """
    from ..tasks.score import score as measure

    given = images or data
    if given is None or (images and data):
        raise UsageError("say what to score: --images DIR or a file, or --data NAME; one of them")
    job = opened(run, "score", out=out, data=reference, which=which, device=device, needs_data=False)
    DataRecipe.parse(job.data).require_there("--reference")
    table = Path(csv) if csv else job.folder / "score.csv"
    require_writable(table.parent)
    found = measure(
        job.model,
        given,
        rate=rate,
        label=label,
        reference=job.data or None,
        seed=seed,
        data_dir=data_dir,
        on_error=on_error,
    )
    try:
        write_whole(table, found.csv())
    except OSError as error:
        raise UsageError(f"cannot write {table}: {error.strerror}; choose another --csv") from error
    sheet = found.sheet()
    shown = {} if sheet is None else {"score-sheet": sheet}
    result = finished(run, found, "score", job.folder, pictures=shown)
    data_out = {**result.data, "csv": str(table)}
    return Result(data_out, f"{result.text}\nwrote {table}")

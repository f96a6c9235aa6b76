"""`gibbsian compare`: runs side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from .options import Arg
from .result import Result
from .results import say
from .runs import DataDir, require_writable


def compare(
    runs: Annotated[tuple[str, ...], Arg("two or more run folders or exported models", "RUN RUN ...")],
    *,
    out: Annotated[str, Arg("folder for compare.html, .png, .txt and .json", "DIR")] = "compare",
    evaluate: Annotated[
        bool, Arg("measure each anew, alike; else the newest report.json in its folder is read")
    ] = False,
    n: Annotated[int, Arg("samples in one draw, with --evaluate", "N", "-n")] = 2000,
    draws: Annotated[int, Arg("independent draws, with --evaluate", "N")] = 5,
    seed: Annotated[int, Arg("of all draws", "S")] = 0,
    data: Annotated[str | None, Arg("data set, with --evaluate; that of training by default", "NAME")] = None,
    data_dir: DataDir = None,
) -> Result:
    """Put runs side by side: only the settings that differ, training curves on one axis, how training ended,
    samples of the same seed, and measures with whether their differences from the first run exceed their
    intervals of 95 %.

    Measures are those of reports that gibbsian evaluate RUN --report RUN/report left, or of --evaluate. Runs
    of different data are compared in all but measures, which is told.
    """
    from ..tasks.pages.comparison import compare as side_by_side
    from ..tasks.pages.several import named_runs

    named_runs(runs)
    require_writable(Path(out))
    how: dict[str, Any] = {"measure": evaluate, "data": data, "n": n, "draws": draws, "seed": seed}
    found = side_by_side(runs, out=out, data_dir=data_dir, progress=say, **how)
    written = sorted(str(path) for path in Path(out).glob("compare.*"))
    told = "\n".join(f"wrote {path}" for path in written)
    return Result({**found.to_dict(), "written": written}, f"{found.text()}\n\n{told}")

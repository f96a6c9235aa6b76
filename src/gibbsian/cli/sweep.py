"""`gibbsian sweep`: train over seeds and settings, one run at a time."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from ..core.device import usable
from ..core.errors import UsageError
from ..core.files import write_whole
from ..data.options import READ
from ..train.recipes import resolve
from . import reading
from .options import Arg, Keys
from .result import Result
from .results import numbers, say
from .runs import DataDir, Device, require_writable
from .settings import system_settings
from .train import run_name


def sweep(
    system: Annotated[str, Arg("a name of gibbsian list systems, or FILE.py:OBJECT")],
    *,
    data: Annotated[str | None, Arg("data set, see gibbsian list data", "NAME")] = None,
    size: reading.Size = None,
    grey: reading.Grey = None,
    on_error: reading.OnError = None,
    label_column: reading.LabelColumn = None,
    columns: reading.Columns = None,
    standardise: reading.Standardise = None,
    seeds: Annotated[str, Arg("of the runs of each choice of settings", "S,S,...")] = "0,1,2",
    preset: Annotated[str | None, Arg("named settings, see gibbsian list presets", "P")] = None,
    steps: Annotated[int | None, Arg("weight updates of each run", "N")] = None,
    minutes: Annotated[
        float | None, Arg("budget of time of each run: all of them take runs times M", "M")
    ] = None,
    n: Annotated[int, Arg("samples by which a run is measured", "N", "-n")] = 500,
    out: Annotated[str | None, Arg("folder of the runs; sweeps/SYSTEM-DATA by default", "DIR")] = None,
    device: Device = "cpu",
    data_dir: DataDir = None,
    settings: Annotated[Mapping[str, Any] | None, Keys(system_settings, "SYSTEM", many=True)] = None,
) -> Result:
    """Train every choice of settings with every seed, and say which differences are more than what seeds do.

    A setting with several values, between commas, is swept: --train.lr 1e-3,3e-4 --chain.steps 20,40 are four
    choices, and with three seeds twelve runs. Lists take brackets: --net.hidden '[64],[64,64]'.

    Each run is measured on training rows set aside, never on the test part. The same command goes on where it
    was stopped, with more seeds or values too; finished runs are not made again. A run that diverges is
    noted, and the rest goes on. DIR holds sweep.txt, .json and .html, and a run folder a run.
    """
    usable(device)
    if minutes is not None and not 0 < minutes < math.inf:
        raise UsageError(f"--minutes is {minutes:g}: it must be a number above 0")
    how = {key: value for key, value in locals().items() if key in READ}
    name = reading.with_options(resolve(system, preset=preset, data=data), None, how).data
    folder = Path(out) if out else Path("sweeps") / run_name(system, name)
    chosen = numbers("--seeds", seeds)
    swept = {key: values for key, values in (settings or {}).items() if len(values) > 1}
    fixed = {key: values[0] for key, values in (settings or {}).items() if len(values) == 1}
    require_writable(folder)
    from ..tasks.pages.swept import sweep_page
    from ..tasks.sweep.run import sweep as run_all

    found = run_all(
        system, name, swept, out=folder, seeds=chosen, steps=steps, minutes=minutes, preset=preset,
        fixed=fixed, n=n, device=device, data_dir=data_dir, progress=say,
    )  # fmt: skip
    words = ["gibbsian", "sweep", system, "--data", name, "--seeds", seeds, "--out", str(folder)]
    for flag, value in {"--preset": preset, "--steps": steps, "--minutes": minutes}.items():
        words += [] if value is None else [flag, str(value)]
    for key, values in (settings or {}).items():
        words += [f"--{key}", ",".join(map(str, values))]
    write_whole(folder / "sweep.txt", found.text() + "\n")
    write_whole(folder / "sweep.html", sweep_page(found, folder, shlex.join(words)))
    written = [str(folder / f"sweep.{kind}") for kind in ("txt", "json", "html")]
    told = "\n".join(f"wrote {path}" for path in written)
    values = {**found.to_dict(), "out": str(folder), "written": written}
    measured = any(run.value is not None for run in found.runs)
    return Result(values, f"{found.text()}\n\n{told}", 0 if measured else 1)

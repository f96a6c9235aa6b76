"""`gibbsian evaluate`: how good a trained model's samples are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from ..core.device import usable
from ..core.errors import UsageError
from ..core.files import write_whole
from .drawing import drawing_sampler, drawing_settings
from .options import Arg, Keys
from .result import Result, plain
from .results import say, with_cut
from .runs import (
    Compile,
    DataDir,
    Device,
    Precision,
    Run,
    Which,
    asked_data,
    cut_short,
    require_writable,
)


def evaluate(
    run: Run,
    *,
    n: Annotated[int, Arg("samples in one draw", "N", "-n")] = 2000,
    draws: Annotated[
        int, Arg("independent draws, for the intervals; of 1 they are of random halves of it", "N")
    ] = 5,
    seed: Annotated[int, Arg("of the draws", "S")] = 0,
    data: Annotated[str | None, Arg("data set; the one of training by default", "NAME")] = None,
    features: Annotated[
        str | None,
        Arg("of images: classes (the default with labels), random (without), pixels, or digits, ...", "NAME"),
    ] = None,
    out: Annotated[
        str | None, Arg("folder for report.json, report.txt, and the samples nearest to training rows", "DIR")
    ] = None,
    which: Which = "newest",
    device: Device = "cpu",
    precision: Precision = "fp32",
    compile: Compile = "never",
    data_dir: DataDir = None,
    settings: Annotated[Mapping[str, Any] | None, Keys(drawing_settings, "a run")] = None,
) -> Result:
    """Measure samples against held-out data, with baselines beside, and the chains that drew them. Intervals
    are of 95 % over the draws, or over random halves of the samples of a single draw.

    Systems with latents (gebm, vaebm) take --latent.beta, --latent.kernel and the like in place of their own,
    energies over noise levels (noise_energy) --sampling.steps, --sampling.corrections and the like.
    """
    from ..tasks.evaluate import evaluate as measure
    from ..train.load import load
    from .machine import computed

    usable(device)
    if out:
        require_writable(Path(out))
    model = load(run, which=which).inner.to(device)
    name = asked_data(run, data)
    if not name:
        raise UsageError(f"{run} does not say what it was trained on: name a data set with --data")
    sampler = drawing_sampler(model, settings)
    report = measure(
        model,
        name,
        n=n,
        draws=draws,
        seed=seed,
        features=features,
        data_dir=data_dir,
        sampler=sampler,
        options=computed(model, precision, compile, 512, sampler),
        progress=say,
    )
    cut = cut_short(run, which)
    about = {"run": run, "data": name, **({"cut_short": cut} if cut else {})}
    result = Result({**about, **report.to_dict()}, with_cut(report.text(), cut))
    if out:
        write_report(result, Path(out))
        if report.neighbours:
            report.neighbours.save(Path(out))
    return result


def write_report(result: Result, folder: Path) -> None:
    """`report.json` and `report.txt` in `folder`; raises `UsageError` where that fails."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / "report.json", json.dumps(plain(result.data), indent=1) + "\n")
        write_whole(folder / "report.txt", result.text + "\n")
    except OSError as error:
        raise UsageError(f"cannot write {folder}: {error.strerror}; choose another --out") from error

"""`gibbsian evaluate`: how good a trained model's samples are."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from ..core.device import usable
from ..core.errors import UsageError
from .drawing import drawing_sampler, drawing_settings
from .help import value_text
from .options import Arg, Keys, options
from .result import Result
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
    exported,
    require_writable,
)

if TYPE_CHECKING:
    from ..models.model import EnergyModel
    from ..tasks.evaluate import Report


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
        Arg(
            "of images: classes (the default with labels), random (without), pixels (PCA), digits, ..., or "
            "a .pth file of Inception weights",
            "NAME",
        ),
    ] = None,
    statistics: Annotated[
        str | None, Arg(".npz of mu and sigma, by which Inception weights are verified", "FILE")
    ] = None,
    out: Annotated[
        str | None, Arg("folder for report.json, report.txt, and the samples nearest to training rows", "DIR")
    ] = None,
    report: Annotated[
        str | None, Arg("folder for report.html too: all of it in one page that needs no network", "DIR")
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

    --report DIR writes one page, report.html, with samples, measures, what doctor says, chains, energies,
    training curves and a card of settings, beside report.json and report.txt: send the file, or print it.

    Systems with latents (gebm, vaebm) take --latent.beta, --latent.kernel and the like in place of their own,
    energies over noise levels (noise_energy) --sampling.steps, --sampling.corrections and the like.
    """
    given = dict(locals())
    from ..tasks.evaluate import evaluate as measure
    from ..train.load import load
    from .machine import computed

    usable(device)
    for folder in filter(None, (out, report)):
        require_writable(Path(folder))
    model = load(run, which=which).inner.to(device)
    name = asked_data(run, data)
    if not name:
        raise UsageError(f"{run} does not say what it was trained on: name a data set with --data")
    sampler = drawing_sampler(model, settings)
    how = computed(model, precision, compile, 512, sampler)
    found = measure(
        model,
        name,
        n=n,
        draws=draws,
        seed=seed,
        features=features,
        statistics=statistics,
        data_dir=data_dir,
        sampler=sampler,
        options=how,
        progress=say,
    )
    cut = cut_short(run, which)
    about = {"run": run, "data": name, **({"cut_short": cut} if cut else {})}
    values, text, written = {**about, **found.to_dict()}, with_cut(found.text(), cut), ""
    if out or report:
        from ..tasks.pages.evaluation import save_report
    for folder in filter(None, (out, report)):
        if found.neighbours:
            found.neighbours.save(Path(folder))
    if report:
        drawn = {"sampler": sampler, "options": how, "data_dir": data_dir}
        page = _page(run, model, found, name, _words(given), cut, drawn)
        written = f"\n\nwrote {save_report(Path(report), values, text, page)}"
    if out and (not report or Path(out).resolve() != Path(report).resolve()):
        save_report(Path(out), values, text)
    return Result(values, text + written)


def _page(
    run: str, model: EnergyModel, found: Report, data: str, command: str, cut: str, how: dict[str, Any]
) -> str:
    """The page of an evaluation, with what `gibbsian doctor` says of the run."""
    from ..tasks.pages.about import about_run
    from ..tasks.pages.evaluation import report_page
    from .doctor import remarks

    told = [] if exported(run) else remarks(Path(run), how["data_dir"])
    return report_page(
        about_run(run), model, found, data, command=command, remarks=told, cut=cut, progress=say, **how
    )


def _words(given: Mapping[str, Any]) -> str:
    """The command line that was given, so that the page says how to make it again."""
    flags = {o.name: o for o in options(evaluate) if o.flag}
    words = ["gibbsian", "evaluate", given["run"]]
    for name, option in flags.items():
        if given[name] != option.default:
            words += [option.flag, str(given[name])]
    for name, value in (given["settings"] or {}).items():
        words += [f"--{name}", value_text(value)]
    return shlex.join(words)

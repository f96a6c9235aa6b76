"""`gibbsian doctor`: is this machine sound, and how does a run fare?"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from ..core.errors import CheckpointError, GibbsianError, UsageError
from ..data.recipe import DataRecipe
from .diagnose import diagnose
from .options import Arg
from .result import Result, table
from .run_log import Finding
from .runs import DataDir


def doctor(
    run: Annotated[str | None, Arg("run folder to look at; this machine by default")] = None,
    *,
    data_dir: DataDir = None,
) -> Result:
    """Check this machine: versions, devices, threads, and a few seconds of proof that sign, gradient and
    kernels are exact. With RUN, read its log instead, draw a few samples, hold them and the energies against
    the data it was trained on, and say how it fares and what to change, the likeliest cause first."""
    return machine() if run is None else patient(Path(run), data_dir)


def machine() -> Result:
    """Versions and self-check; exit code 1 if a check fails."""
    from .machine import facts
    from .selfcheck import CHECKS

    began = time.monotonic()
    known = facts()
    outcomes = {name: check() for name, check in CHECKS.items()}
    passed = all(good for good, _ in outcomes.values())
    rows = [[name, str(value)] for name, value in known.items()]
    rows += [[name, f"{'ok  ' if good else 'FAIL'}  {what}"] for name, (good, what) in outcomes.items()]
    verdict = "all checks pass" if passed else "some checks fail: this installation computes wrong numbers"
    text = f"{table(rows)}\n{verdict} ({time.monotonic() - began:.1f} s)"
    checks = {name: {"ok": good, "what": what} for name, (good, what) in outcomes.items()}
    return Result({"versions": known, "checks": checks, "ok": passed}, text, 0 if passed else 1)


def patient(path: Path, data_dir: str | None = None) -> Result:
    """Results on a run folder; raises `CheckpointError` where there is none."""
    results, seen = _examined(path, data_dir)
    chains = _chains(path)
    data: dict[str, Any] = {"run": str(path), "seen": seen, "results": [vars(f) for f in results]}
    page = [_verdict(path, results), *map(_told, results), *(["", "chains"] if chains else [])]
    return Result({**data, "chains": chains}, "\n".join([*page, *(f"       {line}" for line in chains)]))


def _verdict(path: Path, results: Sequence[Finding]) -> str:
    """What is the matter, in a line."""
    bad, watch = (sum(f.grade == grade for f in results) for grade in ("bad", "watch"))
    if bad:
        return f"{path}: bad {bad}, to be watched {watch}; the likeliest cause comes first"
    return f"{path}: nothing is wrong" + (f", {watch} to be watched" if watch else "")


def _chains(path: Path) -> list[str]:
    """How chains of the model fare, in sentences; none of a model that cannot be drawn from."""
    from ..core.random import generator
    from ..tasks.chains import chain_report
    from ..tasks.pages.meanings import chains_in_words
    from ..train.load import load_run

    try:
        return chains_in_words(chain_report(load_run(path).model.inner, generator(0)))
    except GibbsianError:
        return []


def remarks(path: Path, data_dir: str | None = None) -> list[Finding]:
    """The results on the run folder of a run or checkpoint, for its report."""
    from ..train.load import locate

    return _examined(locate(path)[1].path, data_dir)[0]


def _examined(path: Path, data_dir: str | None) -> tuple[list[Finding], dict[str, float | None]]:
    """Results on a run folder, and how its model stands to its data."""
    from ..train.folder import RunFolder

    folder = RunFolder(path)
    if not path.is_dir():
        raise CheckpointError(f"no run folder {path}: give the --out of a training")
    config = folder.config()
    seen, missing = _seen(path, data_dir) if folder.newest() else ({}, [])
    seen["recipe"] = _recipe(config)
    return [*diagnose(folder.record(), config, folder.lines(), seen), *missing], seen


def _recipe(config: Mapping[str, Any]) -> float | None:
    """The updates of the preset of a run; none of an unknown one."""
    from ..train.recipes import presets

    try:
        return float(presets(str(config.get("system")))[str(config.get("preset"))].train.steps)
    except (GibbsianError, KeyError):
        return None


def _seen(path: Path, data_dir: str | None) -> tuple[dict[str, float | None], list[Finding]]:
    """How the model of a run stands to its data; where that cannot be judged, a finding that says why."""
    from ..data.load import load
    from ..tasks.checkup import checkup
    from ..train.load import load_run, trained_on

    try:
        name = trained_on(path)
        if not name:
            raise UsageError("they were given in Python, and are not kept: train on a file of them")
        DataRecipe.parse(name).require_there()
        return vars(checkup(load_run(path).model, load(name, data_dir=data_dir))), []
    except GibbsianError as error:
        what, _, remedy = str(error).partition(": ")
        return {}, [Finding("watch", f"not held against the data of this run: {what}", remedy)]


def _told(finding: Finding) -> str:
    remedy = f"\n       try: {finding.remedy}" if finding.remedy else ""
    return f"{finding.grade:<5}  {finding.what}{remedy}"

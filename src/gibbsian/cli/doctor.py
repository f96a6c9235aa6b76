"""`gibbsian doctor`: is this machine sound, and how does a run fare?"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

from ..core.errors import CheckpointError, GibbsianError
from ..data.recipe import DataRecipe
from .diagnose import Finding, diagnose
from .options import Arg
from .result import Result, table


def doctor(
    run: Annotated[str | None, Arg("run folder to look at; this machine by default")] = None,
) -> Result:
    """Check this machine: versions, devices, threads, and a few seconds of proof that sign, gradient and
    kernels are exact. With RUN, read its log instead and say how it fares and what to change."""
    return machine() if run is None else patient(Path(run))


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


def patient(path: Path) -> Result:
    """Results on a run folder; raises `CheckpointError` where there is none."""
    from ..train.folder import RunFolder

    folder = RunFolder(path)
    if not path.is_dir():
        raise CheckpointError(f"no run folder {path}: give the --out of a training")
    config = folder.config()
    results = [*diagnose(folder.record(), config, folder.lines()), *_missing(str(config.get("data", "")))]
    data: dict[str, Any] = {"run": str(path), "results": [vars(f) for f in results]}
    return Result(data, "\n".join(map(_told, results)))


def _missing(data: str) -> list[Finding]:
    """A finding where the data of a run are no longer in their place."""
    try:
        DataRecipe.parse(data).require_there()
    except GibbsianError as error:
        what, _, remedy = str(error).partition(": ")
        return [Finding("watch", f"the data of this run: {what}", remedy)]
    return []


def _told(finding: Finding) -> str:
    remedy = f"\n       try: {finding.remedy}" if finding.remedy else ""
    return f"{finding.grade:<5}  {finding.what}{remedy}"

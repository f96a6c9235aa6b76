"""`gibbsian attack`: how easily a classifier is fooled, also through the chain that refines its input."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from ..core.errors import UsageError, require_not_negative
from .options import Arg
from .result import Result
from .results import finished, names, numbers, opened, progress
from .runs import DataDir, Device, Run, Which

if TYPE_CHECKING:
    from ..models.model import EnergyModel

EPS = {
    ("linf", 1): ("0,0.05,0.1,0.2,0.3", "0.1"),
    ("linf", 3): ("0,2/255,4/255,8/255,16/255,30/255", "8/255"),
    ("l2", 1): ("0,0.5,1,2,3", "1.5"),
    ("l2", 3): ("0,0.25,0.5,1,2,3", "0.5"),
}
"""Radii, and that of the training attack, by norm and channels."""


def attack(
    run: Run,
    *,
    norm: Annotated[Literal["linf", "l2"], Arg("how the change of an image is measured")] = "linf",
    eps: Annotated[
        str | None, Arg("radii in pixels of range 1, such as 0,0.1 or 0,8/255; by default those usual", "E,E")
    ] = None,
    attacks: Annotated[str, Arg("all, papers (theirs, weaker), or names as above", "NAME,NAME")] = "all",
    steps: Annotated[int, Arg("of each climb", "N")] = 40,
    restarts: Annotated[int, Arg("random starts of each climb", "N")] = 2,
    refine: Annotated[str, Arg("steps of the model's own chain before it answers; 0: none", "K,K")] = "0,10",
    duplicates: Annotated[
        int | None, Arg("chains whose answers are averaged: 5 for joint models, else 1", "N")
    ] = None,
    noiseless: Annotated[bool, Arg("refine without noise, as JEM's paper does for l2")] = False,
    eot: Annotated[int, Arg("draws of the chain's noise in a mean (pgd-eot, pgd-full-eot)", "N")] = 4,
    n: Annotated[int, Arg("test images", "N", "-n")] = 500,
    classes: Annotated[str | None, Arg("attack images of these classes only", "NAME,NAME")] = None,
    runs: Annotated[str | None, Arg("other runs for the same table", "RUN,RUN")] = None,
    batch: Annotated[int, Arg("network inputs at once; less where memory is short", "N")] = 512,
    seed: Annotated[int, Arg("of images, starts and noise", "S")] = 0,
    data: Annotated[str | None, Arg("data set; the one of training by default", "NAME")] = None,
    out: Annotated[str | None, Arg("folder; RUN/attack, or attack for an exported model", "DIR")] = None,
    which: Which = "newest",
    device: Device = "cpu",
    data_dir: DataDir = None,
) -> Result:
    """Attack a classifier (jem, or igebm with classes); write attack.json, attack.txt, curves, examples. The
    headline is the share of test images that no attack broke, at every radius, with 95 % intervals.

    pgd, margin: projected gradient on cross-entropy or margin. Through the refinement: pgd-straight (as if it
    were the identity), pgd-full (its whole gradient), pgd-eot and pgd-full-eot (their mean over draws of the
    chain's noise), margin (straight).
    transfer: aimed at the classifier that does not refine. noise: random points. Attacks carry over: an image
    broken at one radius counts as broken at larger ones.
    """
    from ..tasks.attack import robustness
    from ..tasks.attack.attacks import require_known
    from ..tasks.attack.classifiers import Refinement
    from ..tasks.attack.sweep import Threat

    given = None if eps is None else radii("--eps", eps)
    refinement = Refinement(tuple(numbers("--refine", refine)), duplicates, noiseless)
    require_known(names(attacks))
    threat = Threat(norm, tuple(given or (0.0,)), steps, restarts, eot, batch, seed)
    job = opened(run, "attack", out=out, data=data, which=which, device=device)
    models = named_models(run, job.model, names(runs or ""), which, device)
    if given is None:
        threat = replace(threat, eps=tuple(radii("--eps", usual_radii(norm, job.model)[0])))
    with progress("attack", "part") as bar:
        found = robustness.attack(
            models,
            job.data,
            threat=threat,
            attacks=names(attacks),
            refinement=refinement,
            n=n,
            classes=names(classes or ""),
            data_dir=data_dir,
            progress=bar,
        )
    return finished(run, found, "attack", job.folder, pictures=found.pictures(), which=which)


def radii(option: str, text: str) -> list[float]:
    """Numbers or fractions between commas, such as 0,0.1 or 8/255; raises `UsageError` for anything else."""
    try:
        found = [float(Fraction(word.strip())) if "/" in word else float(word) for word in text.split(",")]
    except (ValueError, ZeroDivisionError) as error:
        raise UsageError(
            f"{option} is '{text}': give numbers with commas, such as 0,0.1 or 0,8/255"
        ) from error
    for radius in found:
        require_not_negative(**{option: radius})
    return found


def usual_radii(norm: str, model: EnergyModel) -> tuple[str, str]:
    """Radii to attack at, and that of a training attack, for the model's number of channels."""
    return EPS[norm, 1 if model.spec.event_shape[0] == 1 else 3]


def named_models(
    run: str, model: EnergyModel, others: list[str], which: str, device: str, taken: Collection[str] = ()
) -> dict[str, EnergyModel]:
    """A run's model and those of other runs by the names of their folders, numbered where one is taken."""
    from ..train.load import load

    models: dict[str, EnergyModel] = {}
    for path in (run, *others):
        base = Path(path).resolve().name
        name = f"{base} ({len(models) + 1})" if base in models or base in taken else base
        models[name] = load(path, which=which).to(device) if models else model
    return models

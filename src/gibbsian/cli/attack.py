"""`gibbsian attack`: how easily a classifier is fooled, also through the chain that refines its input."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from ..core.errors import UsageError, require_not_negative, unknown
from .findings import names, numbers, place, progress, write
from .options import Arg
from .result import Result
from .runs import DataDir, Device, Run, Which, require_writable, trained_on

if TYPE_CHECKING:
    from ..models.model import EnergyModel
    from ..tasks.attack.baselines import Kind

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
    baselines: Annotated[str, Arg("plain, pgd, or both with a comma; none", "NAME,NAME")] = "plain,pgd",
    baseline_minutes: Annotated[float, Arg("training of each baseline", "M")] = 3.0,
    train_eps: Annotated[str | None, Arg("radius of the pgd baseline's training attack", "E")] = None,
    fit_offsets: Annotated[
        Literal["yes", "no"], Arg("one number a class for conditional models, on training images")
    ] = "yes",
    beside: Annotated[str | None, Arg("other runs for the same table", "RUN,RUN")] = None,
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
    broken at one radius counts as broken at larger ones. Baselines are the same network, trained to classify,
    plainly and on attacked images, and kept in DIR/baselines.
    """
    from ..tasks.attack import robustness
    from ..tasks.attack.attacks import require_known
    from ..tasks.attack.contenders import Baselines, Refinement
    from ..tasks.attack.sweep import Threat

    given = None if eps is None else radii("--eps", eps)
    train = None if train_eps is None else radii("--train-eps", train_eps)[0]
    refinement = Refinement(tuple(numbers("--refine", refine)), duplicates, noiseless, fit_offsets == "yes")
    require_known(names(attacks))
    kinds, folder = _kinds(baselines), Path(out) if out else place(run, "attack")
    threat = Threat(norm, tuple(given or (0.0,)), steps, restarts, eot, batch, seed)
    name = data or trained_on(run)
    if not name:
        raise UsageError(f"{run} does not say what it was trained on: name a data set with --data")
    require_writable(folder)
    models = _loaded([run, *names(beside or "")], which, device)
    usual = EPS[norm, 1 if next(iter(models.values())).spec.event_shape[0] == 1 else 3]
    threat = replace(threat, eps=tuple(given or radii("--eps", usual[0])))
    train = radii("--train-eps", usual[1])[0] if train is None else train
    with progress("attack", "part") as bar:
        found = robustness.attack(
            models,
            name,
            threat=threat,
            attacks=names(attacks),
            refinement=refinement,
            baselines=Baselines(kinds, baseline_minutes, train, folder=folder / "baselines"),
            n=n,
            classes=names(classes or ""),
            data_dir=data_dir,
            progress=bar,
        )
    written = write(found, "attack", folder, prefix="attack-", pictures=found.pictures())
    told = "\n".join([found.text(), "", *(f"wrote {path}" for path in written)])
    return Result({"run": run, **found.to_dict(), "written": [str(p) for p in written]}, told)


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


def _kinds(text: str) -> tuple[Kind, ...]:
    """Baselines by name, without repeats."""
    from ..tasks.attack.baselines import KINDS

    words = [] if text == "none" else names(text)
    for word in words:
        if word not in KINDS:
            raise unknown("baseline", word, [*KINDS, "none"])
    return tuple(kind for kind in KINDS if kind in words)


def _loaded(runs: list[str], which: str, device: str) -> dict[str, EnergyModel]:
    """Systems by the name of their folder, with a number where two are alike, or one is a baseline's name."""
    from ..tasks.attack.contenders import TITLES
    from ..train.load import load
    from .machine import usable

    usable(device)
    models: dict[str, EnergyModel] = {}
    for run in runs:
        base = Path(run).resolve().name
        taken = base in models or base in TITLES.values()
        name = f"{base} ({len(models) + 1})" if taken else base
        models[name] = load(run, which=which).to(device)
    return models

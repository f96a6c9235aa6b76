"""`python -m experiments.attack RUN`: `gibbsian attack` beside baselines trained on the same images."""

from __future__ import annotations

import sys
from typing import Annotated, Literal

from gibbsian.cli.attack import named_models, radii, usual_radii
from gibbsian.cli.main import program
from gibbsian.cli.options import Arg
from gibbsian.cli.result import Result
from gibbsian.cli.results import finished, names, numbers, opened, progress
from gibbsian.cli.runs import DataDir, Run
from gibbsian.core.errors import unknown
from gibbsian.tasks.attack.classifiers import Refinement
from gibbsian.tasks.attack.sweep import Threat

from .baselines import KINDS, Kind
from .study import TITLES, Baselines, attack_beside


def attack(
    run: Run,
    *,
    norm: Annotated[Literal["linf", "l2"], Arg("how the change of an image is measured")] = "linf",
    eps: Annotated[str | None, Arg("radii in pixels of range 1; by default those usual", "E,E")] = None,
    steps: Annotated[int, Arg("of each climb", "N")] = 40,
    restarts: Annotated[int, Arg("random starts of each climb", "N")] = 2,
    refine: Annotated[str, Arg("steps of the model's own chain before it answers; 0: none", "K,K")] = "0,10",
    eot: Annotated[int, Arg("draws of the chain's noise in a mean (pgd-eot, pgd-full-eot)", "N")] = 4,
    n: Annotated[int, Arg("test images", "N", "-n")] = 500,
    baselines: Annotated[str, Arg("plain, pgd, or both with a comma; none", "NAME,NAME")] = "plain,pgd",
    baseline_minutes: Annotated[float, Arg("training of each baseline", "M")] = 3.0,
    train_eps: Annotated[str | None, Arg("radius of the pgd baseline's training attack", "E")] = None,
    fit_class_biases: Annotated[
        Literal["yes", "no"], Arg("one number a class for conditional models, on training images")
    ] = "yes",
    runs: Annotated[str | None, Arg("other runs for the same table", "RUN,RUN")] = None,
    seed: Annotated[int, Arg("of images, starts and noise", "S")] = 0,
    data: Annotated[str | None, Arg("data set; the one of training by default", "NAME")] = None,
    out: Annotated[str | None, Arg("folder; RUN/attack by default", "DIR")] = None,
    data_dir: DataDir = None,
) -> Result:
    """Attack runs as `gibbsian attack` does, and beside them the same network trained to classify, plainly
    and on attacked images. Baselines are kept in DIR/baselines.

    A conditional energy has an unknown normaliser for each class: a bias a class is fitted to training
    images.
    """
    given = None if eps is None else radii("--eps", eps)
    train = None if train_eps is None else radii("--train-eps", train_eps)[0]
    refinement, kinds = Refinement(tuple(numbers("--refine", refine))), _kinds(baselines)
    Threat(norm, tuple(given or (0.0,)), steps, restarts, eot, seed=seed)
    job = opened(run, "attack", out=out, data=data)
    models = named_models(run, job.model, names(runs or ""), "newest", "cpu", taken=TITLES.values())
    usual = usual_radii(norm, job.model)
    threat = Threat(norm, tuple(given or radii("--eps", usual[0])), steps, restarts, eot, seed=seed)
    train = radii("--train-eps", usual[1])[0] if train is None else train
    with progress("attack", "part") as bar:
        found = attack_beside(
            models,
            job.data,
            threat=threat,
            refinement=refinement,
            baselines=Baselines(kinds, baseline_minutes, train, folder=job.folder / "baselines"),
            class_biases=fit_class_biases == "yes",
            n=n,
            data_dir=data_dir,
            progress=bar,
        )
    return finished(run, found, "attack", job.folder, pictures=found.pictures())


def _kinds(text: str) -> tuple[Kind, ...]:
    """Baselines by name, without repeats."""
    words = [] if text == "none" else names(text)
    for word in words:
        if word not in KINDS:
            raise unknown("baseline", word, [*KINDS, "none"])
    return tuple(kind for kind in KINDS if kind in words)


if __name__ == "__main__":
    sys.exit(program("python -m experiments.attack", attack))

"""`gibbsian study`: one question about a trained model in depth, answered with tables and plots."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Annotated, Any, Literal

from ..core.errors import UsageError
from .options import Arg
from .result import Result
from .results import Results, finished, names, numbers, opened, say
from .runs import DataDir, Device, Run, Which, exported

if TYPE_CHECKING:
    from ..models.model import EnergyModel

Topic = Literal["modes", "longrun", "dimension", "calibration"]


@dataclass(frozen=True)
class Asked:
    """What the command line said, the same for every topic."""

    run: str
    model: EnergyModel
    data: str
    n: int | None
    draws: int | None
    seed: int
    data_dir: str | None
    options: dict[str, Any]

    @property
    def sizes(self) -> dict[str, Any]:
        """Samples and draws where they were given; each topic has its own defaults."""
        given = {"n": self.n, "draws": self.draws}
        return {k: v for k, v in given.items() if v is not None}


def study(
    topic: Annotated[Topic, Arg("what to look into")],
    run: Run,
    *,
    n: Annotated[
        int | None,
        Arg(
            "samples of one draw: 2000; longrun: 500; dimension: 10 a class; calibration: test rows, all of "
            "them",
            "N",
            "-n",
        ),
    ] = None,
    draws: Annotated[int | None, Arg("independent draws for intervals: 3", "N")] = None,
    seed: Annotated[int, Arg("of the draws", "S")] = 0,
    steps: Annotated[
        str | None, Arg("modes: lengths of chains, 0,5,10,20,50; longrun: times, 0,10,100,1000,10000", "K,K")
    ] = None,
    bins: Annotated[int, Arg("calibration: bins of the confidence", "N")] = 15,
    runs: Annotated[str | None, Arg("calibration: further runs, as further seeds", "RUN,RUN")] = None,
    data: Annotated[str | None, Arg("data set; the one of training by default", "NAME")] = None,
    out: Annotated[str | None, Arg("folder; RUN/study, or study for an exported model", "DIR")] = None,
    which: Which = "newest",
    device: Device = "cpu",
    data_dir: DataDir = None,
) -> Result:
    """Look into one thing, and write TOPIC.json, TOPIC.txt and plots TOPIC-*.png. Intervals are of 95 %.

    modes: classes reached, KL, recall, feature distance and duplicates for the model, its VAE or generator,
    chains from its buffer, and chains of several lengths. longrun: whether chains of 10,000 steps from data
    still look like data. dimension: eigenvalues of the energy's Hessian at held-out images. calibration:
    accuracy, calibration error, log loss and Brier score of a classifier's answers on test rows; with
    --runs their mean over runs too. Plots need the extra plot.
    """
    _require_heard(topic, locals())
    options = {
        "steps": {} if steps is None else {"steps": numbers("--steps", steps)},
        "bins": bins,
        "others": names(runs or ""),
        "which": which,
    }
    job = opened(run, "study", out=out, data=data, which=which, device=device)
    found = TOPICS[topic](Asked(run, job.model, job.data, n, draws, seed, data_dir, options))
    return finished(run, found, topic, job.folder, topic=topic)


def _modes(asked: Asked) -> Results:
    from ..models.model import device_of
    from ..tasks.study.comparison import Stored
    from ..tasks.study.modes import study_modes
    from ..train.load import load_run

    more = {**asked.options["steps"], "data_dir": asked.data_dir, "progress": say}
    model = asked.model
    if not exported(asked.run):
        learner = load_run(asked.run, which=asked.options["which"]).to(device_of(model))
        model, more["stored"] = learner.model, Stored.of(learner)
    return study_modes(model, asked.data, seed=asked.seed, **asked.sizes, **more)


def _longrun(asked: Asked) -> Results:
    from ..tasks.study.longrun import study_longrun

    more = {**asked.options["steps"], "data_dir": asked.data_dir, "progress": say}
    return study_longrun(asked.model, asked.data, seed=asked.seed, **asked.sizes, **more)


def _dimension(asked: Asked) -> Results:
    from ..tasks.study.dimension import study_dimension

    sizes = {k: v for k, v in asked.sizes.items() if k == "n"}
    return study_dimension(
        asked.model, asked.data, seed=asked.seed, data_dir=asked.data_dir, progress=say, **sizes
    )


def _calibration(asked: Asked) -> Results:
    from ..models.model import device_of
    from ..tasks.study.calibration import study_calibration
    from ..train.load import load

    device = device_of(asked.model)
    others = {run: load(run, which=asked.options["which"]).to(device) for run in asked.options["others"]}
    return study_calibration(
        {asked.run: asked.model, **others},
        asked.data,
        n=asked.n,
        bins=asked.options["bins"],
        seed=asked.seed,
        data_dir=asked.data_dir,
        progress=say,
    )


TOPICS = {
    "modes": _modes,
    "longrun": _longrun,
    "dimension": _dimension,
    "calibration": _calibration,
}


HEARD = {
    "modes": ("n", "draws", "steps"),
    "longrun": ("n", "draws", "steps"),
    "dimension": ("n",),
    "calibration": ("n", "bins", "runs"),
}
"""The options that each topic takes, beside those that all take."""


def _require_heard(topic: str, given: dict[str, Any]) -> None:
    """Raises `UsageError` for an option that the topic would ignore, and for sizes below 1."""
    defaults = inspect.signature(study).parameters
    flags = {name: "-n" if name == "n" else f"--{name.replace('_', '-')}" for name in given}
    for name in dict.fromkeys(chain.from_iterable(HEARD.values())):
        if given[name] != defaults[name].default and name not in HEARD[topic]:
            takes = ", ".join(flags[heard] for heard in HEARD[topic])
            raise UsageError(f"study {topic} has no use for {flags[name]}: it takes {takes}")
    for name in ("n", "draws"):
        if given[name] is not None and given[name] < 1:
            raise UsageError(f"{flags[name]} is {given[name]}: it must be at least 1")

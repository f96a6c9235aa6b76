"""`gibbsian study`: one question about a trained model in depth, answered with tables and plots."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from ..core.errors import UsageError
from ..models.model import device_of
from .findings import Findings, names, numbers, place, say, write
from .options import Arg
from .result import Result
from .runs import DataDir, Device, Run, Which, exported, require_writable, trained_on

if TYPE_CHECKING:
    from ..models.model import EnergyModel
    from ..recipes.catalog import RunConfig

Topic = Literal["modes", "disentangle", "fewshot", "density", "longrun", "dimension", "calibration"]


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
            "samples of one draw: 2000; disentangle: 5000; longrun: 500; dimension: 10 a class; calibration: "
            "test rows, all of them",
            "N",
            "-n",
        ),
    ] = None,
    draws: Annotated[int | None, Arg("independent draws for intervals: 3; fewshot: 10", "N")] = None,
    seed: Annotated[int, Arg("of the draws", "S")] = 0,
    steps: Annotated[
        str | None, Arg("modes: lengths of chains, 0,5,10,20,50; longrun: times, 0,10,100,1000,10000", "K,K")
    ] = None,
    chain_steps: Annotated[
        int | None, Arg("disentangle: length of the chain; the model's own by default", "K")
    ] = None,
    labels: Annotated[str, Arg("fewshot: labels a class; 0 for all there are", "N,N")] = "1,10,100",
    against: Annotated[str | None, Arg("fewshot: other data sets to tell apart", "NAME,NAME")] = None,
    base_samples: Annotated[int, Arg("density: samples of the base for the log-partition", "N")] = 100_000,
    seeds: Annotated[
        int, Arg("density: times to train anew and stop early; 0: the run as it stands", "N")
    ] = 3,
    bins: Annotated[int, Arg("calibration: bins of the confidence", "N")] = 15,
    beside: Annotated[str | None, Arg("calibration: further runs, as further seeds", "RUN,RUN")] = None,
    data: Annotated[str | None, Arg("data set; the one of training by default", "NAME")] = None,
    out: Annotated[str | None, Arg("folder; RUN/study, or study for an exported model", "DIR")] = None,
    which: Which = "newest",
    device: Device = "cpu",
    data_dir: DataDir = None,
) -> Result:
    """Look into one thing, and write TOPIC.json, TOPIC.txt and plots TOPIC-*.png. Intervals are of 95 %.

    modes: classes reached, KL, recall, feature distance and duplicates for the model, its VAE or generator,
    chains from its buffer, and chains of several lengths. disentangle: MIG, FactorVAE score and DCI of a
    VAEBM's latents before and after its chain, and how far chains move them. fewshot: accuracy on few labels
    of latents, PCA and pixels. density: test nats of a Generalized EBM on a flow, of its base, of the flow by
    maximum likelihood and of a Gaussian. longrun: whether chains of 10,000 steps from data still look like
    data. calibration: accuracy, calibration error, log loss and Brier score of a classifier's answers on test
    rows; with --beside their mean over runs too. Plots need the extra plot.
    """
    from ..train.load import load
    from .machine import usable

    usable(device)
    _require_heard(topic, locals())
    folder = Path(out) if out else place(run, "study")
    options = {
        "steps": {} if steps is None else {"steps": numbers("--steps", steps)},
        "chain_steps": chain_steps,
        "labels": numbers("--labels", labels),
        "against": [name for name in (against or "").split(",") if name],
        "base_samples": base_samples,
        "seeds": seeds,
        "bins": bins,
        "beside": names(beside or ""),
        "which": which,
    }
    name = data or trained_on(run)
    if not name:
        raise UsageError(f"{run} does not say what it was trained on: name a data set with --data")
    require_writable(folder)
    model = load(run, which=which).to(device)
    found = TOPICS[topic](Asked(run, model, name, n, draws, seed, data_dir, options))
    written = write(found, topic, folder, prefix=f"{topic}-")
    told = "\n".join([found.text(), "", *(f"wrote {path}" for path in written)])
    return Result({"topic": topic, "run": run, **found.to_dict(), "written": [str(p) for p in written]}, told)


def _modes(asked: Asked) -> Findings:
    from ..models.model import device_of
    from ..tasks.study.crowd import Stored
    from ..tasks.study.modes import study_modes
    from ..train.load import load_run

    more = {**asked.options["steps"], "data_dir": asked.data_dir, "progress": say}
    model = asked.model
    if not exported(asked.run):
        learner = load_run(asked.run, which=asked.options["which"]).to(device_of(model))
        model, more["stored"] = learner.model, Stored.of(learner)
    return study_modes(model, asked.data, seed=asked.seed, **asked.sizes, **more)


def _longrun(asked: Asked) -> Findings:
    from ..tasks.study.longrun import study_longrun

    more = {**asked.options["steps"], "data_dir": asked.data_dir, "progress": say}
    return study_longrun(asked.model, asked.data, seed=asked.seed, **asked.sizes, **more)


def _disentangle(asked: Asked) -> Findings:
    from ..data.load import load
    from ..tasks.study.disentangle import study_disentangle

    sprites, steps = load(asked.data, "test", data_dir=asked.data_dir), asked.options["chain_steps"]
    return study_disentangle(asked.model, sprites, steps=steps, seed=asked.seed, progress=say, **asked.sizes)


def _fewshot(asked: Asked) -> Findings:
    from ..tasks import fewshot
    from ..tasks.study.fewshot import FewShotStudy

    sizes = {{"draws": "runs"}.get(k, k): v for k, v in asked.sizes.items()}
    more = {"per_class": asked.options["labels"], "others": asked.options["against"], "seed": asked.seed}
    return FewShotStudy(
        fewshot.evaluate_latents(asked.model, asked.data, data_dir=asked.data_dir, **sizes, **more)
    )


def _density(asked: Asked) -> Findings:
    from ..tasks.study.density import study_density

    return study_density(
        asked.model,
        settings(asked.run, asked.options["which"]),
        base_samples=asked.options["base_samples"],
        seeds=asked.options["seeds"],
        seed=asked.seed,
        data=asked.data,
        data_dir=asked.data_dir,
        progress=say,
    )


def _dimension(asked: Asked) -> Findings:
    from ..tasks.study.dimension import study_dimension

    sizes = {k: v for k, v in asked.sizes.items() if k == "n"}
    return study_dimension(
        asked.model, asked.data, seed=asked.seed, data_dir=asked.data_dir, progress=say, **sizes
    )


def _calibration(asked: Asked) -> Findings:
    from ..tasks.study.calibration import study_calibration
    from ..train.load import load

    device = device_of(asked.model)
    others = {run: load(run, which=asked.options["which"]).to(device) for run in asked.options["beside"]}
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
    "disentangle": _disentangle,
    "fewshot": _fewshot,
    "density": _density,
    "longrun": _longrun,
    "dimension": _dimension,
    "calibration": _calibration,
}


HEARD = {
    "modes": ("n", "draws", "steps"),
    "disentangle": ("n", "draws", "chain_steps"),
    "fewshot": ("n", "draws", "labels", "against"),
    "density": ("base_samples", "seeds"),
    "longrun": ("n", "draws", "steps"),
    "dimension": ("n",),
    "calibration": ("n", "bins", "beside"),
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


def settings(run: str, which: str = "newest") -> RunConfig:
    """How a run was trained, `train.steps` being the updates it had; `UsageError` for exported models."""
    from ..train import checkpoint
    from ..train.fit import stored_config
    from ..train.load import locate

    if exported(run):
        raise UsageError(
            f"{run} is an exported model, which does not say how it was trained: give a run folder"
        )
    source, folder = locate(Path(run), which)
    config, made = stored_config(folder.path), int(checkpoint.load(source)["loop"]["step"])
    return replace(config, train=replace(config.train, steps=made))

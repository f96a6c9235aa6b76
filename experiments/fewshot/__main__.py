"""`python -m experiments.fewshot RUN`: accuracy on few labels of latents or features, PCA and pixels."""

from __future__ import annotations

import sys
from typing import Annotated

from gibbsian.cli.main import program
from gibbsian.cli.options import Arg
from gibbsian.cli.result import Result
from gibbsian.cli.results import finished, names, numbers, opened
from gibbsian.cli.runs import DataDir, Device, Run, Which

from .study import evaluate_latents


def fewshot(
    run: Run,
    *,
    n: Annotated[int, Arg("test rows of each set for the alarm", "N", "-n")] = 2000,
    draws: Annotated[int, Arg("choices of the labelled rows", "N")] = 10,
    labels: Annotated[str, Arg("labels a class; 0 for all there are", "N,N")] = "1,10,100",
    against: Annotated[str | None, Arg("other data sets to tell apart", "NAME,NAME")] = None,
    seed: Annotated[int, Arg("of the draws", "S")] = 0,
    data: Annotated[str | None, Arg("data set; the one of training by default", "NAME")] = None,
    out: Annotated[str | None, Arg("folder; RUN/study by default", "DIR")] = None,
    which: Which = "newest",
    device: Device = "cpu",
    data_dir: DataDir = None,
) -> Result:
    """Accuracy on few labels of a model's latents, or of its features at levels of noise, of PCA and of
    pixels, and the energy as an alarm for other data; writes fewshot.json, fewshot.txt and a plot.
    """
    per_class = numbers("--labels", labels)
    job = opened(run, "study", out=out, data=data, which=which, device=device)
    found = evaluate_latents(
        job.model, job.data, per_class=per_class, runs=draws, others=names(against or ""), n=n, seed=seed,
        data_dir=data_dir,
    )  # fmt: skip
    return finished(run, found, "fewshot", job.folder)


if __name__ == "__main__":
    sys.exit(program("python -m experiments.fewshot", fewshot))

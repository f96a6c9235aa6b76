"""Chain strips in one call: at some times, at the end of every stage, at every so many steps."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from PIL import Image
from torch import Tensor

from gibbsian.core.errors import UsageError
from gibbsian.core.position import Position
from gibbsian.models.model import EnergyModel
from gibbsian.models.sampler import Sampler
from gibbsian.models.samples import draw_samples
from gibbsian.report.pictures import beside
from gibbsian.tasks.film import decoded, painter
from gibbsian.tasks.strips import Strip

TIMES = (0, 20, 40, 60, 80, 100)


def strip(
    model: EnergyModel,
    n: int,
    times: Sequence[int] = TIMES,
    *,
    rng: torch.Generator,
    sampler: Sampler | None = None,
    y: Tensor | None = None,
) -> Image.Image:
    """`n` chains at `times`, labelled above: for images a row a chain and a column a time, for points of the
    plane all chains on their energy, a column a time.

    Args:
        times: steps made, counted over all stages, rising from 0 (the start) or later; the chain has as many
            steps as the last one says, if its sampler lets itself be told.
        sampler: another sampler than the model's own, such as `model.sampler_with(...)` of a latent model.
        y: classes `(n,)` of a conditional model.

    Raises:
        UsageError: for n below 1, times that do not rise or that the chain does not reach, and data that have
            no picture.
    """
    watched = Strip(sampler or model.sampler(), n, times)
    steps = times[-1] or None
    draw_samples(model, watched, n, rng=rng, y=y, steps=steps, chunk=n, observe=watched.observe)
    return watched.picture(model)


def stage_strip(
    model: EnergyModel, n: int, *, rng: torch.Generator, sampler: Sampler | None = None
) -> Image.Image:
    """`n` chains at the end of every stage of their sampler, a column a stage, such as the image sizes of a
    coarse-to-fine model, all enlarged to that of the data.

    Raises `UsageError` for n below 1 and data that have no picture.
    """
    if n < 1:
        raise UsageError(f"a strip of {n} chains: it must have at least 1")
    drawn = draw_samples(model, sampler or model.sampler(), n, rng=rng, chunk=n)
    ends = [chain.position for chain in drawn.chains]
    data = decoded(model, ends, n)
    paint = painter(model, data[-1], columns=1)
    return beside([paint(x) for x in data], [_measure(x, k) for k, x in enumerate(ends, 1)])


def step_strip(
    model: EnergyModel,
    n: int,
    every: int = 1,
    *,
    rng: torch.Generator,
    sampler: Sampler | None = None,
    steps: int | None = None,
) -> Image.Image:
    """`n` chains at their start, at every `every`-th step over all stages, and at their end, a column a time.

    Raises `UsageError` for n or `every` below 1 and data that have no picture.
    """
    watched = Strip(sampler or model.sampler(), n, every=every)
    draw_samples(model, watched, n, rng=rng, steps=steps, chunk=n, observe=watched.observe)
    return watched.picture(model)


def _measure(x: Position, stage: int) -> str:
    """What a column of `stage_strip` shows: the size of images, else the number of the stage."""
    return f"{x.shape[2]}x{x.shape[3]}" if isinstance(x, Tensor) and x.dim() == 4 else f"stage {stage}"

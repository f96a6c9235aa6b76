"""Do chains stay? Long chains from data, by the energy and the kernel that a model samples with.

A model whose energy is a density leaves data looking like data, however long its chain; a short-run sampler
does not (E. Nijkamp et al., AAAI 2020, arXiv 1903.12370). Chains begin at training images and are measured at
some times; with `climb` they are first carried up to a level of noise and down again, as the model does:

    feature_distance    Frechet distance to held-out images in the features of a small named classifier
    confidence          of the same classifier's answers
    neg_log_prob        mean over the chains, less that of the data
    moved               mean distance to where the chain began, over that between two training images
    lost                share of chains that are not finite any more

`drift` is feature_distance at the last time less that at the first, paired draw by draw.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...core.errors import UsageError
from ...core.position import Position, finite
from ...core.random import derive, generator
from ...core.records import Batch
from ...core.show import tables
from ...mcmc.base import run
from ...metrics.classes import confidence
from ...metrics.interval import Interval, require_draws
from ...models.model import EnergyModel, device_of
from ...models.sampler import DataChain
from ...models.samples import run_stages
from ...nets.frozen import frozen
from ...report.studies import chains_at_times, over_time
from ...report.tables import cell, over, plain, plain_rows, rows_table, summary
from ..chains import from_noise, neg_log_probs
from ..evaluator import evaluator_for, require_same_kind
from ..image_evaluator import LabelledImages
from ..progress import within

TIMES = (0, 10, 100, 1000, 10_000)
SHOWN = 12


@dataclass(frozen=True)
class LongRunStudy:
    """Measures by number of steps, with 95 % intervals over draws, and the paired drift.

    `claims`: whether training chains sample the model's density, so that chains should stay. `pictures`: some
    chains at every time in [-1, 1].
    """

    data: str
    n: int
    draws: int
    seed: int
    record: dict[str, Any]
    claims: bool
    rows: dict[int, dict[str, Interval]]
    drift: Interval
    acceptance: Interval | None = None
    pictures: dict[int, Tensor] = field(default_factory=dict, repr=False)

    __repr__ = tables

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        head = {"data": self.data, "n": self.n, "draws": self.draws, "seed": self.seed, **self.record}
        tests = {} if self.acceptance is None else {"acceptance": plain(self.acceptance)}
        measured = {"steps": plain_rows(self.rows), "drift": plain(self.drift), **tests}
        return {**head, "claims": self.claims, **measured}

    def text(self) -> str:
        """The table, the drift, and whether the model claims to stay."""
        claim = "matched: its chains should stay" if self.claims else "not matched: it makes no such claim"
        drift = f"drift of feature_distance over {max(self.rows):,} steps: {cell(self.drift)} ({claim})"
        tests = "" if self.acceptance is None else f"\nacceptance of the last steps: {cell(self.acceptance)}"
        return f"{rows_table(self.rows, f'{self.data}, steps')}\n\n{drift}{tests}"

    def figures(self) -> dict[str, Any]:
        """Measures against steps, and some chains at every time, a row a time."""
        return {"measures": over_time(self.rows), "chains": chains_at_times(self.pictures)}


def study_longrun(
    model: EnergyModel,
    data: str,
    *,
    steps: Sequence[int] = TIMES,
    climb: float | None = None,
    n: int = 500,
    draws: int = 3,
    seed: int = 0,
    data_dir: str | Path | None = None,
    progress: Callable[[str], None] = lambda text: None,
) -> LongRunStudy:
    """Run `draws` sets of `n` chains from training images to the last of `steps`, measured at each of them.

    `climb`: deviation of the noise, a share of the model's range, from which they come down first.

    Raises:
        UsageError: data that are no labelled images, times that do not rise, chains on latents, too few
        draws; `climb` of a model without levels of noise, or not above 0.
    """
    require_draws(draws, n, 40)
    times = tuple(steps)
    if len(times) < 2 or list(times) != sorted(set(times)) or times[0] < 0:
        raise UsageError(f"steps are {times}: give two times or more that rise, such as 0,100,10000")
    low, high = model.spec.low, model.spec.high
    evaluator = evaluator_for(
        data, 4 * n, generator(derive(seed, "data")), low=low, high=high, data_dir=data_dir
    )
    if not isinstance(evaluator, LabelledImages):
        raise UsageError(f"{data} is no set of labelled images: the long-run test looks at images")
    require_same_kind(evaluator, data, model.spec.event_shape)
    if n * draws > (rows := len(evaluator.train)):
        raise UsageError(
            f"{draws} draws of n = {n} need {n * draws} training images, and {data} has {rows} here: take n "
            f"of at most {rows // draws}"
        )
    begun = _begun(model, evaluator, n * draws, seed)
    ends, x = snapshots(model, begun, times, seed, progress, climb), begun.x
    sets = {t: [_measured(evaluator, end, x, k, n) for k in range(draws)] for t, end in ends.items()}
    drift = over(
        [
            last["feature_distance"] - first["feature_distance"]
            for first, last in zip(sets[times[0]], sets[times[-1]], strict=True)
        ]
    )
    tests = ends[times[-1]].acceptance
    acceptance = None if tests is None else over([float(part.mean()) for part in tests.split(n)])
    pictures = {t: evaluator.as_picture(end.x[:SHOWN]) for t, end in ends.items()}
    measured = {t: summary(found, n) for t, found in sets.items()}
    record, claims = dict(evaluator.record), model.claims_density
    return LongRunStudy(data, n, draws, seed, record, claims, measured, drift, acceptance, pictures)


@dataclass(frozen=True)
class Snapshot:
    """Chains at one time: data `x` `(N, *event)`, their neg_log_prob `(N,)` less the data's mean, and of
    chains with a Metropolis test the mean acceptance `(N,)` of their steps since the time before.
    """

    x: Tensor
    neg_log_prob: Tensor
    acceptance: Tensor | None = None


def _begun(model: EnergyModel, evaluator: LabelledImages, n: int, seed: int) -> Batch:
    """`n` training images on the model's device, with their labels if it knows any."""
    rows = torch.randperm(len(evaluator.train), generator=generator(derive(seed, "start")))[:n]
    batch = evaluator.train.batch(rows, evaluator.low, evaluator.high)
    y = batch.y if model.spec.num_classes else None
    return Batch(batch.x, y).to(device_of(model))


def snapshots(
    model: EnergyModel,
    batch: Batch,
    times: Sequence[int],
    seed: int,
    progress: Callable[[str], None],
    climb: float | None = None,
) -> dict[int, Snapshot]:
    """The chains from the data of `batch` at every time; raises `UsageError` where chains move latents, and
    as `from_noise` with `climb`.
    """
    x, y = batch.x, batch.y
    rng = generator(derive(seed, "chain"), x.device)
    with frozen(model):
        begun = model.sampler().from_data(_start(model, x, y, climb, rng), rng, y)
        state: Any = begun.position
        made, found, accepted = 0, {}, None
        before = neg_log_probs(model, x, y).mean()
        for t in times:
            progress(f"chains from data: {t:,} of {times[-1]:,} steps")
            if t > made:
                chain = run(
                    begun.kernel,
                    begun.energy,
                    state,
                    steps=t - made,
                    rng=rng,
                    evaluate=False,
                    progress=within(progress, f"chains to step {t:,}"),
                )
                state, made, accepted = chain.state, t, chain.info.acceptance
            position: Position = state if made == 0 else state.position
            end = _data(model, begun, position, rng)
            found[t] = Snapshot(end, neg_log_probs(model, end, y) - before, accepted)
    return found


def _start(
    model: EnergyModel, x: Tensor, y: Tensor | None, climb: float | None, rng: torch.Generator
) -> Tensor:
    """`x`, or where it ends from noise `climb` down."""
    if climb is None:
        return x
    end = run_stages(from_noise(model, x, climb, y, rng), rng)[-1].position
    with torch.no_grad():
        return model.sampler().decode(end)


def _data(model: EnergyModel, begun: DataChain, position: Position, rng: torch.Generator) -> Tensor:
    if begun.remaining is not None:
        position = run_stages(begun.remaining(position), rng)[-1].position
    with torch.no_grad():
        return model.sampler().decode(position)


def _measured(evaluator: LabelledImages, end: Snapshot, start: Tensor, draw: int, n: int) -> dict[str, float]:
    part = slice(draw * n, (draw + 1) * n)
    x, begun = end.x[part].cpu(), start[part].cpu()
    good = finite(x)
    kept = torch.where(good[:, None, None, None], x, evaluator.low)
    apart = (begun - begun.roll(1, 0)).flatten(1).norm(dim=1).mean()
    return {
        "feature_distance": evaluator.distance(kept),
        "confidence": confidence(evaluator.classifier.probabilities(evaluator.as_picture(kept))),
        "neg_log_prob": float(end.neg_log_prob[part].mean()),
        "moved": float((x - begun)[good].flatten(1).norm(dim=1).mean() / apart),
        "lost": float((~good).float().mean()),
    }

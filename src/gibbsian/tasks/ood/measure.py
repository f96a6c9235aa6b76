"""Every score and baseline on every set, and which score to quote.

The rows of a table are never those by which its score was chosen: the score to quote has the highest AUROC on
one set, `choose_on`, of which the training part stands against inside test rows that the table leaves out;
and that set is no part of the mean. So the model has seen neither, and the mean is over sets that had no say.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from ...core.errors import DataError, UsageError
from ...core.random import derive, generator
from ...data.dataset import Dataset
from ...data.load import load
from ...metrics.auroc import auroc
from ...models.model import EnergyModel
from ..progress import Advance, silent
from . import baselines as likelihoods
from . import scores as known_scores
from . import sets as known_sets
from .baselines import Baseline, Budget
from .cells import Choice, Scored
from .report import Report
from .scores import Known, evaluate, png_bits
from .sets import ImageSet

LEAST = 20
Bars = Callable[[str, str], AbstractContextManager[Advance]]


def no_bars(what: str, unit: str) -> AbstractContextManager[Advance]:
    """Progress that nobody watches."""
    return nullcontext(silent)


@dataclass(frozen=True, eq=False)
class Inside:
    """Test rows for the table and others for the choice, and training rows that scores are set by, uint8."""

    table: Tensor
    choice: Tensor
    train: Tensor


def measure_ood(
    model: EnergyModel,
    data: str,
    *,
    against: Sequence[str] | None = None,
    n: int = 1000,
    scores: Sequence[str] | None = None,
    background: EnergyModel | None = None,
    baselines: Sequence[str] = ("vae", "pixelcnn"),
    budget: Budget | None = None,
    folder: Path | None = None,
    fresh: bool = False,
    choose_on: str | None = None,
    seed: int = 0,
    data_dir: str | Path | None = None,
    bars: Bars = no_bars,
) -> Report:
    """Scores of `model`, trained on images called `data`, and of likelihood baselines, on sets outside.

    Args:
        against: names of sets (see `sets`); by default those of the papers where the shape is theirs.
        n: test rows inside, and of each set; fewer where there are fewer, half of the test part being kept
            for the choice.
        scores: names (see `scores`); all that the model can give by default.
        background: a second model for the score `ratio`.
        baselines: names (see `baselines`), trained for `budget` on the training part of `data`.
        folder: where trained baselines are kept and looked for; needed for baselines. `fresh` ignores them.
        choose_on: the set on which the score to quote is chosen.
        seed: of rows, made sets and baselines.
        bars: `bars(what, unit)` opens a progress bar, and gives what is to be called with (done, of, note).

    Raises:
        UsageError: data that are no images or not of the model's shape, unknown names, too few rows, a score
            that was named and that the model cannot give.
        DataError: `data` or a named `choose_on` is not to be had.
    """
    if not isinstance(data, str):
        raise UsageError(
            f"data is a {type(data).__name__}: ood takes a name, such as 'mnist' or 'folder:DIR'"
        )
    model, background = model.inner, background and background.inner
    known_scores.check_names(scores or ())
    likelihoods.check_names(list(baselines))
    names = known_sets.check_names(
        known_sets.defaults(data, model.spec.event_shape) if against is None else against, data
    )
    train, inside = _inside(model, data, n, seed, data_dir)
    chosen_on = _choosing(choose_on, data, model, inside, seed, data_dir)
    gather = partial(known_sets.gather, inside=inside.table, n=len(inside.table), seed=seed)
    found = [gather(name, whole=name != chosen_on.name, data_dir=data_dir) for name in names]
    ready, missing = known_scores.scores_of(model, scores, Known(inside.train, background, seed))
    trained = _baselines(baselines, train, budget or Budget(), folder, fresh, seed, bars)
    work: dict[str, Callable[[Tensor], Tensor]] = {
        name: partial(evaluate, model, score) for name, score in ready.items()
    }
    choice_work = dict(work)
    for one in trained:
        work[one.name] = partial(one.log_prob, seed=seed)
        if "complexity" in ready:
            work[f"{one.name}+png"] = partial(_complexity, one, seed)
    present = [s for s in found if not s.absent]
    scored = _scored(work, inside.table, present, missing, bars)
    choice = _choice(choice_work, scored, inside.choice, chosen_on)
    return Report(
        data=data,
        seed=seed,
        shape=model.spec.event_shape,
        inside=inside.table,
        sets=found,
        scored=scored,
        missing=missing,
        choice=choice,
        baselines={one.name: one.record for one in trained},
    )


def _inside(
    model: EnergyModel, data: str, n: int, seed: int, data_dir: str | Path | None
) -> tuple[Dataset, Inside]:
    """The training part, and the rows that are used."""
    if n < LEAST:
        raise UsageError(f"n is {n}: take at least {LEAST} rows of each set")
    test, train = load(data, "test", data_dir=data_dir), load(data, "train", data_dir=data_dir)
    if not test.is_image:
        raise UsageError(
            f"{data} holds no 8-bit images: ood compares images, such as digits or fashion_mnist"
        )
    if test.event_shape != model.spec.event_shape:
        raise UsageError(
            f"{data} has images of shape {test.event_shape}, the model of {model.spec.event_shape}: name the "
            "data that it was trained on"
        )
    rng, n = generator(derive(seed, "ood/inside")), min(n, len(test) // 2)
    if n < LEAST:
        raise UsageError(f"{data} has {len(test)} test rows: at least {2 * LEAST} are needed")
    order = torch.randperm(len(test), generator=rng)
    rows = torch.randperm(len(train), generator=rng)[:n]
    parts = (test.subset(order[:n]).x, test.subset(order[n : 2 * n]).x, train.subset(rows).x)
    return train, Inside(*parts)


def _choosing(
    asked: str | None, data: str, model: EnergyModel, inside: Inside, seed: int, data_dir: str | Path | None
) -> ImageSet:
    """Rows of the set on which the score is chosen; interpolation, if the default one is not here."""
    name = known_sets.check_names([asked or known_sets.to_choose_on(data, model.spec.event_shape)], data)[0]
    gather = partial(known_sets.gather, inside=inside.choice, n=len(inside.choice), seed=seed, split="train")
    found = gather(name, data_dir=data_dir)
    if found.absent and asked:
        raise DataError(f"no score can be chosen: {found.absent}")
    return gather("interpolation") if found.absent else found


def _baselines(
    names: Sequence[str],
    train: Dataset,
    budget: Budget,
    folder: Path | None,
    fresh: bool,
    seed: int,
    bars: Bars,
) -> list[Baseline]:
    if names and folder is None:
        raise UsageError("baselines need a folder to be kept in: give folder, or no baselines")
    found = []
    for name in names:
        assert folder is not None
        with bars(f"training {name}", "update") as advance:
            found.append(
                likelihoods.baseline(name, train, budget, folder, seed=seed, fresh=fresh, progress=advance)
            )
    return found


def _scored(
    work: dict[str, Callable[[Tensor], Tensor]],
    inside: Tensor,
    sets: Sequence[ImageSet],
    missing: dict[str, str],
    bars: Bars,
) -> dict[str, Scored]:
    """Every score of every set; one that is not finite somewhere moves to `missing`."""
    found: dict[str, Scored] = {}
    total = len(work) * (len(sets) + 1)
    with bars("scoring", "set") as advance:
        for name, score in work.items():
            values = []
            for k, x in enumerate([inside, *(s.x for s in sets)], 1):
                values.append(score(x))
                advance(len(found) * (len(sets) + 1) + k, total, name)
            bad = sum(int((~torch.isfinite(v)).sum()) for v in values)
            if bad:
                missing[name] = f"gives {bad} numbers that are not finite"
            else:
                found[name] = Scored(values[0], {s.name: v for s, v in zip(sets, values[1:], strict=True)})
    if not found:
        raise UsageError(f"no score is left: {'; '.join(f'{k} {v}' for k, v in missing.items())}")
    return found


def _choice(
    work: dict[str, Callable[[Tensor], Tensor]],
    scored: dict[str, Scored],
    inside: Tensor,
    outside: ImageSet,
) -> Choice | None:
    """AUROC of the model's own scores on rows apart from the table's."""
    names = [name for name in work if name in scored]
    values = {name: (-work[name](inside), -work[name](outside.x)) for name in names}
    finite = {k: v for k, v in values.items() if all(bool(torch.isfinite(x).all()) for x in v)}
    if not finite:
        return None
    return Choice(outside.name, len(inside), len(outside), {k: auroc(*v) for k, v in finite.items()})


def _complexity(one: Baseline, seed: int, x: Tensor) -> Tensor:
    """log2 p(x) + L(x): minus the score of Serra et al. 2020, whose higher values mean outside."""
    return one.log_prob(x, seed=seed) / torch.log(torch.tensor(2.0, dtype=torch.float64)) + png_bits(x)

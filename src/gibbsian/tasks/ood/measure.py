"""Every score and baseline on every set, and which score to quote.

The rows of a table are never those by which its score was chosen: the score to quote has the highest AUROC on
one set, `choose_on`, of which the training part stands against inside test rows that the table leaves out;
and that set is no part of the mean. So the model has seen neither, and the mean is over sets that had no say.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from ...core.errors import UsageError
from ...data.dataset import Dataset
from ...data.own import Given
from ...metrics.auroc import auroc
from ...models.model import EnergyModel
from ..parts import model_of, name_of, policy_of
from ..progress import Bars, no_bars
from ..scores import beyond
from . import baselines as likelihoods
from . import scores as known_scores
from . import sets as known_sets
from .baselines import Baseline, Budget
from .cells import Choice, Scored
from .inside import choosing, inside_rows
from .report import Report
from .scores import Known, evaluate, png_bits
from .sets import ImageSet


def measure_ood(
    model: EnergyModel | str | Path,
    data: Given,
    *,
    against: Given | Sequence[Given] | Mapping[str, Given] | None = None,
    n: int = 1000,
    scores: Sequence[str] | None = None,
    background: EnergyModel | None = None,
    baselines: Sequence[str] | None = None,
    budget: Budget | None = None,
    folder: Path | None = None,
    fresh: bool = False,
    choose_on: str | None = None,
    held: Given | None = None,
    seed: int = 0,
    data_dir: str | Path | None = None,
    bars: Bars = no_bars,
) -> Report:
    """Scores of `model`, trained on the images `data`, and of likelihood baselines, on sets outside.

    Args:
        data: anything that `gibbsian.dataset` takes; of arrays a tenth is held out, unless `held` is given.
        against: one set or several: names (see `sets`), and images of one's own as `gibbsian.dataset` takes
            them, also by a name each; by default those of the papers where the shape is theirs.
        n: test rows inside, and of each set; fewer where there are fewer, half of the test part being kept
            for the choice of a score. Where that leaves fewer than 20, all are in the table and none is
            chosen.
        scores: names (see `scores`); all that the model can give by default.
        background: a second model for the score `ratio`.
        baselines: names (see `baselines`), trained for `budget` on the training part of `data`; by default
            vae and pixelcnn where there is a folder.
        folder: where trained baselines are kept and looked for; needed for baselines. `fresh` ignores them.
        choose_on: the set on which the score to quote is chosen.
        held: held-out rows of one's own, beside `data` for training rows.
        seed: of rows, made sets and baselines.
        bars: `bars(what, unit)` opens a progress bar, and gives what is to be called with (done, of, note).

    Raises:
        UsageError: data that are no images or not of the model's shape, unknown names, too few rows, a score
            that was named and that the model cannot give.
        DataError: `data` or a named `choose_on` is not to be had.
    """
    model, background = model_of(model), background and background.inner
    images = folder is not None and model.spec.is_image
    baselines = (("vae", "pixelcnn") if images else ()) if baselines is None else baselines
    known_scores.check_names(scores or ())
    likelihoods.check_names(list(baselines))
    called = name_of(data)
    asked = known_sets.defaults(called, model.spec.event_shape) if against is None else against
    outside = known_sets.by_name(asked, called)
    train, inside, notes = inside_rows(model, data, held, n, seed, data_dir)
    chosen_on = choosing(choose_on, called, model, inside, seed, data_dir)
    found = [
        known_sets.gather(
            name,
            inside.table,
            n if given is not None or known_sets.is_own(name) else len(inside.table),
            seed=seed,
            whole=chosen_on is None or name != chosen_on.name,
            given=given,
            on_error=policy_of(data),
            table=model.spec.table,
            data_dir=data_dir,
        )
        for name, given in outside.items()
    ]
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
    choice = _choice(choice_work, scored, inside.choice, chosen_on) if chosen_on else None
    return Report(
        data=called,
        seed=seed,
        shape=model.spec.event_shape,
        inside=inside.table,
        sets=found,
        scored=scored,
        missing=missing,
        choice=choice,
        baselines={one.name: one.record for one in trained},
        notes=(*notes, *_left(present, inside.train)),
    )


def _left(sets: Sequence[ImageSet], train: Tensor) -> list[str]:
    """Of rows of numbers, which share of a set lies where no energy was trained: beyond the training rows."""
    if not train.is_floating_point():
        return []  # images, which have no values beyond those of black and white
    shares = {s.name: float((beyond(s.x, train.amin(0), train.amax(0)) > 0).float().mean()) for s in sets}
    return [
        f"{name}: {share:.0%} of the rows leave the range of the training rows, where no score was trained"
        for name, share in shares.items()
        if share
    ]


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

"""How good are a model's samples, and how did its chains fare? Numbers with n, seed and an interval."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from ..core.errors import UsageError
from ..core.random import Streams
from ..data.dataset import Dataset
from ..data.own import Given
from ..metrics.interval import Interval, share_interval
from ..models.capabilities import Measured, offered
from ..models.model import EnergyModel, device_of
from ..models.sampler import RunOptions, Sampler
from ..models.samples import Samples, draw_samples
from ..report.tables import summary
from .chains import chain_report, every_label
from .discrepancy import SteinDiscrepancy
from .evaluator import SampleEvaluator, evaluator_for, require_same_kind
from .parts import model_of, name_of, part_of
from .point_evaluator import Seen
from .progress import within
from .quality import Report
from .reference import OverDraws, cost, reference_rows, warnings

ONE_DRAW = (
    "a single draw: intervals are over random halves of its samples, a bootstrap without replacement; those "
    "of the chains are over 2 sets of these"
)


def evaluate(
    model: EnergyModel | str | Path,
    data: Given,
    *,
    n: int = 2000,
    draws: int = 5,
    seed: int = 0,
    against: str = "test",
    validation: int | None = None,
    features: str | None = None,
    statistics: str | Path | None = None,
    held: Given | None = None,
    data_dir: str | Path | None = None,
    sampler: Sampler | None = None,
    options: RunOptions = RunOptions(),  # noqa: B008 (frozen)
    progress: Callable[[str], None] = lambda text: None,
) -> Report:
    """Measure `draws` independent sets of `n` samples against held-out data, baselines beside.

    Intervals are over draws; of a single draw they are over random halves of its samples.

    Args:
        model: a trained model; conditional ones draw uniform classes.
        data: what it was trained on, or like that: anything that `gibbsian.dataset` takes. Images come in the
            model's size and colour. Of arrays a tenth is held out, unless `held` is given.
        against: "test" for figures to quote, "validation" (with `validation` rows) to choose by.
        features: in which images are compared, see `tasks.feature_names`: "classes" with labels, "random"
            without, the name of a public set, or a file of Inception weights.
        statistics: with such a file, an .npz file of mu and sigma by which the weights are verified, and from
            which the FID then is.
        held: held-out rows of one's own, beside `data` for training rows.
        sampler: another sampler than the model's default, such as one of `learner.samplers()`. The others
            of the model get rows of their own, each from the same seed.

    Raises:
        UsageError: n below 16, no draw, or data that cannot be measured.
        DataError: data that cannot be read.
    """
    model = model_of(model)
    if n < 16 or draws < 1:
        raise UsageError(f"n = {n} and {draws} draws: take n of at least 16, and a draw or more")
    model = model.inner
    device = device_of(model)
    rng = Streams(seed, device=device).eval
    draw_rng = Streams(seed).data
    evaluator = evaluator_for(
        data, n, draw_rng, spec=model.spec, against=against, validation=validation, features=features,
        statistics=statistics, device=device, held=held, data_dir=data_dir,
    )  # fmt: skip
    require_same_kind(evaluator, name_of(data), model.spec.event_shape)
    progress(cost(evaluator, n, draws))
    given, split = (data, against) if held is None else (held, "all")
    test = part_of(given, split, model.spec, validation=validation, data_dir=data_dir)
    x = test.batch(torch.arange(min(n, len(test))), model.spec.low, model.spec.high).x.to(device)
    stein = SteinDiscrepancy(model, x)
    measured, classes = OverDraws(evaluator.measures), OverDraws(_flat(evaluator))
    own = OverDraws(stein.measures)
    for k in range(draws):
        what = f"drawing {n} samples ({k + 1} of {draws})"
        progress(what)
        drawn = _drawn(model, n, rng, sampler or model.sampler(), options, within(progress, what))
        seen = evaluator.look(drawn.x, drawn.y)
        for found in (measured, classes):
            found.add(seen)
        if stein.offered:
            own.add(stein.look(drawn.x))
    rows = {"model": measured.intervals()}
    for name, other in other_samplers(model).items():
        what = f"drawing {draws} times {n} samples of the {name}"
        progress(what)
        far = within(progress, what)
        again = Streams(seed, device=device).eval
        others = (_drawn(model, n, again, other, options, far) for _ in range(draws))
        rows[name] = OverDraws(
            evaluator.measures, (evaluator.look(one.x, one.y) for one in others)
        ).intervals()
    rows |= reference_rows(evaluator, n, draws, seed, draw_rng, progress)
    progress("looking at the chains")
    repeated = range(max(draws, 2))
    chains = summary([chain_report(model, rng, sampler, options, evaluator.modes) for _ in repeated])
    progress("asking the model itself")
    itself = offered(model, Measured)
    extra = summary([itself.extra_metrics(x, rng) if itself else {} for _ in repeated])
    return Report(
        name_of(data), n, draws, seed, evaluator.record, _normalised(rows), chains,
        extra | own.intervals() | _of_held(stein, x),
        _by_class(classes.intervals(), test),
        (*warnings(rows), *evaluator.repeats(), *evaluator.notes, *([ONE_DRAW] if draws == 1 else [])),
        evaluator.neighbours(seen, model.spec.table),
    )  # fmt: skip


def other_samplers(model: EnergyModel) -> dict[str, Sampler]:
    """The samplers of a model beside its default, by name."""
    return {name: sampler for name, sampler in model.samplers.items() if name != "default"}


def validator(
    data: str, n: int = 500, *, validation: int | None = None, data_dir: str | Path | None = None
) -> Callable[[EnergyModel, torch.Generator], float]:
    """A measure for choosing the best checkpoint, lower is better: feature distance (or forward KL) to
    training data's validation rows; never the test split. Equal weights and equal `rng` give equal values."""
    evaluators: list[SampleEvaluator] = []
    held = validation or (None if data.startswith("toy:") else n)

    def measure(model: EnergyModel, rng: torch.Generator) -> float:
        if not evaluators:
            low, high, own = model.spec.low, model.spec.high, Streams(0).data
            evaluators.append(
                evaluator_for(
                    data, n, own, low=low, high=high, against="validation", validation=held, data_dir=data_dir
                )
            )
        return evaluators[0].distance(draw_samples(model, model.sampler(), n, rng=rng).x)

    return measure


def _drawn(
    model: EnergyModel,
    n: int,
    rng: torch.Generator,
    sampler: Sampler,
    options: RunOptions,
    progress: Callable[[int, int], None],
) -> Samples:
    y = every_label(model, n, rng)
    return draw_samples(model, sampler, n, rng=rng, y=y, options=options, progress=progress)


def _of_held(stein: SteinDiscrepancy, x: Tensor) -> dict[str, Interval]:
    """The discrepancy of held-out data, where the model claims a density."""
    found = OverDraws(stein.measures, [stein.look(x)]).intervals() if stein.offered else {}
    return {f"{key} of held-out data": value for key, value in found.items()}


def _flat(evaluator: SampleEvaluator) -> Callable[[Seen], dict[str, float]]:
    """Shares by class, as one dictionary: the name of the class and what it is of, in two lines."""

    def shares(seen: Seen) -> dict[str, float]:
        found = evaluator.by_class(seen)
        return {f"{name}\n{what}": share for name, of in found.items() for what, share in of.items()}

    return shares


def _by_class(shares: dict[str, Interval], held: Dataset) -> dict[str, dict[str, Interval]]:
    """Shares by the name of each class, and the share of held-out rows that are labelled so."""
    found: dict[str, dict[str, Interval]] = {}
    for key, share in shares.items():
        name, what = key.split("\n")
        found.setdefault(name, {})[what] = share
    for c, name in enumerate(found):
        if held.y is not None:
            found[name]["held-out data"] = share_interval(int((held.y == c).sum()), len(held))
    return found


def _normalised(rows: dict[str, dict[str, Interval]]) -> dict[str, dict[str, Interval]]:
    """Add (distance - floor) / (noise - floor) to every row that has a feature distance."""
    if "feature_distance" not in rows["model"]:
        return rows
    floor = rows["training data"]["feature_distance"].estimate
    span = rows["noise"]["feature_distance"].estimate - floor
    for measures in rows.values():
        if d := measures.get("feature_distance"):
            measures["normalised"] = Interval(*((v - floor) / span for v in (d.estimate, d.low, d.high)))
    return rows

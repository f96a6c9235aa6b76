"""How good are a model's samples, and how did its chains fare? Numbers with n, seed and an interval."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from ..core.errors import UsageError
from ..core.random import Streams
from ..data.dataset import Dataset
from ..data.own import Given
from ..metrics.interval import Interval, share_interval
from ..models.capabilities import Measured, offered
from ..models.model import EnergyModel, device_of
from ..models.sampler import RunOptions, Sampler
from ..models.samples import Samples, draw_samples
from ..report.tables import cell, plain, plain_rows, rows_table, summary, table
from .chains import CHAINS, chain_report, every_label
from .evaluator import SampleEvaluator, evaluator_for, require_same_kind
from .parts import model_of, name_of, part_of
from .progress import within
from .reference import cost, reference_rows, warnings

SHOWN = 40
"""Classes in a table at most."""
ALWAYS = ("acceptance", "drift_noise", "saturated", "energy_ess", "energy_rhat")


@dataclass(frozen=True)
class Report:
    """Measures by row: the model's samples first, those of its other samplers next (such as the base that an
    energy refines), baselines after; chain diagnostics of the model.

    Intervals are of 95 %, by Student's t: over draws of samples, and of `CHAINS` chains for the diagnostics
    (the model's weights are one training run's).
    """

    data: str
    n: int
    draws: int
    seed: int
    record: dict[str, str | int]
    rows: dict[str, dict[str, Interval]]
    chains: dict[str, Interval]
    own: dict[str, Interval] = field(default_factory=dict)
    """What the model measures of itself on held-out data, such as KALE."""
    classes: dict[str, dict[str, Interval]] = field(default_factory=dict)
    """By the name of each class: shares of samples that are judged as it, beside held-out data."""
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Report on {self.data}: {self.draws} draws of {self.n}\n{self.text()}"

    @property
    def model(self) -> dict[str, Interval]:
        """The first row."""
        return self.rows["model"]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as `evaluate --json` prints them; every measure with n, seed and interval, and null
        for diagnostics that these chains have not (no acceptance without a Metropolis test)."""
        rows = {
            row: {k: _plain(v, self.n, self.draws, self.seed) for k, v in measures.items()}
            for row, measures in self.rows.items()
        }
        head = {"data": self.data, "n": self.n, "draws": self.draws, "seed": self.seed, **self.record}
        chains = {k: _plain(v, CHAINS, self.draws, self.seed) for k, v in self.chains.items()}
        own = {"own": {k: _plain(v, self.n, self.draws, self.seed) for k, v in self.own.items()}}
        return {
            **head,
            "measures": rows,
            "chains": {**dict.fromkeys(ALWAYS), **chains},
            **(own if self.own else {}),
            **({"by_class": plain_rows(self.classes)} if self.classes else {}),
            "notes": list(self.notes),
        }

    def table(self, markdown: bool = False) -> str:
        """The rows as a text (or Markdown) table, mean and half-width of the interval."""
        keys = list(self.model)
        head = ["", *keys]
        body = [[row, *[cell(measures.get(k)) for k in keys]] for row, measures in self.rows.items()]
        return table(head, body, markdown)

    def text(self) -> str:
        """The table, the one by class, and lines on features and chains below."""
        told = ", ".join(f"{k} {cell(v)}" for k, v in self.chains.items())
        own = ", ".join(f"{k} {cell(v)}" for k, v in self.own.items())
        held = f"\nof itself on held-out data: {own}" if own else ""
        space = f"features {self.record['features']}, " if "features" in self.record else ""
        seen = f"{space}{self.record.get('held_out')} held-out rows ({self.record.get('against')})"
        parts = [f"{self.table()}\n{seen}"]
        if 0 < len(self.classes) <= SHOWN:
            parts.append(rows_table(self.classes, "share judged as"))
        parts.append(f"chains from noise ({CHAINS} a draw): {told}{held}")
        return "\n\n".join([*parts, *(["\n".join(self.notes)] if self.notes else [])])


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
    held: Given | None = None,
    data_dir: str | Path | None = None,
    sampler: Sampler | None = None,
    options: RunOptions = RunOptions(),  # noqa: B008 (frozen)
    progress: Callable[[str], None] = lambda text: None,
) -> Report:
    """Measure `draws` independent sets of `n` samples against held-out data, baselines beside.

    Args:
        model: a trained model; conditional ones draw uniform classes.
        data: what it was trained on, or like that: anything that `gibbsian.dataset` takes. Images come in the
            model's size and colour. Of arrays a tenth is held out, unless `held` is given.
        against: "test" for figures to quote, "validation" (with `validation` rows) to choose by.
        features: in which images are compared, see `tasks.feature_names`: "classes" with labels, "random"
            without, or the name of a public set.
        held: held-out rows of one's own, beside `data` for training rows.
        sampler: another sampler than the model's default, such as one of `learner.samplers()`. The others
            of the model get rows of their own, each from the same seed.

    Raises:
        UsageError: n below 16, draws below 2, or data that cannot be measured.
        DataError: data that cannot be read.
    """
    model = model_of(model)
    if n < 16 or draws < 2:
        raise UsageError(
            f"evaluate with n = {n} and {draws} draws: take n of at least 16, and two draws or more"
        )
    model = model.inner
    device = device_of(model)
    rng = Streams(seed, device=device).eval
    draw_rng = Streams(seed).data
    low, high = model.spec.low, model.spec.high
    evaluator = evaluator_for(
        data, n, draw_rng, spec=model.spec, against=against, validation=validation, features=features,
        held=held, data_dir=data_dir,
    )  # fmt: skip
    require_same_kind(evaluator, name_of(data), model.spec.event_shape)
    progress(cost(evaluator, n, draws))
    sets, classes = [], []
    for k in range(draws):
        what = f"drawing {n} samples ({k + 1} of {draws})"
        progress(what)
        drawn = _drawn(model, n, rng, sampler or model.sampler(), options, within(progress, what))
        sets.append(evaluator.measure(drawn.x, drawn.y))
        classes.append(evaluator.by_class(drawn.x, drawn.y))
    rows = {"model": summary(sets, n)}
    for name, other in other_samplers(model).items():
        what = f"drawing {draws} times {n} samples of the {name}"
        progress(what)
        far = within(progress, what)
        again = Streams(seed, device=device).eval
        others = (_drawn(model, n, again, other, options, far) for _ in range(draws))
        rows[name] = summary([evaluator.measure(one.x, one.y) for one in others], n)
    rows |= reference_rows(evaluator, n, draws, seed, draw_rng, progress)
    progress("looking at the chains")
    chains = summary([chain_report(model, rng, sampler, options, evaluator.modes) for _ in range(draws)])
    progress("asking the model itself")
    given, split = (data, against) if held is None else (held, "all")
    test = part_of(given, split, model.spec, validation=validation, data_dir=data_dir)
    x = test.batch(torch.arange(min(n, len(test))), low, high).x.to(device)
    measured = offered(model, Measured)
    own = summary([measured.extra_metrics(x, rng) if measured else {} for _ in range(draws)])
    return Report(
        name_of(data), n, draws, seed, evaluator.record, _normalised(rows), chains, own,
        _by_class(classes, test), (*warnings(rows), *evaluator.notes),
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


def _by_class(sets: list[dict[str, dict[str, float]]], held: Dataset) -> dict[str, dict[str, Interval]]:
    """Intervals over draws by class, and the share of held-out rows that are labelled so."""
    found = {name: summary([one[name] for one in sets]) for name in sets[0]}
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


def _plain(value: Interval, n: int, draws: int, seed: int) -> dict[str, Any]:
    return {**plain(value), "n": n, "draws": draws, "seed": seed}

"""`gibbsian.sweep`: train one paper over seeds and settings, and measure each on rows set aside."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import product
from pathlib import Path
from typing import Any

import torch

from ...core.errors import DivergedError, GibbsianError, Interrupted, UsageError
from ...core.files import own_path, write_whole
from ...core.plain import json_text, plain
from ...core.random import Streams, derive, generator
from ...data.dataset import Dataset
from ...data.own import Given, dataset
from ...models.model import EnergyModel, device_of
from ...models.samples import draw_samples
from ...train.fit import fit
from ...train.folder import RunFolder
from ...train.load import load
from ...train.recipes import resolve
from ..chains import every_label
from ..evaluator import evaluator_for
from ..pages.about import said
from ..parts import name_of
from ..point_evaluator import SampleEvaluator
from .asked import FOUND, checked_values, require_same, set_aside
from .summary import Point, Sweep, Trained, in_words

SHORTEST = 0.02
"""The least minutes of a run that is gone on with."""
MEASURES = ("feature_distance", "kl_forward", "sliced_w2")
"""The measure of a sweep is the first of these that there is; of all of them lower is better."""
RUN = "validation.json"
LONGEST = 120
"""Letters of a run folder's name."""
Progress = Callable[[str], None]


def sweep(
    paper: str,
    data: Given,
    settings: Mapping[str, Sequence[Any]] | None = None,
    *,
    out: str | Path,
    seeds: Sequence[int] = (0, 1, 2),
    steps: int | None = None,
    minutes: float | None = None,
    preset: str | None = None,
    fixed: Mapping[str, Any] | None = None,
    n: int = 500,
    device: str = "cpu",
    data_dir: str | Path | None = None,
    progress: Progress = lambda text: None,
) -> Sweep:
    """Train every choice of `settings` with every seed, one at a time, into run folders below `out`.

    Each is measured by `n` samples against training rows that were set aside (of toys against exact draws),
    never against the test part. The same call goes on where it was stopped; finished and diverged runs are
    not made again, failed ones are.

    Args:
        paper: a name such as "short_run".
        data: anything that `gibbsian.dataset` takes.
        settings: values by dotted name, such as {"train.lr": [1e-3, 3e-4]}; without any only seeds differ.
        seeds: two or more, so that the spread over seeds is known.
        steps, minutes: of each run, not of all.
        preset, device: as `gibbsian.fit` takes them; fixed: settings of all runs by dotted name.

    Raises:
        UsageError: unknown settings, values that do not go together, or an `out` that holds another sweep.
        Interrupted: Ctrl-C, after saving.
    """
    folder, swept, base = own_path(out), checked_values(settings or {}), dict(fixed or {})
    points: list[Point] = [tuple(zip(swept, v, strict=True)) for v in product(*swept.values())]
    if not seeds or len(set(seeds)) < len(seeds):
        raise UsageError(f"seeds are {tuple(seeds)}: give one or more, each once")
    train, rows = set_aside(dataset(data, data_dir=data_dir), data_dir)
    for point in points:  # a wrong value is told before the first run, not after hours
        resolve(paper, preset=preset, data=train.full_name, changes={**base, **dict(point)})
    asked = {
        "steps": steps,
        "minutes": minutes,
        "preset": preset,
        "fixed": base,
        "n": n,
        "data": name_of(train),
    }
    require_same(folder, {"system": paper, **asked})
    job = _Job(folder, paper, train, rows, base, asked, device, data_dir, progress)
    made: list[Trained] = []
    every = [(seed, point) for seed in seeds for point in points]
    progress(job.announced(len(every)))
    for k, (seed, point) in enumerate(every):
        progress(f"run {k + 1} of {len(every)}: {in_words(point, seed)}")
        made.append(job.run(point, seed))
        found = Sweep(paper, name_of(train), job.measure or "measure", tuple(seeds), swept, tuple(made))
        values = {"asked": {"system": paper, **asked}, **found.to_dict()}
        write_whole(folder / FOUND, json_text(values))
    return found


@dataclass
class _Job:
    """What all runs of a sweep share; `measure` is known after the first."""

    folder: Path
    paper: str
    train: Dataset
    rows: Dataset | None
    base: dict[str, Any]
    asked: dict[str, Any]
    device: str
    data_dir: str | Path | None
    progress: Progress
    measure: str = ""
    evaluator: SampleEvaluator | None = None

    def announced(self, many: int) -> str:
        """How many runs there are, and how long they will take where that is said."""
        minutes = self.asked["minutes"]
        each = f", of {minutes:g} minutes each: about {many * minutes:g} minutes in all" if minutes else ""
        held = f"{len(self.rows)} training rows set aside" if self.rows is not None else "exact draws"
        return f"{many} runs{each}; each is measured against {held}, never against the test part"

    def run(self, point: Point, seed: int) -> Trained:
        """One run, made, gone on with, or read; what it raises but for Ctrl-C is noted."""
        path = self.folder / _slug(point, seed)
        state, why, value = "done", "", None
        try:
            if (record := RunFolder(path).record()).get("state") == "diverged":
                return Trained(path.name, point, seed, "diverged", None, _reason(path))
            if record.get("state") != "done":
                self._fit(path, point, seed, record)
            value = self._measured(path)
        except Interrupted as error:
            saved = str(error).partition("; ")[0]
            raise Interrupted(f"{saved}; the same sweep goes on from there") from error
        except DivergedError as error:
            state, why = "diverged", str(error)
        except GibbsianError as error:
            state, why = "failed", str(error)
        if why:
            self.progress(f"{path.name} {state}: {why}")
        return Trained(path.name, point, seed, state, value, why)

    def _fit(self, path: Path, point: Point, seed: int, record: Mapping[str, Any]) -> None:
        (path / RUN).unlink(missing_ok=True)
        minutes = self.asked["minutes"]
        if minutes is not None and (spent := record.get("spent")):
            minutes = max(minutes - max(v[0] for v in spent.values()) / 60, SHORTEST)
        changes = {k.replace(".", "__"): v for k, v in {**self.base, **dict(point)}.items()}
        fit(
            self.paper, self.train, out=path, resume="auto", seed=seed, preset=self.asked["preset"],
            steps=self.asked["steps"], minutes=minutes, device=self.device, **changes,
        )  # fmt: skip

    def _measured(self, path: Path) -> float | None:
        """The measure of a run, kept beside it; None where it is not finite."""
        kept = path / RUN
        try:
            values = json.loads(kept.read_text())
        except (OSError, ValueError):
            values = {}
        if values.get("n") != self.asked["n"]:
            model = load(path).inner.to(self.device)
            values = {"n": self.asked["n"], "measures": self._measure(model)}
            write_whole(kept, json_text(values))
        self.measure = next(name for name in MEASURES if name in values["measures"])
        value = values["measures"][self.measure]
        return value if isinstance(value, float) else None

    @torch.no_grad()
    def _measure(self, model: EnergyModel) -> dict[str, Any]:
        n, rng = self.asked["n"], generator(derive(0, "sweep"), device_of(model))
        if self.evaluator is None:
            self.evaluator = self._evaluator(model)
        x = draw_samples(model, model.sampler(), n, rng=rng, y=every_label(model, n, rng)).x
        found: dict[str, Any] = plain(self.evaluator.measure(x))
        return found

    def _evaluator(self, model: EnergyModel) -> SampleEvaluator:
        own, n = Streams(0).data, self.asked["n"]
        if self.rows is None or self.train.recipe is None:
            return evaluator_for(
                self.train.name if self.rows is None else self.train, n, own, spec=model.spec, held=self.rows
            )
        return evaluator_for(
            str(self.train.recipe), n, own, spec=model.spec, against="validation",
            validation=self.train.recipe.validation, data_dir=self.data_dir,
        )  # fmt: skip


def _reason(path: Path) -> str:
    told = [str(line["reason"]) for line in RunFolder(path).lines() if line.get("event") == "diverged"]
    return told[-1] if told else ""


def _slug(point: Point, seed: int) -> str:
    """A folder's name that settings and seed decide."""
    words = [*(f"{name}={said(value)}" for name, value in point), f"seed={seed}"]
    slug = re.sub(r"[^\w.=+-]+", "_", "_".join(words))
    return slug if len(slug) <= LONGEST else f"{slug[:LONGEST]}-{sha256(slug.encode()).hexdigest()[:8]}"

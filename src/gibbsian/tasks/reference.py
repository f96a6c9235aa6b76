"""What a report holds beside a model's rows: measured once a data set, and what the rows together warn of."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Mapping

import torch
from torch import Tensor

from ..core.errors import UsageError
from ..core.files import cache_folder
from ..metrics.interval import HALVES, Interval, half_intervals
from ..report.tables import bounded, summary
from .cache import UNREADABLE, is_current, read_cached, save_cached
from .point_evaluator import HeldOutEvaluator, SampleEvaluator, Seen

VERSION = 2
"""Of the measures: another one makes all reference rows anew."""
PROBE, SLOW = 16, 2.0
"""Rows of noise by which the time is judged, and seconds for them after which no more are tried."""
ALIKE, COPIED = 0.5, 0.05
"""Told are a diversity below the one, and near copies that exceed those of held-out data by the other."""

Rows = dict[str, dict[str, Interval]]
Progress = Callable[[str], None]


def reference_rows(
    evaluator: SampleEvaluator, n: int, draws: int, seed: int, rng: torch.Generator, progress: Progress
) -> Rows:
    """Rows of the baselines and of held-out data, kept in the cache folder under all that they depend on.

    A file that cannot be read is made anew, and a folder that cannot be written is told: both in one line.
    """
    about = {"version": VERSION, "n": n, "draws": draws, "seed": seed, **evaluator.identity()}
    name = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:24]
    path = cache_folder() / "reference" / f"{name}.safetensors"
    kept = isinstance(evaluator, HeldOutEvaluator)
    if kept and path.exists():
        try:
            record = read_cached(path)[1]
            if is_current(record, about):
                return {row: {k: Interval(*v) for k, v in of.items()} for row, of in record["rows"].items()}
            raise ValueError("it is of other data")
        except UNREADABLE as error:
            progress(f"{path} is damaged ({str(error).splitlines()[0]}): its rows are measured anew")
    rows = _measured(evaluator, n, draws, rng, progress)
    if kept:
        plain = {row: {k: (v.estimate, v.low, v.high) for k, v in of.items()} for row, of in rows.items()}
        try:
            save_cached(path, {"none": torch.zeros(1)}, {**about, "rows": plain})
        except UsageError as error:
            progress(f"not kept for another time: {error}")
    return rows


def _measured(
    evaluator: SampleEvaluator, n: int, draws: int, rng: torch.Generator, progress: Progress
) -> Rows:
    rows: Rows = {}
    for name, draw in evaluator.baselines().items():
        progress(f"measuring {name}")
        sets = (evaluator.look(draw(n, rng)) for _ in range(draws))
        rows[name] = OverDraws(evaluator.measures, sets).intervals()
    if held := evaluator.of_held():
        rows["held-out data"] = summary([held, held], n)
    return rows


class OverDraws:
    """Measures of `sets` of samples, one after the other, with intervals over them; of a single set over
    random halves of its rows.
    """

    def __init__(self, measures: Callable[[Seen], Mapping[str, float]], sets: Iterable[Seen] = ()) -> None:
        self.measures, self.last = measures, Seen()
        self.found = list[Mapping[str, float]]()
        for seen in sets:
            self.add(seen)

    def add(self, seen: Seen) -> None:
        """Measure one more set."""
        self.found.append(self.measures(seen))
        self.last = seen

    def intervals(self) -> dict[str, Interval]:
        """Of what all sets have; none where there was no set."""
        if not self.found:
            return {}
        n = len(next(iter(self.last.values())))
        if len(self.found) > 1:
            return summary(self.found, n)
        return bounded(half_intervals(self._of_rows, n, rng=torch.Generator().manual_seed(0)), n)

    def _of_rows(self, rows: Tensor) -> Mapping[str, float]:
        whole = len(rows) == len(next(iter(self.last.values())))
        return self.found[0] if whole else self.measures({k: v[rows] for k, v in self.last.items()})


def cost(evaluator: SampleEvaluator, n: int, draws: int) -> str:
    """A line on how long measuring will take, by what it takes for a little noise, and a little more."""

    def seconds(rows: int) -> float:
        x = evaluator.baselines()["noise"](rows, torch.Generator().manual_seed(0))
        begun = time.monotonic()
        evaluator.measure(x)
        return time.monotonic() - begun

    few, more = PROBE, min(n, 8 * PROBE)
    seconds(few)  # what is made but once
    little = seconds(few)
    row = seconds(more) if little < SLOW else little * more / few
    row += max(row - little, 0) / (more - few) * (n - more) if n > more else 0
    others = len(evaluator.baselines())
    spent = row * (draws if draws > 1 else HALVES / 3)  # half of the rows are measured in a third of the time
    told = f"about {float(f'{spent:.1g}'):g} s beside sampling, and {others} times that at first"
    return f"measuring {draws} {'draws' if draws > 1 else 'draw'} takes {told}"


def warnings(rows: Rows) -> tuple[str, ...]:
    """What the first row shows against that of held-out data, which the other measures do not see."""
    model, held = rows["model"], rows.get("held-out data", {})
    told = []
    if "diversity" in model and (found := model["diversity"].estimate) < ALIKE:
        told.append(
            f"samples repeat one another: the next one is {found:.2g} times as far as among held-out "
            "data, which confidence and precision do not see"
        )
    if "near_copies" in model and "near_copies" in held:
        found, usual = model["near_copies"].estimate, held["near_copies"].estimate
        if found > usual + COPIED:
            told.append(
                f"{found:.0%} of the samples are near copies of training rows, {usual:.0%} of held-out data"
            )
    orders = [
        sorted((row for row in rows if key in rows[row]), key=lambda row: rows[row][key].estimate)
        for key in ("feature_distance", "pixel_distance")
    ]
    if orders[1] and orders[0] != orders[1]:
        told.append(f"pixels put the rows in another order: {', '.join(orders[1])}")
    return tuple(told)

"""How robust a model's answers are: every classifier, attack and radius in a record.

The headline is the share of images that no attack broke. It bounds from above what a stronger attack would
leave; it proves nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import reduce
from pathlib import Path
from typing import Any

from PIL import Image

from ...core.show import tables
from ...data.dataset import Dataset
from ...data.own import Given
from ...metrics.interval import Interval
from ...models.model import EnergyModel
from ...nets.frozen import frozen
from ...report.attacks import Curve, accuracy_curves, before_and_after, curves_by_attack
from ...report.pictures import stacked
from ...report.tables import cell, plain, table
from ..parts import model_of, name_of, part_of
from ..progress import Advance, silent
from .attacks import ATTACKS, WEAK, attacks_for, require_known
from .classifiers import Attacked, Refinement, classifiers_of, picked, require_fitting
from .sweep import Outcome, Threat, Watch, sweep

PARTS = 100
"""Of the progress of one piece of work."""


@dataclass(frozen=True, eq=False)
class Robustness:
    """What became of every classifier, by name, in the order of the table.

    `boxes` are the ranges of the pixels of each; `about` says how they came about, in plain values, and
    `remarks` in words. `colours` are those of classifiers that are no systems.
    """

    data: str
    classes: tuple[str, ...]
    threat: Threat
    outcomes: dict[str, Outcome]
    boxes: dict[str, tuple[float, float]]
    about: dict[str, Any] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    colours: Mapping[str, str] = field(default_factory=dict)

    __repr__ = tables

    @property
    def n(self) -> int:
        """Images attacked."""
        return next(iter(self.outcomes.values())).n

    def to_dict(self) -> dict[str, Any]:
        """Plain values; every share with its Wilson interval of 95 %."""
        head = {"data": self.data, "split": "test", "n": self.n, **asdict(self.threat)}
        rows = {name: _row(outcome) for name, outcome in self.outcomes.items()}
        return {**head, "classifiers": rows, **self.about}

    def text(self) -> str:
        """The headline, every attack apart, and what the attacks are."""
        threat = self.threat
        head = (
            f"{self.data} test, n = {self.n}, {threat.norm}, {threat.steps} steps from {threat.restarts} "
            f"starts, seed {threat.seed}. Share of images still right ± half of its 95 % interval."
        )
        eps = [f"eps {e:.3g}" for e in threat.eps]
        worst = [[name, *map(_cell, outcome.worst)] for name, outcome in self.outcomes.items()]
        apart = [row for name, outcome in self.outcomes.items() for row in _apart(name, outcome)]
        tables = [table(["under all attacks", *eps], worst), table(["under one attack", "", *eps], apart)]
        return "\n\n".join([head, *tables, "\n".join(self.notes())])

    def notes(self) -> list[str]:
        """What each attack does, where a gradient is masked, and remarks."""
        used = {name for outcome in self.outcomes.values() for name in outcome.right}
        notes = [f"{a.name}: {a.about}" for a in ATTACKS.values() if a.name in used]
        for name, outcome in self.outcomes.items():
            most = max(outcome.only_by(WEAK))
            if most > self.n / 20:
                notes.append(
                    f"{name}: {' or '.join(WEAK)} alone broke {most} images, so its gradient misleads"
                )
        return [*notes, *self.remarks]

    def figures(self) -> dict[str, Any]:
        """Accuracy against the radius: of every classifier, and of every attack."""
        title = f"No attack broke it: {self.data} test, n = {self.n}"
        found = {name: Curve(o.eps, o.worst, o.by_attack) for name, o in self.outcomes.items()}
        norm = self.threat.norm
        overall = accuracy_curves(found, norm, title, self.colours)
        return {"curves": overall, "by-attack": curves_by_attack(found, norm)}

    def pictures(self) -> dict[str, Image.Image]:
        """Adversarial examples of every classifier, one above another, at the smallest radius at which half
        of the images shown fell, or the largest; without one above 0, or an image that is right, there is
        none."""
        drawn = [
            self._examples(name, outcome)
            for name, outcome in self.outcomes.items()
            if len(outcome.examples.y) and len(outcome.eps) > 1
        ]
        return {"attack-examples": reduce(stacked, drawn)} if drawn else {}

    def _examples(self, name: str, outcome: Outcome) -> Image.Image:
        shown, e = outcome.examples, outcome.examples.telling
        ends, said = shown.broken(e)
        answers = ["?" if k < 0 else self.classes[int(k)] for k in said]
        wrong = [bool(k != own) for k, own in zip(said, shown.y, strict=True)]
        title = f"{name}, {self.threat.norm} {self.threat.eps[e]:.3g}"
        truth = [self.classes[int(k)] for k in shown.y]
        return before_and_after(title, shown.x, ends, self.boxes[name], (truth, answers), wrong)


def attack(
    models: Mapping[str, EnergyModel] | EnergyModel | str | Path,
    data: Given,
    *,
    threat: Threat | None = None,
    attacks: Sequence[str] = ("all",),
    refinement: Refinement | None = None,
    n: int = 500,
    classes: Sequence[str] = (),
    data_dir: str | Path | None = None,
    progress: Advance = silent,
) -> Robustness:
    """Attack `models` by name, or one model, plain and refined.

    Args:
        data: labelled images, as anything that `gibbsian.dataset` takes; `n` of its test images are drawn by
            the seed.
        attacks: names, or "all", or "papers" (see `attacks.attacks_for`).
        classes: names; only images of these are attacked, all if empty.
        progress: called with (parts done, parts, what is being done).

    Raises:
        UsageError: for models without labels or of other data, and for values out of range.
    """
    models = models if isinstance(models, Mapping) else {"model": model_of(models)}
    threat, refinement = threat or Threat(), refinement or Refinement()
    shown, known = images_for(models, data, threat, attacks, refinement.steps, n, classes, data_dir)
    bar = Pieces(progress, len(models) * len(set(refinement.steps)))
    every = (c for name, model in models.items() for c in classifiers_of(name, model, known, refinement))
    return attacked(every, name_of(data), shown, threat, attacks, bar, {"refinement": asdict(refinement)})


def images_for(
    models: Mapping[str, EnergyModel],
    data: Given,
    threat: Threat,
    attacks: Sequence[str],
    steps: Sequence[int],
    n: int,
    classes: Sequence[str],
    data_dir: str | Path | None,
) -> tuple[Dataset, int]:
    """The test images to attack, and how many classes there are; raises `UsageError` as `attack` does."""
    require_known(attacks)
    for k in steps:
        attacks_for(attacks, refines=k > 0, joint=next(iter(models.values())).joint)
    test = part_of(data, "test", next(iter(models.values())).spec, data_dir=data_dir)
    for name, model in models.items():
        require_fitting(name, model, test)
    return picked(test, n, classes, threat.seed), len(test.classes)


def attacked(
    every: Iterable[Attacked],
    data: str,
    shown: Dataset,
    threat: Threat,
    attacks: Sequence[str],
    bar: Pieces,
    about: dict[str, Any],
) -> Robustness:
    """Attack classifiers one after another on the same images; each is made when its turn comes."""
    outcomes: dict[str, Outcome] = {}
    boxes: dict[str, tuple[float, float]] = {}
    for one in every:
        found = attacks_for(attacks, refines=one.classifier.refines, joint=one.joint)
        x, y = one.images(shown)
        with frozen(one.module):
            outcomes[one.name] = sweep(one.classifier, found, x, y, one.box, threat, bar(one.name))
        boxes[one.name] = one.box
    return Robustness(data, shown.classes, threat, outcomes, boxes, about)


class Pieces:
    """Shares of so many pieces of work as parts done of all; called with a name, it begins the next piece."""

    def __init__(self, progress: Advance, pieces: int) -> None:
        self.progress, self.pieces, self.begun = progress, pieces, 0

    def __call__(self, what: str) -> Watch:
        self.begun += 1
        before = self.begun - 1

        def watch(share: float, note: str) -> None:
            done = int(PARTS * (before + min(share, 1.0)))
            self.progress(done, PARTS * self.pieces, f"{what} {note}".strip())

        return watch


def _row(outcome: Outcome) -> dict[str, Any]:
    by_attack = {name: [plain(v) for v in values] for name, values in outcome.by_attack.items()}
    worst = [plain(v) for v in outcome.worst]
    return {"worst": worst, "attacks": by_attack, "broken_by_weak_alone": outcome.only_by(WEAK)}


def _apart(name: str, outcome: Outcome) -> list[list[str]]:
    rows = outcome.by_attack.items()
    return [["" if k else name, attack, *map(_cell, found)] for k, (attack, found) in enumerate(rows)]


def _cell(value: Interval) -> str:
    return cell(value, ".3f")

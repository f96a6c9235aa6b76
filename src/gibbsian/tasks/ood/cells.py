"""What is known of one score: its values on every set, how well it tells each from the inside, the choice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from ...core.random import derive, generator
from ...metrics.auroc import auroc
from ...metrics.detection import Scores, aupr, fpr_at
from ...metrics.interval import Interval


@dataclass(frozen=True, eq=False)
class Scored:
    """One score, higher meaning inside: of rows inside `(n,)`, and of every set outside by name."""

    inside: Tensor
    outside: dict[str, Tensor]

    def alarms(self, names: Sequence[str]) -> Scores:
        """The other way round, as the metrics take scores: higher meaning outside."""
        return -self.inside, [-self.outside[name] for name in names]


@dataclass(frozen=True)
class Choice:
    """AUROC of each of the model's scores on `outside` training rows of the set `on` against `inside` test
    rows that are not in the table; the highest is quoted."""

    on: str
    inside: int
    outside: int
    auroc: dict[str, Interval]

    @property
    def score(self) -> str:
        """The name of the best score, the first of several."""
        return max(self.auroc, key=lambda name: self.auroc[name].estimate)


@dataclass(frozen=True)
class Cell:
    """One score on one set: AUROC; AUPR with the inside sought, and the outside; FPR at 95 % recall."""

    auroc: Interval
    aupr_inside: Interval
    aupr_outside: Interval
    fpr95: Interval


MEASURES = {
    "auroc": "AUROC (1: told apart, .5: says nothing)",
    "aupr_inside": "AUPR, the inside sought",
    "aupr_outside": "AUPR, the outside sought",
    "fpr95": "FPR95: share of the outside let in when 95 % of the inside are",
}


def cell(scored: Scored, name: str, seed: int, score: str) -> Cell:
    """One score on the set `name`; intervals by the bootstrap are drawn by `seed` and the names."""
    rng = generator(derive(seed, f"ood/{score}/{name}"))
    inside, (outside,) = scored.alarms([name])
    return Cell(
        auroc(inside, outside),
        aupr(inside, outside, rng=rng),
        aupr(inside, outside, rng=rng, positive="outside"),
        fpr_at(inside, outside, rng=rng),
    )

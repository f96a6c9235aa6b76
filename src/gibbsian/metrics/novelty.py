"""Are samples new, and do they differ from one another? Distances to the nearest row.

    nn_ratio      mean distance to the nearest training row, over that of held-out rows: about 1 for samples
                  as new as those, far below 1 for copies, above 1 for samples far from all data
    near_copies   share closer to a training row than half the median distance of held-out rows; some of these
                  are so close too, and only what is above their share speaks of copying
    diversity     mean distance to the nearest other sample, over that among as many held-out rows: about 1
                  for samples as diverse as the data, far below 1 for a few prototypes again and again

Distances are Euclidean. All training rows are looked at: products in float32 say which one is nearest, and
the distance to it is taken in float64.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .arrays import table
from .coverage import neighbour_radii
from .duplicates import repeated_rows

COPY, SAME, PROBE = 0.5, 0.2, 500
"""Of the usual distance: near copies are below the one, near duplicates of data below the other; and training
rows among which those are looked for."""
CHUNK = 256


@dataclass(frozen=True)
class Repeats:
    """Rows of data that are there twice: held-out ones that equal a training row, or are nearer to one than
    a fifth of the median distance; training rows that equal an earlier one, and, of `probed` ones, those as
    near to another but not equal.
    """

    held: int
    held_near: int
    train: int
    train_near: int
    probed: int


class NearestRow:
    """Distances from rows (N, D) to the nearest of a fixed set of `rows` (M, D), and which ones they are."""

    def __init__(self, rows: Tensor) -> None:
        found = table(rows, "the reference", rows=1)
        self.centre = found.mean(0)
        self.rows = (found - self.centre).float()
        self.half_squares = self.rows.square().sum(1) / 2

    def __call__(self, x: Tensor) -> Tensor:
        """(N,) float64; raises `UsageError` for rows that are not finite."""
        return self.first(x, 1)[0][:, 0]

    def first(self, x: Tensor, k: int) -> tuple[Tensor, Tensor]:
        """Distances (N, k) float64 to the `k` nearest rows, and their numbers (N, k), the nearest first."""
        x = (table(x, "the sample", rows=1) - self.centre).float()  # rounded as `rows`: a copy is at 0
        score = (torch.addmm(self.half_squares, part, self.rows.T, alpha=-1) for part in x.split(CHUNK))
        nearest = torch.cat([one.topk(k, largest=False).indices for one in score])
        distance = torch.stack([(x - self.rows[one]).double().norm(dim=1) for one in nearest.T], 1)
        return distance, nearest


class Novelty:
    """Measures of samples against all training rows (M, D), beside held-out ones (N, D)."""

    def __init__(self, train: Tensor, held: Tensor) -> None:
        self.nearest, self.held = NearestRow(train), table(held, "held-out rows")
        self.known = self.nearest(self.held)

    def of_held(self) -> dict[str, float]:
        """What the same measures say of held-out rows."""
        return self._to_training(self.known) | {"diversity": 1.0}

    def measure(self, x: Tensor, distance: Tensor | None = None) -> dict[str, float]:
        """The measures of samples (N, D), at `distance` (N,) from the nearest training row if that is known;
        those of training rows only where held-out rows are no such."""
        n = min(len(x), len(self.held))
        among, usual = (float(neighbour_radii(rows[:n], 1).mean()) for rows in (x, self.held))
        found = self._to_training(self.nearest(x) if distance is None else distance)
        return found | ({"diversity": among / usual} if usual else {})

    def repeats(self) -> Repeats:
        """How often the data repeat themselves; training rows are probed at equal steps."""
        rows, least = self.nearest.rows, SAME * float(self.known.median())
        probed = rows[:: -(-len(rows) // PROBE)]
        next_one = self.nearest.first(probed + self.nearest.centre, min(2, len(rows)))[0][:, -1]
        near = [int(((d > 0) & (d < least)).sum()) for d in (self.known, next_one)]
        return Repeats(int((self.known == 0).sum()), near[0], repeated_rows(rows), near[1], len(probed))

    def _to_training(self, distance: Tensor) -> dict[str, float]:
        if not self.known.any():
            return {}
        near = distance < COPY * self.known.median()
        return {
            "nn_ratio": float(distance.mean() / self.known.mean()),
            "near_copies": float(near.double().mean()),
        }

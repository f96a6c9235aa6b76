"""Choosing steps, step size and tether by validation images, never by test images.

A chain is watched on its way, so that every number of steps costs one chain. For Gaussian noise the tether
is tried by its pull, the share of the way back to the noisy image that a step makes: the same few pulls fit
models whose temperatures are orders apart.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from ...core.random import derive, generator
from ...models.model import EnergyModel
from ...nets.frozen import frozen
from .baselines import Gallery
from .complete import complete, passing
from .damage import Damaged
from .how import How
from .legs import energy_of, own_steps, pull, usual_way

FACTORS = (0.3, 1.0, 3.0)
PULLS = (0.003, 0.01, 0.03, 0.1, 0.3)
MARKS = (1, 2, 3, 5, 8, 12, 20, 30, 50, 80, 120, 200, 300)
LONGER = 6
"""Chains are watched up to this many times the model's own number of steps."""
Score = Callable[[Tensor], float]


@dataclass(frozen=True)
class Tried:
    """One setting with its score on validation images."""

    how: How
    score: float


@dataclass(frozen=True)
class Tuned:
    """The settings that scored highest, `n` validation images, and all that was tried, best first."""

    how: How
    n: int
    criterion: str
    tried: Sequence[Tried]

    def text(self) -> str:
        """One line."""
        how, best = self.how, self.tried[0].score
        parts = [f"step factor {how.step_factor:g}", f"tether {how.tether:.3g}"]
        steps = [] if how.steps is None else [f"{how.steps} steps"]
        told = ", ".join(steps + parts)
        return f"chosen on {self.n} validation images by {self.criterion} ({best:.4g}): {told}"


def choose(
    model: EnergyModel,
    damaged: Damaged,
    how: How,
    score: Score,
    criterion: str,
    *,
    y: Tensor | None = None,
    gallery: Gallery | None = None,
    seed: int = 0,
    progress: Callable[[int, int, str], None] = lambda done, total, note: None,
) -> Tuned:
    """The best of a small grid by `score` of completions `(M, N, C, H, W)` of `damaged` validation images.

    What `how` states besides steps, step factor and tether is kept. Ties go to the shorter chain.
    """
    way = how.way or usual_way(model, damaged)
    own = how.completions
    how = replace(how, way=way, completions=own if how.average else 1)
    grid = [replace(how, step_factor=f) for f in FACTORS]
    if damaged.sigma is not None and way == "chain":
        grid = [replace(one, tether=t) for one in grid for t in _tethers(model, damaged, one)]
    tried: list[Tried] = []
    for k, one in enumerate(grid):
        progress(k, len(grid), f"step {one.step_factor:g} tether {one.tether:.3g}")
        rng = generator(derive(seed, "tune"), damaged.x.device)
        if way in ("chain", "latent"):
            marks = _marks(how.steps or own_steps(model, rng))
            long = replace(one, steps=marks[-1])
            ends = passing(model, damaged, way, long, marks, rng=rng, y=y, gallery=gallery)
            tried += [Tried(replace(one, steps=t), score(x)) for t, x in ends.items()]
        else:
            x = complete(model, damaged, one, rng=rng, y=y, gallery=gallery).x
            tried.append(Tried(one, score(x)))
    ranked = sorted(tried, key=lambda t: (-t.score, t.how.steps or 0))
    return Tuned(replace(ranked[0].how, completions=own), len(damaged), criterion, ranked)


def _marks(own: int) -> tuple[int, ...]:
    """Numbers of steps to look at."""
    return tuple(sorted({m for m in MARKS if m < LONGER * own} | {own, LONGER * own}))


def _tethers(model: EnergyModel, damaged: Damaged, how: How) -> list[float]:
    """The law's own tether, and those with the pulls that are tried."""
    rng = generator(0, damaged.x.device)
    with frozen(model):
        kernel = energy_of(model, damaged.x[:1], None, rng)[1]
    assert damaged.sigma is not None
    law = pull(kernel, model, damaged.sigma, replace(how, tether=1.0))
    stronger = [p / law for p in PULLS] if law else []
    return [t for t in (1.0, *stronger) if law * t < 1]

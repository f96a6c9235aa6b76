"""Two-dimensional samples against an exact density: divergences on a grid, modes found.

The square [-box, box]^2 is cut into bins x bins cells, and everything outside is one cell more, so
that points that fly away are seen. Divergences are in nats.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..core.errors import UsageError, require_positive
from .arrays import table


@dataclass(frozen=True)
class GridDivergence:
    """`forward` KL(density || samples) punishes what is missed, `reverse` the other way what is made up."""

    forward: float
    reverse: float


@dataclass(frozen=True)
class ModeRecall:
    """`recall`: share of modes found; `quality`: share of samples near a mode; `counts` a mode."""

    recall: float
    quality: float
    counts: tuple[int, ...]


def grid_divergence(
    samples: Tensor, log_density: Callable[[Tensor], Tensor], box: float, *, bins: int = 40
) -> GridDivergence:
    """Divergences between `samples` (N, 2) and the density, both ways, on the grid.

    Each side is mixed with the uniform one at weight 1 / (N + 1), which keeps both finite. N exact draws
    still score about (cells hit) / 2N: report that number, from exact draws, beside it.
    """
    q, p = histogram(samples, box, bins), cell_probabilities(log_density, box, bins)
    weight = 1 / (len(samples) + 1)
    p, q = ((1 - weight) * side + weight / len(side) for side in (p, q))
    return GridDivergence(float((p * (p / q).log()).sum()), float((q * (q / p).log()).sum()))


def histogram(samples: Tensor, box: float, bins: int) -> Tensor:
    """Share of `samples` (N, 2) in each cell, (bins^2 + 1,), the last one outside the square."""
    require_positive(box=box, bins=bins)
    x = _plane(samples)
    cell = ((x + box) * (bins / (2 * box))).floor()
    inside = ((cell >= 0) & (cell < bins)).all(1)
    index = torch.where(inside, cell[:, 0] * bins + cell[:, 1], bins * bins).long()
    return torch.bincount(index, minlength=bins * bins + 1).double() / len(x)


def cell_probabilities(
    log_density: Callable[[Tensor], Tensor], box: float, bins: int, *, points: int = 4
) -> Tensor:
    """Probability of each cell, (bins^2 + 1,), by the mean over points x points midpoints in it."""
    require_positive(box=box, bins=bins, points=points)
    side = bins * points
    width = 2 * box / side
    axis = -box + width * (torch.arange(side, dtype=torch.float64) + 0.5)
    mass = log_density(torch.cartesian_prod(axis, axis)).double().exp() * width**2
    cells = mass.reshape(bins, points, bins, points).sum((1, 3)).flatten()
    total = cells.sum()
    return torch.cat([cells, (1 - total).clamp(min=0)[None]]) / total.clamp(min=1)


def mode_recall(samples: Tensor, modes: Tensor, radius: float, *, minimum: int = 1) -> ModeRecall:
    """Modes (K, 2) that at least `minimum` of `samples` (N, 2) come within `radius` of.

    A sample counts for its nearest mode. Three deviations is the customary radius (Lin et al. 2018,
    arXiv 1712.04086).
    """
    require_positive(radius=radius, minimum=minimum)
    x = _plane(samples)
    if modes.dim() != 2 or modes.shape[0] < 1 or modes.shape[1] != 2:
        raise UsageError(f"modes have shape {tuple(modes.shape)}: expected (K, 2), K at least 1")
    distance, nearest = torch.cdist(x, modes.double()).min(1)
    near = distance <= radius
    counts = torch.bincount(nearest[near], minlength=len(modes))
    recall = float((counts >= minimum).double().mean())
    return ModeRecall(recall, float(near.double().mean()), tuple(counts.tolist()))


def _plane(samples: Tensor) -> Tensor:
    x = table(samples, "samples", rows=1)
    if x.shape[1] != 2:
        raise UsageError(f"samples have shape {tuple(samples.shape)}: expected points of the plane, (N, 2)")
    return x

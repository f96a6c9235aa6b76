"""log Z in one to three dimensions by a sum over a grid: the truth that estimates are held against."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ...core.energy import Energy, value
from ...core.errors import GibbsianError, UsageError
from ...core.show import one_line
from ...nets.frozen import frozen

FIRST = {1: 4096, 2: 512, 3: 64}
"""Cells along an axis, at first."""
MOST = 2**24
"""Points of a grid, at most."""
CHUNK = 2**16
BELOW = 40.0
"""Nats below the highest density that the box still holds."""


@dataclass(frozen=True)
class Quadrature:
    """log Z in nats by the trapezoid rule, which converges faster than any power of the step for smooth
    densities that vanish at the ends of the box.

    Fields:
        value: log Z.
        error: its distance to the value with twice the step.
        box: low and high end of every axis.
        points: of the grid.
    """

    value: float
    error: float
    box: tuple[tuple[float, float], ...]
    points: int

    __repr__ = one_line


def quadrature(
    energy: Energy,
    *,
    event_shape: tuple[int, ...],
    box: tuple[tuple[float, float], ...] | None = None,
    temperature: float = 1.0,
    tolerance: float = 1e-4,
    dtype: torch.dtype = torch.float32,
    device: str | torch.device = "cpu",
) -> Quadrature:
    """log of the integral of exp(-E(x) / T) over events of one to three numbers, in nats.

    Args:
        energy: maps `(B, *event)` to `(B,)`.
        event_shape: of one event, at most 3 numbers.
        box: low and high end of every axis. By default one around 0 is widened until the density at its
            border is 40 nats below the highest: modes narrower than its first cells are then missed.
        temperature: T > 0.
        tolerance: in nats, of the difference to twice the step.
        dtype: of positions; sums are float64.
        device: of positions; that of the energy.

    Raises:
        UsageError: for events of more numbers, and a box or temperature out of range.
        GibbsianError: where the density does not fall off, or 16 million points are too few.
    """
    dims = math.prod(event_shape)
    if dims not in FIRST or not 0 < temperature < math.inf:
        raise UsageError(
            f"event_shape is {tuple(event_shape)} and temperature {temperature}: a grid takes 1 to 3 numbers "
            "and a temperature above 0; gibbsian.log_partition takes any"
        )
    if box is not None and (len(box) != dims or not all(a < b for a, b in box)):
        raise UsageError(f"box is {box}: give the low and the high end of each of {dims} axes")

    def log_p(ends: Tensor, cells: int) -> Tensor:
        return _log_p(energy, ends, cells, tuple(event_shape), dtype, device) / temperature

    with frozen(energy):
        ends = _found(log_p, dims) if box is None else torch.tensor(box, dtype=torch.float64)
        cells, coarse = FIRST[dims], math.nan
        while True:
            fine = log_p(ends, cells)
            if not math.isfinite(coarse):
                coarse = _sum(fine[(slice(None, None, 2),) * dims], ends)
            whole = _sum(fine, ends)
            if abs(whole - coarse) <= tolerance:
                pairs = tuple((float(a), float(b)) for a, b in ends)
                return Quadrature(whole, abs(whole - coarse), pairs, fine.numel())
            if (2 * cells + 1) ** dims > MOST:
                raise GibbsianError(
                    f"log Z by a grid of {fine.numel():,} points is still {abs(whole - coarse):.2g} off: "
                    "give box= around where the density lies, or a larger tolerance="
                )
            cells, coarse = 2 * cells, whole


def _found(log_p: Callable[[Tensor, int], Tensor], dims: int) -> Tensor:
    """Ends of a box beyond which the density is `BELOW` nats lower than within."""
    ends = torch.tensor([[-8.0, 8.0]] * dims, dtype=torch.float64)
    for _ in range(24):
        grid = log_p(ends, FIRST[dims])
        if not bool(grid.isfinite().any()):
            raise GibbsianError(f"the energy is finite nowhere in {ends.tolist()}: give box=")
        seen, width = grid > grid.max() - BELOW, ends[:, 1] - ends[:, 0]
        low, high = ends[:, 0].clone(), ends[:, 1].clone()
        beyond = False
        for k in range(dims):
            line = seen.movedim(k, 0).flatten(1).any(1) if dims > 1 else seen
            first, last = int(line.int().argmax()), len(line) - 1 - int(line.flip(0).int().argmax())
            beyond |= first == 0 or last == len(line) - 1
            step = width[k] / (len(line) - 1)
            low[k] = ends[k, 0] - width[k] / 2 if first == 0 else ends[k, 0] + (first - 1) * step
            high[k] = ends[k, 1] + width[k] / 2 if last == len(line) - 1 else ends[k, 0] + (last + 1) * step
        if not beyond:
            return torch.stack([low, high], 1)
        ends = torch.stack([low, high], 1)
    raise GibbsianError(f"the density does not fall off within {ends.tolist()}: exp(-E) is not integrable")


def _sum(log_p: Tensor, ends: Tensor) -> float:
    """log of the trapezoid sum of exp(log_p) on a regular grid over the box."""
    for k, n in enumerate(log_p.shape):
        weights = torch.full((n,), math.log(float(ends[k, 1] - ends[k, 0]) / (n - 1)), dtype=torch.float64)
        weights[[0, -1]] -= math.log(2)
        log_p = log_p + weights.reshape([-1 if k == j else 1 for j in range(log_p.dim())])
    return float(log_p.flatten().logsumexp(0))


@torch.no_grad()
def _log_p(
    energy: Energy,
    ends: Tensor,
    cells: int,
    shape: tuple[int, ...],
    dtype: torch.dtype,
    device: str | torch.device,
) -> Tensor:
    """-E on a grid of `cells` + 1 points an axis, float64, -inf where E is not finite."""
    axes = [torch.linspace(float(a), float(b), cells + 1, dtype=torch.float64) for a, b in ends]
    points = torch.stack(torch.meshgrid(*axes, indexing="ij"), -1).reshape(-1, *shape)
    parts = [-value(energy, part.to(device, dtype)).double().cpu() for part in points.split(CHUNK)]
    found = torch.cat(parts).reshape([cells + 1] * len(axes))
    return torch.where(found.isfinite(), found, -math.inf)

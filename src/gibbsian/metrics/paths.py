"""How well drawn paths are those of the data: clouds of states step by step, single futures, the range."""

from __future__ import annotations

import torch
from torch import Tensor

from ..core.errors import UsageError
from .frechet import frechet_distance

SHARE = 0.95


def components(states: Tensor, share: float = SHARE) -> Tensor:
    """The leading principal directions `(D, K)` that hold `share` of the variance of `states` `(N, D)`.

    The Frechet distance of few points in many dimensions is mostly its bias, so clouds are compared there.
    """
    centred = states.double() - states.double().mean(0)
    _, values, vectors = torch.linalg.svd(centred, full_matrices=False)
    held = values.square().cumsum(0) / values.square().sum().clamp(min=1e-300)
    return vectors[: int((held < share - 1e-12).sum()) + 1].T


def frechet_per_step(drawn: Tensor, true: Tensor, directions: Tensor) -> list[float]:
    """The Frechet distance between the states of paths `(N, H, D)` and `(M, H, D)` at each step, in
    `directions` `(D, K)`."""
    a, b = drawn.double() @ directions, true.double() @ directions
    return [frechet_distance(a[:, t], b[:, t]) for t in range(a.shape[1])]


def energy_score(first: Tensor, second: Tensor, true: Tensor) -> Tensor:
    """E|X - y| - E|X - X'| / 2 from two futures of each state, `(N, H, D)`, and the true one: `(N, H)`.

    Least in the mean where the futures have the distribution of the true one (T. Gneiting, A. Raftery, 2007);
    a single future that is sure of itself pays the whole distance. Raises `UsageError` for other shapes.
    """
    if first.shape != true.shape or second.shape != true.shape:
        shapes = ", ".join(str(tuple(a.shape)) for a in (first, second, true))
        raise UsageError(f"paths have shapes {shapes}: give the same, (N, H, D)")
    near = ((first - true).norm(dim=-1) + (second - true).norm(dim=-1)) / 2
    return near - (first - second).norm(dim=-1) / 2


def outside(paths: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """The share of states of `paths` `(N, H, D)` below `low` or above `high` `(D,)`, a coordinate, `(D,)`."""
    return ((paths < low) | (paths > high)).double().mean((0, 1))

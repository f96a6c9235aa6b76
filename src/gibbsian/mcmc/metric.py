"""Diagonal metrics: one positive number a coordinate, the inverse mass, shared by all chains.

With inverse mass m a kernel moves in the coordinates x / sqrt(m), where it is an ordinary one: gradients and
steps are both multiplied by sqrt(m). Good values are the variances of the target, as far as the ratios go;
a common factor belongs to the step size. A metric is a tuple with one tensor `event` for each leaf of the
position, or None.
"""

from __future__ import annotations

from typing import TypeAlias

from torch import Tensor

from ..core.errors import UsageError
from ..core.position import Position, leaves, like, tree_map

Metric: TypeAlias = tuple[Tensor, ...] | None


def scaled(x: Position, metric: Metric) -> Position:
    """sqrt(m) x, coordinate by coordinate."""
    return x if metric is None else tree_map(lambda a, m: a * m.sqrt(), x, like(x, metric))


def require_metric(metric: Metric) -> None:
    """Raise `UsageError` unless `metric` is None or a tuple of positive finite tensors."""
    if metric is None:
        return
    if not isinstance(metric, tuple) or not metric:
        raise UsageError("metric must be a tuple with one tensor of inverse masses a leaf, or None")
    if not all(bool(((m > 0) & m.isfinite()).all()) for m in metric):
        raise UsageError("metric has an inverse mass that is not positive and finite: every one must be")


def require_fit(metric: Metric, x: Position) -> None:
    """Raise `UsageError` unless `metric` fits the event shapes of `x`."""
    shapes = [tuple(a.shape[1:]) for a in leaves(x)]
    if metric is not None and [tuple(m.shape) for m in metric] != shapes:
        found = [tuple(m.shape) for m in metric]
        raise UsageError(f"metric has shapes {found} for events of shape {shapes}: they must be the same")

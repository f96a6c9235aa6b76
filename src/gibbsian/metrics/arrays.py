"""Arguments of the metrics, checked: finite numbers, one row a sample, float64."""

from __future__ import annotations

import torch
from torch import Tensor

from ..core.errors import UsageError


def table(x: Tensor, what: str, *, rows: int = 2) -> Tensor:
    """`x` (N, *event) as float64 (N, D).

    Raises `UsageError` with fewer than `rows` rows, no column, or a number that is not finite.
    """
    if x.dim() == 0 or x.shape[0] < rows or x.numel() == 0:
        raise UsageError(f"{what} has shape {tuple(x.shape)}: at least {rows} rows of numbers are needed")
    flat = x.detach().reshape(x.shape[0], -1).to(torch.float64)
    bad = int((~torch.isfinite(flat)).any(1).sum())
    if bad:
        raise UsageError(
            f"{what} has {bad} rows of {x.shape[0]} that are not finite: drop and count them first"
        )
    return flat


def pair(a: Tensor, b: Tensor, what: str = "the two samples") -> tuple[Tensor, Tensor]:
    """Two tables of equal width, float64 (N, D) and (M, D); raises `UsageError` otherwise."""
    left, right = table(a, f"the first of {what}"), table(b, f"the second of {what}")
    if left.shape[1] != right.shape[1]:
        raise UsageError(f"{what} have {left.shape[1]} and {right.shape[1]} columns: they must agree")
    return left, right
